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

  mock_data "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }
}

variables {
  name                 = "test-deploy"
  repository           = "owner/autorepost"
  environment          = "staging"
  registry_arn         = "arn:aws:ecr:us-east-1:123456789012:repository/test"
  codedeploy           = { app = "arn:aws:codedeploy:us-east-1:123456789012:application:test", group = "arn:aws:codedeploy:us-east-1:123456789012:deploymentgroup:test/test", strategy = "arn:aws:codedeploy:us-east-1:123456789012:deploymentconfig:x" }
  cluster_arn          = "arn:aws:ecs:us-east-1:123456789012:cluster/test"
  service_arns         = ["arn:aws:ecs:us-east-1:123456789012:service/test/api"]
  task_definition_arns = ["arn:aws:ecs:us-east-1:123456789012:task-definition/api:*"]
  task_role_arns       = ["arn:aws:iam::123456789012:role/test-api-task"]
}

run "one_repository_and_environment" {
  command = plan

  assert {
    condition     = contains([for c in data.aws_iam_policy_document.trust.statement[0].condition : one(c.values)], "repo:owner/autorepost:environment:staging")
    error_message = "only the environment of the repository may deploy"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name                 = "Test"
    repository           = "owner/*"
    environment          = "*"
    registry_arn         = "*"
    codedeploy           = { app = "*", group = "*", strategy = "*" }
    cluster_arn          = "*"
    service_arns         = ["*"]
    task_definition_arns = ["*"]
    task_role_arns       = ["*"]
  }

  expect_failures = [
    var.name, var.repository, var.environment, var.registry_arn, var.codedeploy, var.cluster_arn, var.service_arns, var.task_definition_arns,
    var.task_role_arns,
  ]
}
