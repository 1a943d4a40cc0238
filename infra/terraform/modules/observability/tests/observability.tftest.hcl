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

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:test" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:us-east-1:123456789012:rule/test" }
  }
}

variables {
  name                  = "test"
  metrics_namespace     = "test"
  emails                = ["oncall@example.com"]
  load_balancer         = "app/test/1"
  target_groups         = { blue = "targetgroup/blue/1", green = "targetgroup/green/1" }
  cluster_arn           = "arn:aws:ecs:us-east-1:123456789012:cluster/test"
  db_id                 = "test"
  redis_node            = "test-001"
  rotation_function     = "test"
  rotation_failed_queue = "test"
  logs_key_arn          = "arn:aws:kms:us-east-1:123456789012:key/1"
}

run "every_alarm_says_what_it_means" {
  command = apply

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length(alarm.alarm_description) > 20 && length(alarm.alarm_actions) == 1])
    error_message = "an alarm must say what it means, and to somebody"
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == length(aws_cloudwatch_metric_alarm.this)
    error_message = "every alarm has its graph"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["token-expiry"].comparison_operator == "LessThanThreshold" && aws_cloudwatch_metric_alarm.this["queue-age"].comparison_operator == "GreaterThanThreshold"
    error_message = "an alarm rings under its threshold or over it, as it says"
  }

  assert {
    condition     = output.deployment_alarm_names == ["test-api-errors-blue", "test-api-errors-green", "test-alb-errors", "test-alb-latency"]
    error_message = "a deployment stops when users notice"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name                  = "Test"
    metrics_namespace     = "AWS/ECS"
    emails                = []
    load_balancer         = "test"
    target_groups         = { blue = "blue" }
    cluster_arn           = "test"
    db_id                 = ""
    redis_node            = "test"
    rotation_function     = ""
    rotation_failed_queue = ""
    logs_key_arn          = "alias/key"
  }

  expect_failures = [
    var.name, var.metrics_namespace, var.emails, var.load_balancer, var.target_groups, var.cluster_arn, var.db_id, var.redis_node,
    var.rotation_function, var.rotation_failed_queue, var.logs_key_arn,
  ]
}
