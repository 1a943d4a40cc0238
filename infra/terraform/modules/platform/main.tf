# One environment, whole. What an environment chooses is in variables.tf; the rest is the same everywhere.
data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  name      = "autorepost-${var.environment}"
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.name
  arn       = "arn:${data.aws_partition.current.partition}"
  namespace = local.name
  port      = 8787

  service_keys = [
    "DATABASE_URL", "REDIS_URL",
    "TIKTOK_CLIENT_KEY", "TIKTOK_CLIENT_SECRET", "INSTAGRAM_APP_ID", "INSTAGRAM_APP_SECRET", "FACEBOOK_APP_ID", "FACEBOOK_APP_SECRET",
    "YOUTUBE_CLIENT_ID", "YOUTUBE_CLIENT_SECRET", "TWITTER_CONSUMER_KEY", "TWITTER_CONSUMER_SECRET", "TWITTER_CLIENT_ID", "TWITTER_CLIENT_SECRET",
    "PROMETHEUS_PUSH_URL", "SENTRY_DSN",
  ]

  # With this key the smoke test, which runs as a task beside the workers, asks the api for a job.
  smoke_keys = ["AUTOREPOST_API_KEY"]

  # Kept for programs outside AWS; the tasks use their role, which has nothing to leak.
  storage_keys = ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"]

  # A bundle per service. What is rotated on a schedule of its own has a bundle of its own: Secrets Manager rotates whole secrets.
  bundles = {
    api            = concat(local.service_keys, local.storage_keys)
    worker         = concat(local.service_keys, local.smoke_keys, local.storage_keys)
    encryption-key = ["TOKEN_ENCRYPTION_KEY"]
    tiktok         = ["TIKTOK_COOKIE", "TIKTOK_SESSION_ID", "TIKTOK_WEBID"]
  }

  environment = {
    AUTOREPOST_FOLDER     = "/tmp/autorepost"
    AUTOREPOST_LOG_FORMAT = "json"
    AWS_REGION            = local.region
    DATABASE_CA           = "/etc/ssl/rds.pem" # The image carries the authorities of RDS there.
    S3_BUCKET             = module.media.name
  }
}

module "data_key" {
  source = "../key"

  name        = "${local.name}-data"
  description = "Database, Redis, media, secrets and images of ${local.name}"
}

module "logs_key" {
  source = "../key"

  name        = "${local.name}-logs"
  description = "Logs and alarms of ${local.name}"

  services = {
    "logs.${local.region}.amazonaws.com" = { test = "ArnLike", variable = "kms:EncryptionContext:aws:logs:arn", values = ["${local.arn}:logs:${local.region}:${local.account}:log-group:*"] }
    "cloudwatch.amazonaws.com"           = { test = "StringEquals", variable = "aws:SourceAccount", values = [local.account] }
    "events.amazonaws.com"               = { test = "StringEquals", variable = "aws:SourceAccount", values = [local.account] }
  }
}

module "network" {
  source = "../network"

  name               = local.name
  cidr_block         = var.cidr_block
  azs                = [for zone in var.zones : "${local.region}${zone}"]
  nat_per_az         = var.sizes.nat_per_az
  app_port           = local.port
  logs_key_arn       = module.logs_key.arn
  log_retention_days = var.log_retention_days
}

module "logs" {
  source = "../s3-bucket"

  name          = "${local.name}-logs-${local.account}"
  receives_logs = true
  expire_days   = var.log_retention_days
  force_destroy = !var.deletion_protection
}

module "media" {
  source = "../s3-bucket"

  name             = "${local.name}-media-${local.account}"
  key_arn          = module.data_key.arn
  log_bucket       = module.logs.name
  transient_prefix = "incoming/"
  force_destroy    = !var.deletion_protection
}

module "db" {
  source = "../db"

