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
  name    = "test/staging"
  key_arn = "arn:aws:kms:us-east-1:123456789012:key/1"
}

run "tags_do_not_move" {
  command = plan

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "a tag must name one image for ever"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name        = "Test/"
    key_arn     = "alias/key"
    keep_images = 1
  }

  expect_failures = [var.name, var.key_arn, var.keep_images]
}
