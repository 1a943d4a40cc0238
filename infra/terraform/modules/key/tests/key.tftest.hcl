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
}

variables {
  name        = "test-data"
  description = "Test"
}

run "rotates" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.rotation_period_in_days == 365
    error_message = "the key must be rotated every year"
  }
}

run "a_service_is_tied_to_its_condition" {
  command = plan

  variables {
    services = { "events.amazonaws.com" = { test = "StringEquals", variable = "aws:SourceAccount", values = ["123456789012"] } }
  }

  assert {
    condition     = one(data.aws_iam_policy_document.this.statement[1].condition).values == tolist(["123456789012"])
    error_message = "a service may use the key only under its condition"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name        = "aws/mine"
    description = ""
    services    = { "events.amazonaws.com" = { test = "StringEquals", variable = "aws:SourceAccount", values = [] } }
  }

  expect_failures = [var.name, var.description, var.services]
}
