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

  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/test:1" }
  }
}

variables {
  name               = "test-worker"
  cluster            = { arn = "arn:aws:ecs:us-east-1:123456789012:cluster/test", name = "test" }
  image              = "example.com/autorepost:v1"
  command            = ["worker"]
  port               = 8787
  cpu                = 1024
  memory             = 2048
  subnet_ids         = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id  = "sg-1"
  environment        = { S3_BUCKET = "media" }
  bundles            = [{ arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:worker", keys = ["REDIS_URL", "DATABASE_URL"] }]
  bucket_arn         = "arn:aws:s3:::media"
  db_connect_arn     = "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-1/autorepost"
  repository_arn     = "arn:aws:ecr:us-east-1:123456789012:repository/test"
  key_arn            = "arn:aws:kms:us-east-1:123456789012:key/1"
  logs_key_arn       = "arn:aws:kms:us-east-1:123456789012:key/1"
  log_retention_days = 365
  tasks              = { min = 1, max = 2 }
  scale_on           = { namespace = "test", metric = "age", statistic = "Maximum", target = 60, series = [{ service = "worker" }] }
  metrics            = { namespace = "test", service = "worker" }
}

run "without_load_balancer_it_rolls" {
  command = apply

  assert {
    condition     = length(aws_ecs_service.rolling) == 1 && length(aws_ecs_service.blue_green) == 0
    error_message = "a service without load balancer must roll"
  }

  assert {
    condition     = [for c in jsondecode(aws_ecs_task_definition.this.container_definitions) : c.name] == ["app", "collector"]
    error_message = "the program and its collector, nothing else"
  }

  assert {
    condition     = [for s in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets : s.valueFrom] == ["arn:aws:secretsmanager:us-east-1:123456789012:secret:worker:DATABASE_URL::", "arn:aws:secretsmanager:us-east-1:123456789012:secret:worker:REDIS_URL::"]
    error_message = "secrets come by ARN and key"
  }

  assert {
    condition     = yamldecode(jsondecode(aws_ecs_task_definition.this.container_definitions)[1].environment[0].value).receivers.prometheus.config.scrape_configs[0].static_configs[0].targets == ["127.0.0.1:8787"]
    error_message = "the collector must read the program's own port"
  }
}

run "behind_a_load_balancer_it_is_blue_and_green" {
  command = apply

  variables {
    load_balancer = { target_group_arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/test/1" }
    scale_on      = { namespace = "test", metric = "requests", statistic = "Sum", target = 60, series = [{ g = "blue" }, { g = "green" }] }
  }

  assert {
    condition     = one(aws_ecs_service.blue_green[0].deployment_controller).type == "CODE_DEPLOY"
    error_message = "CodeDeploy must deploy it"
  }

  assert {
    condition     = one([for m in one(one(aws_appautoscaling_policy.this.target_tracking_scaling_policy_configuration).customized_metric_specification).metrics : m.expression if m.id == "total"]) == "FILL(m0, 0) + FILL(m1, 0)"
    error_message = "requests of both target groups must count"
  }
}

run "datadog_on_request" {
  command = apply

  variables {
    datadog = { api_key_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:datadog" }
  }

  assert {
    condition     = [for c in jsondecode(aws_ecs_task_definition.this.container_definitions) : c.name] == ["app", "collector", "datadog"]
    error_message = "the agent must run beside the program"
  }

  assert {
    condition     = contains(one([for s in data.aws_iam_policy_document.execution.statement : s.resources if s.sid == "ReadBundles"]), "arn:aws:secretsmanager:us-east-1:123456789012:secret:datadog")
    error_message = "ECS must be able to read the agent's key"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name               = "Worker"
    cluster            = { arn = "test", name = "" }
    image              = "example.com/autorepost:latest"
    collector_image    = "collector"
    command            = []
    port               = 80
    cpu                = 100
    scratch_gb         = 1
    subnet_ids         = []
    security_group_id  = "worker"
    load_balancer      = { target_group_arn = "blue" }
    environment        = { TOKEN_ENCRYPTION_KEY = "oh no" }
    bundles            = []
    bucket_arn         = "arn:aws:s3:::*"
    db_connect_arn     = "arn:aws:rds-db:us-east-1:123456789012:dbuser:*/*"
    repository_arn     = "*"
    key_arn            = "alias/key"
    logs_key_arn       = "alias/key"
    log_retention_days = 1
    tasks              = { min = 3, max = 2 }
    scale_on           = { namespace = "test", metric = "age", statistic = "p99", target = 0, series = [] }
    metrics            = { namespace = "AWS/ECS", service = "" }
    datadog            = { api_key_secret_arn = "0123456789" }
  }

  expect_failures = [
    var.name, var.cluster, var.image, var.collector_image, var.command, var.port, var.cpu, var.scratch_gb, var.subnet_ids,
    var.security_group_id, var.load_balancer, var.environment, var.bundles, var.bucket_arn, var.db_connect_arn, var.repository_arn, var.key_arn,
    var.logs_key_arn, var.log_retention_days, var.tasks, var.scale_on, var.metrics, var.datadog,
  ]
}

run "memory_that_fargate_does_not_have_is_refused" {
  command = plan

  variables {
    memory = 1024
  }

  expect_failures = [var.memory]
}
