mock_provider "aws" {
  override_during = plan

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

  mock_resource "aws_acm_certificate" {
    defaults = {
      arn                       = "arn:aws:acm:us-east-1:123456789012:certificate/1"
      domain_validation_options = [{ domain_name = "api.example.com", resource_record_name = "_x.example.com", resource_record_type = "CNAME", resource_record_value = "y" }]
    }
  }

  mock_data "aws_route53_zone" {
    defaults = { zone_id = "Z1" }
  }
}

variables {
  zone_name     = "example.com"
  domain_name   = "api.example.com"
  load_balancer = { dns_name = "lb.amazonaws.com", zone_id = "Z2" }
}

run "the_name_leads_to_the_load_balancer" {
  command = plan

  assert {
    condition     = one(aws_route53_record.this.alias).name == "lb.amazonaws.com"
    error_message = "the record must be an alias of the load balancer"
  }
}

run "the_zone_itself_will_do" {
  command = plan

  variables {
    domain_name = "example.com"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    zone_name     = "https://example.com"
    load_balancer = { dns_name = "", zone_id = "" }
  }

  expect_failures = [var.zone_name, var.load_balancer]
}

run "a_missing_domain_is_refused" {
  command = plan

  variables {
    domain_name = ""
  }

  expect_failures = [var.domain_name]
}

run "a_name_that_only_looks_like_the_zones_is_refused" {
  command = plan

  variables {
    domain_name = "notexample.com"
  }

  expect_failures = [var.domain_name]
}
