resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

# Redis may be emptied at any moment without harm, but budgets and leases should not vanish one by one.
resource "aws_elasticache_parameter_group" "this" {
  name        = "${var.name}-redis7"
  family      = "redis7"
  description = "Refuse new keys rather than evict old ones"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

# A data source gives another token at every plan; this keeps the first.
data "aws_secretsmanager_random_password" "token" {
  password_length     = 64
  exclude_punctuation = true
}

resource "terraform_data" "token" {
  input = sensitive(data.aws_secretsmanager_random_password.token.random_password)

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id = var.name
  description          = "Wake-ups, budgets and leases of ${var.name}"
  engine               = "redis"
  engine_version       = "7.1"
  parameter_group_name = aws_elasticache_parameter_group.this.name
  node_type            = var.node_type
  port                 = 6379

  # Cluster mode disabled: one shard, a primary and a replica in another zone.
  num_cache_clusters         = 2
  automatic_failover_enabled = true
  multi_az_enabled           = true

  subnet_group_name  = aws_elasticache_subnet_group.this.name
  security_group_ids = [var.security_group_id]

  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  kms_key_id                 = var.key_arn
  auth_token                 = terraform_data.token.output

  snapshot_retention_limit   = 7
  snapshot_window            = "02:00-03:00"
  maintenance_window         = "sun:05:30-sun:06:30"
  auto_minor_version_upgrade = true

  # The first token is in the state; the operator rotates it by hand at once, and Terraform must not put it back.
  lifecycle {
    ignore_changes = [auth_token]
  }
}
