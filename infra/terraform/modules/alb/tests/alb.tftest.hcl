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

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:x" }
  }

  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/test/1" }
  }

  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/test/1" }
  }

  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/test/1/1" }
  }

  mock_resource "aws_wafv2_web_acl" {
    defaults = { arn = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/test/1" }
  }
}

variables {
  name                = "test"
  vpc_id              = "vpc-1"
  subnet_ids          = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id   = "sg-1"
  certificate_arn     = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  app_port            = 8787
  log_bucket          = "test-logs"
  logs_key_arn        = "arn:aws:kms:us-east-1:123456789012:key/1"
  log_retention_days  = 365
  deletion_protection = true
}

run "port_80_only_redirects" {
  command = plan

  assert {
    condition     = one(aws_lb_listener.http.default_action).type == "redirect" && one(one(aws_lb_listener.http.default_action).redirect).protocol == "HTTPS"
    error_message = "port 80 must lead to HTTPS"
  }
}

run "two_target_groups" {
  command = apply

  assert {
    condition     = keys(output.target_groups) == ["blue", "green"]
    error_message = "a deployment needs two target groups"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name                   = "a-name-that-is-much-too-long-for-it"
    vpc_id                 = "main"
    subnet_ids             = ["subnet-1"]
    security_group_id      = "alb"
    certificate_arn        = "api.example.com"
    app_port               = 80
    log_bucket             = ""
    logs_key_arn           = "alias/key"
    log_retention_days     = 7
    requests_per_5_minutes = 10
  }

  expect_failures = [
    var.name, var.vpc_id, var.subnet_ids, var.security_group_id, var.certificate_arn, var.app_port, var.log_bucket, var.logs_key_arn,
    var.log_retention_days, var.requests_per_5_minutes,
  ]
}
