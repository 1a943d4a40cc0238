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
}

variables {
  name               = "test"
  cidr_block         = "10.0.0.0/16"
  azs                = ["us-east-1a", "us-east-1b", "us-east-1c"]
  nat_per_az         = true
  app_port           = 8787
  logs_key_arn       = "arn:aws:kms:us-east-1:123456789012:key/1"
  log_retention_days = 365
}

run "three_tiers_in_three_zones" {
  command = apply

  assert {
    condition     = alltrue([for tier in ["public", "private", "data"] : length(output.subnet_ids[tier]) == 3])
    error_message = "each tier needs a subnet in each zone"
  }

  assert {
    condition     = length(distinct([for subnet in aws_subnet.this : subnet.cidr_block])) == 9
    error_message = "no two subnets may share addresses"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_route.private) == 3
    error_message = "each zone needs a NAT gateway of its own"
  }
}

run "one_nat_gateway_serves_all_zones" {
  command = plan

  variables {
    nat_per_az = false
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.private) == 3
    error_message = "all zones must leave by the one gateway"
  }
}

run "only_the_load_balancer_is_open" {
  command = plan

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.internet : rule.from_port]) == toset([80, 443])
    error_message = "the internet may reach ports 80 and 443 only"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.peer : rule.cidr_ipv4 == null])
    error_message = "everything else is opened to a group, not to addresses"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name               = "Test"
    cidr_block         = "10.0.0.0/24"
    azs                = ["us-east-1a", "us-east-1b"]
    app_port           = 80
    logs_key_arn       = "alias/key"
    log_retention_days = 30
  }

  expect_failures = [var.name, var.cidr_block, var.azs, var.app_port, var.logs_key_arn, var.log_retention_days]
}

run "a_public_range_is_refused" {
  command = plan

  variables {
    cidr_block = "8.8.0.0/16"
  }

  expect_failures = [var.cidr_block]
}

run "a_range_that_is_none_is_refused" {
  command = plan

  variables {
    cidr_block = "10.0.0.300/16"
  }

  expect_failures = [var.cidr_block]
}

run "zones_of_another_region_are_refused" {
  command = plan

  variables {
    azs = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
  }

  expect_failures = [aws_vpc.this]
}
