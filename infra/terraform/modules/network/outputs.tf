output "vpc_id" {
  description = "ID of the VPC."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "Three subnet IDs per tier: public, private, data."
  value       = { for tier in keys(local.tiers) : tier => [for az in var.azs : aws_subnet.this["${tier}-${az}"].id] }
}

output "security_group_ids" {
  description = "Security group ID by role: alb, api, worker, rotation, db, redis, endpoints."
  value       = { for role, group in aws_security_group.this : role => group.id }
}
