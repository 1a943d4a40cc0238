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
}

variables {
  name               = "test-api"
  cluster_name       = "test"
  service_name       = "test-api"
  listener_arn       = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/test/1/1"
  target_group_names = ["test-blue", "test-green"]
  alarm_names        = ["test-errors"]
  task_role_arns     = ["arn:aws:iam::123456789012:role/test-api-task"]
}

run "goes_back_by_itself" {
  command = plan

  assert {
    condition     = one(aws_codedeploy_deployment_group.this.auto_rollback_configuration).enabled && one(aws_codedeploy_deployment_group.this.alarm_configuration).enabled
    error_message = "a failed deployment must be taken back"
  }

  assert {
    condition     = toset([for g in one(one(aws_codedeploy_deployment_group.this.load_balancer_info).target_group_pair_info).target_group : g.name]) == toset(["test-blue", "test-green"])
    error_message = "both target groups take part"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name               = "Test"
    cluster_name       = "arn:aws:ecs:us-east-1:123456789012:cluster/test"
    service_name       = ""
    listener_arn       = "*"
    target_group_names = ["test-blue", "test-blue"]
    alarm_names        = []
    strategy           = "CodeDeployDefault.OneAtATime"
    task_role_arns     = ["*"]
  }

  expect_failures = [
    var.name, var.cluster_name, var.service_name, var.listener_arn, var.target_group_names, var.alarm_names, var.strategy, var.task_role_arns,
  ]
}