  name                  = local.name
  instance_class        = var.sizes.db
  subnet_ids            = module.network.subnet_ids.data
  security_group_id     = module.network.security_group_ids.db
  key_arn               = module.data_key.arn
  logs_key_arn          = module.logs_key.arn
  log_retention_days    = var.log_retention_days
  backup_retention_days = var.backup_retention_days
  deletion_protection   = var.deletion_protection
}

module "redis" {
  source = "../redis"

  name              = local.name
  node_type         = var.sizes.redis
  subnet_ids        = module.network.subnet_ids.data
  security_group_id = module.network.security_group_ids.redis
  key_arn           = module.data_key.arn
}

# 32 printable characters are 32 bytes; the first rotation puts 32 random ones.
ephemeral "aws_secretsmanager_random_password" "encryption_key" {
  password_length            = 32
  require_each_included_type = false
}

module "secrets" {
  source = "../secrets"

  prefix        = "autorepost/${var.environment}"
  bundles       = { for name, keys in local.bundles : name => toset(keys) }
  key_arn       = module.data_key.arn
  recovery_days = var.deletion_protection ? 30 : 0

  first_values = {
    api            = { DATABASE_URL = module.db.url, REDIS_URL = module.redis.url }
    worker         = { DATABASE_URL = module.db.url, REDIS_URL = module.redis.url }
    encryption-key = { TOKEN_ENCRYPTION_KEY = base64encode(ephemeral.aws_secretsmanager_random_password.encryption_key.random_password) }
  }
}

module "cookie_rotation" {
  source = "../cookie-rotation"

  name    = "${local.name}-rotation"
  archive = var.rotation_archive

  secrets = {
    tiktok         = { arn = module.secrets.arns["tiktok"], days = 7 }
    encryption-key = { arn = module.secrets.arns["encryption-key"], days = 90 }
  }

  subnet_ids         = module.network.subnet_ids.private
  security_group_id  = module.network.security_group_ids.rotation
  key_arn            = module.data_key.arn
  logs_key_arn       = module.logs_key.arn
  log_retention_days = var.log_retention_days
}

module "registry" {
  source = "../registry"

  name         = "autorepost/${var.environment}"
  key_arn      = module.data_key.arn
  force_delete = !var.deletion_protection
}

module "alb" {
  source = "../alb"

  name                = local.name
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.subnet_ids.public
  security_group_id   = module.network.security_group_ids.alb
  certificate_arn     = module.dns.certificate_arn
  app_port            = local.port
  log_bucket          = module.logs.name
  logs_key_arn        = module.logs_key.arn
  log_retention_days  = var.log_retention_days
  deletion_protection = var.deletion_protection
}

module "dns" {
  source = "../dns"

  zone_name     = var.zone_name
  domain_name   = var.domain_name
  load_balancer = { dns_name = module.alb.load_balancer.dns_name, zone_id = module.alb.load_balancer.zone_id }
}

resource "aws_ecs_cluster" "this" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

module "api" {
  source = "../ecs-service"

  name          = "${local.name}-api"
  command       = ["api"]
  image         = "${module.registry.url}:${var.image_tag}"
  port          = local.port
  cpu           = var.sizes.api.cpu
  memory        = var.sizes.api.memory
  tasks         = var.sizes.api.tasks
  load_balancer = { target_group_arn = module.alb.target_groups["blue"].arn }
  environment   = merge(local.environment, { AUTOREPOST_LISTEN = "0.0.0.0:${local.port}", AUTOREPOST_PUBLIC_URL = "https://${var.domain_name}" })

  bundles = [
    { arn = module.secrets.arns["api"], keys = local.service_keys },
    { arn = module.secrets.arns["encryption-key"], keys = local.bundles["encryption-key"] },
  ]

  # Requests per task and minute. ALBRequestCountPerTarget knows one target group and so loses sight of the tasks at a deployment.
  scale_on = {
    namespace = "AWS/ApplicationELB"
    metric    = "RequestCountPerTarget"
    statistic = "Sum"
    target    = 600
    series    = [for group in values(module.alb.target_groups) : { TargetGroup = group.arn_suffix }]
  }

