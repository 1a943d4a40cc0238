locals {
  environment = "production"
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
  cidr_block            = coalesce(var.cidr_block, "10.10.0.0/16")
  log_retention_days    = var.log_retention_days
  backup_retention_days = coalesce(var.backup_retention_days, 35)
  deletion_protection   = true

  sizes = {
    db         = "db.m7g.large"
    redis      = "cache.m7g.large"
    nat_per_az = true
    api        = { cpu = 1024, memory = 2048, tasks = { min = 2, max = 10 } }
    worker     = { cpu = 2048, memory = 4096, tasks = { min = 2, max = 20 } }
  }
}
