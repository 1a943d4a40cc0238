# What must be there before the environments: where their state is kept and locked, and GitHub's identity. Once per account, with
# state in a local file, which holds nothing secret.
data "aws_caller_identity" "current" {}

locals {
  name = "autorepost-terraform-${data.aws_caller_identity.current.account_id}"
}

module "key" {
  source = "../modules/key"

  name        = "autorepost-terraform"
  description = "State of autorepost's infrastructure, and its locks"
}

module "state" {
  #checkov:skip=CKV_AWS_18:only those who apply reach this bucket; CloudTrail records them
  source = "../modules/s3-bucket"

  name    = local.name
  key_arn = module.key.arn

  # The only way back from a state that was spoilt.
  old_versions_days = null
}

resource "aws_dynamodb_table" "locks" {
  name                        = local.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "LockID"
  deletion_protection_enabled = true

  attribute {
    name = "LockID"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = module.key.arn
  }
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}
