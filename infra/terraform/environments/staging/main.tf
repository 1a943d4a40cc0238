locals {
  environment = "staging"
}

module "platform" {
  source = "../../modules/platform"

  environment           = local.environment
  zone_name             = var.zone_name
  domain_name           = var.domain_name
  image_tag             = var.image_tag
  github_repository     = var.github_repository
  rotation_archive      = var.rotation_archive
  alarm_emails          = var.alarm_emails
  datadog               = var.datadog
  zones                 = var.zones
  cidr_block            = coalesce(var.cidr_block, "10.20.0.0/16")
  log_retention_days    = var.log_retention_days
  backup_retention_days = coalesce(var.backup_retention_days, 7)
  deletion_protection   = false

  sizes = {
    db         = "db.t4g.medium"
    redis      = "cache.t4g.small"
    nat_per_az = false
    api        = { cpu = 512, memory = 1024, tasks = { min = 1, max = 2 } }
    worker     = { cpu = 1024, memory = 2048, tasks = { min = 1, max = 3 } }
  }
}
