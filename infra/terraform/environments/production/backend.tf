# Bucket, key and lock table come from the bootstrap: terraform init -backend-config=../../backend.hcl
terraform {
  backend "s3" {
    key          = "production/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
