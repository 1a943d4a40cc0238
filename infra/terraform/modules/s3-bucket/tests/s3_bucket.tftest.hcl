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

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::test-media" }
  }
}

variables {
  name = "test-media"
}

run "with_a_key_only_that_key" {
  command = apply

  variables {
    key_arn    = "arn:aws:kms:us-east-1:123456789012:key/1"
    log_bucket = "test-logs"
  }

  assert {
    condition     = [for s in data.aws_iam_policy_document.this.statement : s.sid] == ["OnlyTls", "OnlyTls12AndLater", "OnlyThisEncryption", "OnlyThisKey"]
    error_message = "the policy must refuse plain requests, old TLS, other encryption and other keys"
  }

  assert {
    condition     = alltrue([for s in data.aws_iam_policy_document.this.statement : s.effect == "Deny"])
    error_message = "the policy must let nobody in"
  }

  assert {
    condition     = length(aws_s3_bucket_logging.this) == 1
    error_message = "access must be logged"
  }
}

run "a_log_bucket_lets_in_two_services" {
  command = apply

  variables {
    receives_logs = true
    expire_days   = 365
  }

  assert {
    condition     = [for s in data.aws_iam_policy_document.this.statement : one(one(s.principals).identifiers) if s.effect != "Deny"] == ["logdelivery.elasticloadbalancing.amazonaws.com", "logging.s3.amazonaws.com"]
    error_message = "only load balancers and buckets may write logs"
  }
}

run "what_is_transient_goes_after_a_day" {
  command = plan

  variables {
    transient_prefix = "incoming/"
  }

  assert {
    condition     = [for r in aws_s3_bucket_lifecycle_configuration.this[0].rule : "${one(r.expiration).days} ${one(r.noncurrent_version_expiration).noncurrent_days} ${one(r.abort_incomplete_multipart_upload).days_after_initiation}" if one(r.filter).prefix == "incoming/"] == ["1 1 1"]
    error_message = "objects, their versions and unfinished uploads must go"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name              = "test.media"
    key_arn           = "alias/key"
    expire_days       = 0
    old_versions_days = 0
  }

  expect_failures = [var.name, var.key_arn, var.expire_days, var.old_versions_days]
}

run "a_prefix_that_is_no_folder_is_refused" {
  command = plan

  variables {
    transient_prefix = "incoming"
  }

  expect_failures = [var.transient_prefix]
}

run "a_transient_prefix_where_nothing_expires_is_refused" {
  command = plan

  variables {
    transient_prefix  = "incoming/"
    old_versions_days = null
  }

  expect_failures = [var.transient_prefix]
}

run "a_bucket_that_logs_into_itself_is_refused" {
  command = plan

  variables {
    log_bucket = "test-media"
  }

  expect_failures = [var.log_bucket]
}

run "old_versions_for_ever" {
  command = plan

  variables {
    old_versions_days = null
  }

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this) == 0
    error_message = "nothing may expire"
  }
}

run "logs_with_a_key_are_refused" {
  command = plan

  variables {
    key_arn       = "arn:aws:kms:us-east-1:123456789012:key/1"
    receives_logs = true
  }

  expect_failures = [var.receives_logs]
}
