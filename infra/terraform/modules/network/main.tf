data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

# Three tiers in three zones: `public` holds the load balancer, `private` the tasks, `data` RDS and Redis.
locals {
  tiers = { public = 0, private = 4, data = 8 }

  subnets = merge([
    for tier, first in local.tiers : {
      for i, az in var.azs : "${tier}-${az}" => { tier = tier, az = az, cidr = cidrsubnet(var.cidr_block, 4, first + i) }
    }
  ]...)

  nat_azs = var.nat_per_az ? toset(var.azs) : toset([var.azs[0]])

  # The route table of a subnet: private subnets leave by the NAT gateway of their own zone, the data tier not at all.
  route_tables = concat(["public", "data"], [for az in var.azs : "private-${az}"])
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr_block
  enable_dns_hostnames = true
  enable_dns_support   = true

  tags = { Name = var.name }

  lifecycle {
    precondition {
      condition     = alltrue([for az in var.azs : startswith(az, data.aws_region.current.name)])
      error_message = "azs (${join(", ", var.azs)}) must lie in the region of the provider, ${data.aws_region.current.name}."
    }
  }
}

# A resource that forgets its security group gets this one: nothing in, nothing out.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-closed" }
}

resource "aws_subnet" "this" {
  for_each = local.subnets

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.value.az
  cidr_block              = each.value.cidr
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-${each.key}", Tier = each.value.tier }
}

resource "aws_route_table" "this" {
  for_each = toset(local.route_tables)

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_route_table_association" "this" {
  for_each = local.subnets

  subnet_id      = aws_subnet.this[each.key].id
  route_table_id = aws_route_table.this[each.value.tier == "private" ? each.key : each.value.tier].id
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_route" "public" {
  route_table_id         = aws_route_table.this["public"].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

# The tasks reach AWS through the endpoints below; NAT is for TikTok, Instagram, YouTube and X.
resource "aws_eip" "nat" {
  #checkov:skip=CKV2_AWS_19:these are the addresses of the NAT gateways
  for_each = local.nat_azs

  domain = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_nat_gateway" "this" {
  for_each = local.nat_azs

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.this["public-${each.key}"].id

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_route" "private" {
  for_each = toset(var.azs)

  route_table_id         = aws_route_table.this["private-${each.key}"].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[var.nat_per_az ? each.key : var.azs[0]].id
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.current.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for az in var.azs : aws_route_table.this["private-${az}"].id]

  tags = { Name = "${var.name}-s3" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = toset(["ecr.api", "ecr.dkr", "kms", "logs", "secretsmanager", "sts"])

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${data.aws_region.current.name}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for az in var.azs : aws_subnet.this["private-${az}"].id]
  security_group_ids  = [aws_security_group.this["endpoints"].id]

  tags = { Name = "${var.name}-${each.key}" }
}
