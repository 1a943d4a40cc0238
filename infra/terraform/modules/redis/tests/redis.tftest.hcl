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

  mock_data "aws_secretsmanager_random_password" {
    defaults = { random_password = "0123456789abcdef0123456789abcdef" }
  }
}

variables {
  name              = "test"
  node_type         = "cache.t4g.small"
  subnet_ids        = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id = "sg-1"
  key_arn           = "arn:aws:kms:us-east-1:123456789012:key/1"
}

run "tls_and_a_token" {
  command = apply

  assert {
    condition     = startswith(output.url, "rediss://:0123456789abcdef")
    error_message = "REDIS_URL must have TLS and the token"
  }

  assert {
    condition     = aws_elasticache_replication_group.this.transit_encryption_mode == "required"
    error_message = "connections without TLS must be refused"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name              = "Test"
    node_type         = "t4g.small"
    subnet_ids        = ["subnet-1"]
    security_group_id = "redis"
    key_arn           = "alias/key"
  }

  expect_failures = [var.name, var.node_type, var.subnet_ids, var.security_group_id, var.key_arn]
}
