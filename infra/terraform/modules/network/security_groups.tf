# Who may speak to whom. One line is one permission; nothing else is open.
locals {
  groups = {
    alb       = "Load balancer, open to the internet"
    api       = "Tasks of the service api"
    worker    = "Tasks of the service worker"
    rotation  = "Function that rotates secrets"
    db        = "RDS PostgreSQL"
    redis     = "ElastiCache Redis"
    endpoints = "Endpoints of AWS services inside the VPC"
  }

  # Port 80 answers with a redirect to 443 and nothing else.
  from_internet = { https = 443, http = 80 }

  # The platforms, and AWS services without an endpoint.
  to_internet = ["api", "worker", "rotation"]

  peers = {
    alb-to-api      = { from = "alb", to = "api", port = var.app_port }
    api-to-db       = { from = "api", to = "db", port = 5432 }
    worker-to-db    = { from = "worker", to = "db", port = 5432 }
    api-to-redis    = { from = "api", to = "redis", port = 6379 }
    worker-to-redis = { from = "worker", to = "redis", port = 6379 }
    api-to-aws      = { from = "api", to = "endpoints", port = 443 }
    worker-to-aws   = { from = "worker", to = "endpoints", port = 443 }
    rotation-to-aws = { from = "rotation", to = "endpoints", port = 443 }
  }
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:attached by the modules that take output security_group_ids
  for_each = local.groups

  name        = "${var.name}-${each.key}"
  description = each.value
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "internet" {
  #checkov:skip=CKV_AWS_260:port 80 of the load balancer only redirects to 443
  for_each = local.from_internet

  security_group_id = aws_security_group.this["alb"].id
  description       = "Internet, ${each.key}"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

resource "aws_vpc_security_group_egress_rule" "internet" {
  for_each = toset(local.to_internet)

  security_group_id = aws_security_group.this[each.key].id
  description       = "HTTPS to the internet"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "peer" {
  for_each = local.peers

  security_group_id            = aws_security_group.this[each.value.to].id
  referenced_security_group_id = aws_security_group.this[each.value.from].id
  description                  = each.key
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "peer" {
  for_each = local.peers

  security_group_id            = aws_security_group.this[each.value.from].id
  referenced_security_group_id = aws_security_group.this[each.value.to].id
  description                  = each.key
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}
