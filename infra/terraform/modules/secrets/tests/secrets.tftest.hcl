mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:x" }
  }
}

variables {
  prefix  = "test/staging"
  bundles = { api = ["DATABASE_URL", "REDIS_URL"] }
  key_arn = "arn:aws:kms:us-east-1:123456789012:key/1"
}

run "one_secret_per_bundle" {
  command = apply

  variables {
    first_values = { api = { DATABASE_URL = "postgres://x" } }
  }

  assert {
    condition     = aws_secretsmanager_secret.this["api"].name == "test/staging/api" && keys(output.arns) == ["api"]
    error_message = "each bundle is a secret under the prefix"
  }

  assert {
    condition     = aws_secretsmanager_secret_version.first["api"].secret_string == null
    error_message = "no value may reach the state"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix        = "/test/"
    bundles       = { api = ["database_url"] }
    key_arn       = "alias/key"
    recovery_days = 3
  }

  expect_failures = [var.prefix, var.bundles, var.key_arn, var.recovery_days]
}

run "a_value_without_a_bundle_is_refused" {
  command = plan

  variables {
    first_values = { api = { TYPO_URL = "x" } }
  }

  expect_failures = [var.first_values]
}
