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

  mock_resource "aws_db_instance" {
    defaults = {
      endpoint           = "test.rds.amazonaws.com:5432"
      resource_id        = "db-1"
      master_user_secret = [{ kms_key_id = "arn:aws:kms:us-east-1:123456789012:key/1", secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:owner", secret_status = "active" }]
    }
  }
}

variables {
  name                  = "test"
  instance_class        = "db.t4g.medium"
  subnet_ids            = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id     = "sg-1"
  key_arn               = "arn:aws:kms:us-east-1:123456789012:key/1"
  logs_key_arn          = "arn:aws:kms:us-east-1:123456789012:key/1"
  backup_retention_days = 7
  log_retention_days    = 365
  deletion_protection   = true
}

run "the_program_has_no_password" {
  command = apply

  assert {
    condition     = output.url == "postgres://autorepost@test.rds.amazonaws.com:5432/autorepost?sslmode=verify-full"
    error_message = "DATABASE_URL must hold no password and check the certificate"
  }

  assert {
    condition     = output.connect_arn == "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-1/autorepost"
    error_message = "the program signs in as one user of one database"
  }

  assert {
    condition     = { for p in aws_db_parameter_group.this.parameter : p.name => p.value }["rds.force_ssl"] == "1"
    error_message = "TLS must be forced"
  }
}

run "protection_leaves_a_snapshot" {
  command = plan

  assert {
    condition     = !aws_db_instance.this.skip_final_snapshot && !aws_db_instance.this.delete_automated_backups
    error_message = "a protected database must leave its backups"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name                  = "1test"
    engine_version        = "16.8"
    instance_class        = "t4g.medium"
    storage_gb            = 5
    subnet_ids            = ["subnet-1"]
    security_group_id     = "db"
    key_arn               = "alias/key"
    logs_key_arn          = "alias/key"
    backup_retention_days = 1
    log_retention_days    = 90
  }

  expect_failures = [
    var.name, var.engine_version, var.instance_class, var.storage_gb, var.subnet_ids, var.security_group_id, var.key_arn, var.logs_key_arn,
    var.backup_retention_days, var.log_retention_days,
  ]
}
