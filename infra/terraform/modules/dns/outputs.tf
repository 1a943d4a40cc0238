output "certificate_arn" {
  description = "Certificate of the domain, known once it is issued."
  value       = aws_acm_certificate_validation.this.certificate_arn
}
