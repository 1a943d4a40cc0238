locals {
  hardened = {
    essential              = true
    user                   = "65532:65532"
    privileged             = false
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
  }

  logs = {
    for container in ["app", "collector", "datadog"] : container => {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this["app"].name
        awslogs-region        = local.region
        awslogs-stream-prefix = container
        mode                  = "non-blocking"
        max-buffer-size       = "4m"
      }
    }
  }

  app = merge(local.hardened, {
    name             = "app"
    image            = var.image
    command          = var.command
    environment      = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
    secrets          = flatten([for bundle in var.bundles : [for key in sort(tolist(bundle.keys)) : { name = key, valueFrom = "${bundle.arn}:${key}::" }]])
    portMappings     = var.load_balancer == null ? [] : [{ containerPort = var.port, hostPort = var.port, protocol = "tcp" }]
    mountPoints      = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    logConfiguration = local.logs["app"]

    healthCheck = {
      command     = ["CMD", "/usr/local/bin/autorepost", "healthcheck"]
      interval    = 15
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }

    # The program drains for 25 seconds; SIGKILL must come later than that.
    stopTimeout = 60
  })

  # Reads /metrics of the program inside the task and writes it to CloudWatch.
  collector = merge(local.hardened, {
    name             = "collector"
    image            = var.collector_image
    essential        = false
    memory           = 128
    logConfiguration = local.logs["collector"]

    environment = [{
      name = "AOT_CONFIG_CONTENT"
      value = templatefile("${path.module}/collector.yaml.tftpl", {
        port      = var.port
        service   = var.metrics.service
        namespace = var.metrics.namespace
        log_group = aws_cloudwatch_log_group.this["metrics"].name
        region    = local.region
      })
    }]
  })

  # Datadog's agent writes to its own image's folders and changes to its own user: it stays as its vendor ships it.
  datadog = var.datadog == null ? [] : [{
    name             = "datadog"
    image            = var.datadog.image
    essential        = false
    memory           = 256
    secrets          = [{ name = "DD_API_KEY", valueFrom = var.datadog.api_key_secret_arn }]
    logConfiguration = local.logs["datadog"]

    environment = [
      { name = "DD_SITE", value = var.datadog.site },
      { name = "DD_SERVICE", value = var.name },
      { name = "ECS_FARGATE", value = "true" },
    ]
  }]
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.this["execution"].arn
  task_role_arn            = aws_iam_role.this["task"].arn
  container_definitions    = jsonencode(concat([local.app, local.collector], local.datadog))

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  # The root file system is read-only; this is the scratch space of media on its way through.
  volume {
    name = "tmp"
  }

  ephemeral_storage {
    size_in_gib = var.scratch_gb
  }
}
