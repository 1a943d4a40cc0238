output "backend" {
  description = "Settings of the environments' backend; write them to ../backend.hcl."
  value       = <<-HCL
    bucket         = "${module.state.name}"
    dynamodb_table = "${aws_dynamodb_table.locks.name}"
    kms_key_id     = "${module.key.arn}"
    region         = "${var.region}"
  HCL
}