  metrics            = { namespace = local.namespace, service = "api" }
  datadog            = var.datadog
  cluster            = { arn = aws_ecs_cluster.this.arn, name = aws_ecs_cluster.this.name }
  subnet_ids         = module.network.subnet_ids.private
  security_group_id  = module.network.security_group_ids.api
  bucket_arn         = module.media.arn
  db_connect_arn     = module.db.connect_arn
  repository_arn     = module.registry.arn
  key_arn            = module.data_key.arn
  logs_key_arn       = module.logs_key.arn
  log_retention_days = var.log_retention_days
}

module "worker" {
  source = "../ecs-service"

  name        = "${local.name}-worker"
  command     = ["worker"]
  image       = "${module.registry.url}:${var.image_tag}"
  port        = local.port
  cpu         = var.sizes.worker.cpu
  memory      = var.sizes.worker.memory
  tasks       = var.sizes.worker.tasks
  environment = merge(local.environment, { AUTOREPOST_LISTEN = "127.0.0.1:${local.port}" })

  bundles = [
    { arn = module.secrets.arns["worker"], keys = concat(local.service_keys, local.smoke_keys) },
    { arn = module.secrets.arns["encryption-key"], keys = local.bundles["encryption-key"] },
    { arn = module.secrets.arns["tiktok"], keys = local.bundles["tiktok"] },
  ]

  # Age of the oldest job that is due, as the program reports it.
  scale_on = {
    namespace = local.namespace
    metric    = "autorepost_queue_oldest_seconds"
    statistic = "Maximum"
    target    = 60
    series    = [{ service = "worker" }]
  }

  metrics            = { namespace = local.namespace, service = "worker" }
  datadog            = var.datadog
  cluster            = { arn = aws_ecs_cluster.this.arn, name = aws_ecs_cluster.this.name }
  subnet_ids         = module.network.subnet_ids.private
  security_group_id  = module.network.security_group_ids.worker
  bucket_arn         = module.media.arn
  db_connect_arn     = module.db.connect_arn
  repository_arn     = module.registry.arn
  key_arn            = module.data_key.arn
  logs_key_arn       = module.logs_key.arn
  log_retention_days = var.log_retention_days
}

module "codedeploy" {
  source = "../codedeploy"

  name               = "${local.name}-api"
  cluster_name       = aws_ecs_cluster.this.name
  service_name       = module.api.name
  listener_arn       = module.alb.listener_arn
  target_group_names = [for group in values(module.alb.target_groups) : group.name]
  task_role_arns     = values(module.api.role_arns)
  alarm_names        = module.observability.deployment_alarm_names
}

module "observability" {
  source = "../observability"

  name                  = local.name
  metrics_namespace     = local.namespace
  emails                = var.alarm_emails
  load_balancer         = module.alb.load_balancer.arn_suffix
  target_groups         = { for colour, group in module.alb.target_groups : colour => group.arn_suffix }
  cluster_arn           = aws_ecs_cluster.this.arn
  db_id                 = module.db.id
  redis_node            = module.redis.primary_node
  rotation_function     = module.cookie_rotation.function_name
  rotation_failed_queue = module.cookie_rotation.failed_queue_name
  logs_key_arn          = module.logs_key.arn
}

module "github" {
  source = "../github-oidc"

  name                 = "${local.name}-deploy"
  repository           = var.github_repository
  environment          = var.environment
  registry_arn         = module.registry.arn
  codedeploy           = module.codedeploy.arns
  cluster_arn          = aws_ecs_cluster.this.arn
  service_arns         = [module.api.arn, module.worker.arn]
  task_definition_arns = [for service in [module.api, module.worker] : "${local.arn}:ecs:${local.region}:${local.account}:task-definition/${service.task_definition_family}:*"]
  task_role_arns       = concat(values(module.api.role_arns), values(module.worker.role_arns))
}
