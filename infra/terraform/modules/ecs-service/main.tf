data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  region  = data.aws_region.current.name
  service = var.load_balancer == null ? aws_ecs_service.rolling[0] : aws_ecs_service.blue_green[0]
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = { app = "/ecs/${var.name}", metrics = "/metrics/${var.name}" }

  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_key_arn
}

# A service behind the load balancer: CodeDeploy starts the new version beside the old and moves the listener.
resource "aws_ecs_service" "blue_green" {
  count = var.load_balancer == null ? 0 : 1

  name                              = var.name
  cluster                           = var.cluster.arn
  task_definition                   = aws_ecs_task_definition.this.arn
  desired_count                     = var.tasks.min
  launch_type                       = "FARGATE"
  platform_version                  = "LATEST"
  propagate_tags                    = "SERVICE"
  health_check_grace_period_seconds = 60

  deployment_controller {
    type = "CODE_DEPLOY"
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = var.load_balancer.target_group_arn
    container_name   = "app"
    container_port   = var.port
  }

  # CodeDeploy owns what runs and where the listener leads, autoscaling owns the count.
  lifecycle {
    ignore_changes = [desired_count, load_balancer, task_definition]
  }
}

# A service without load balancer: CodeDeploy cannot move it, ECS replaces task by task and goes back by itself.
resource "aws_ecs_service" "rolling" {
  count = var.load_balancer == null ? 1 : 0

  name                               = var.name
  cluster                            = var.cluster.arn
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = var.tasks.min
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  propagate_tags                     = "SERVICE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  # Deployments own what runs (after its migrations), autoscaling owns the count.
  lifecycle {
    ignore_changes = [desired_count, task_definition]
  }
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster.name}/${local.service.name}"
  min_capacity       = var.tasks.min
  max_capacity       = var.tasks.max
}

# One target, one series or several that are added up: requests reach blue or green, never the sum twice.
resource "aws_appautoscaling_policy" "this" {
  name               = var.scale_on.metric
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.scale_on.target
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    customized_metric_specification {
      metrics {
        id          = "total"
        label       = "${var.scale_on.statistic} of ${var.scale_on.metric}"
        expression  = join(" + ", [for i, _ in var.scale_on.series : "FILL(m${i}, 0)"])
        return_data = true
      }

      dynamic "metrics" {
        for_each = var.scale_on.series

        content {
          id          = "m${metrics.key}"
          return_data = false

          metric_stat {
            stat = var.scale_on.statistic

            metric {
              namespace   = var.scale_on.namespace
              metric_name = var.scale_on.metric

              dynamic "dimensions" {
                for_each = metrics.value

                content {
                  name  = dimensions.key
                  value = dimensions.value
                }
              }
            }
          }
        }
      }
    }
  }
}
