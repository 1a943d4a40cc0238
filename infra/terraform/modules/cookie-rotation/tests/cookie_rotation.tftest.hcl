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

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/x" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:x" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:us-east-1:123456789012:function:test" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:us-east-1:123456789012:test" }
  }
}

variables {
  name               = "test"
  archive            = "tests/stub.zip"
  secrets            = { tiktok = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tiktok", days = 7 } }
  subnet_ids         = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id  = "sg-1"
  key_arn            = "arn:aws:kms:us-east-1:123456789012:key/1"
  logs_key_arn       = "arn:aws:kms:us-east-1:123456789012:key/1"
  log_retention_days = 365
}

run "weekly_and_not_at_once" {
  command = apply

  assert {
    condition     = one(aws_secretsmanager_secret_rotation.this["tiktok"].rotation_rules).automatically_after_days == 7 && !aws_secretsmanager_secret_rotation.this["tiktok"].rotate_immediately
    error_message = "the cookies must be rotated weekly, and not before there are any"
  }

  assert {
    condition     = aws_lambda_permission.this["tiktok"].source_arn == "arn:aws:secretsmanager:us-east-1:123456789012:secret:tiktok"
    error_message = "Secrets Manager may call the function for this secret only"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name               = "Test"
    archive            = "tests/none.zip"
    secrets            = { tiktok = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tiktok", days = 91 } }
    subnet_ids         = []
    security_group_id  = "rotation"
    key_arn            = "alias/key"
    logs_key_arn       = "alias/key"
    log_retention_days = 30
  }

  expect_failures = [
    var.name, var.archive, var.secrets, var.subnet_ids, var.security_group_id, var.key_arn, var.logs_key_arn, var.log_retention_days,
  ]
}
