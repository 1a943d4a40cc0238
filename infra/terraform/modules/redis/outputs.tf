output "primary_node" {
  description = "First node, as CloudWatch names it."
  value       = "${aws_elasticache_replication_group.this.id}-001"
}

output "url" {
  description = "REDIS_URL at first, with the first token."
  value       = "rediss://:${terraform_data.token.output}@${aws_elasticache_replication_group.this.primary_endpoint_address}:6379"
  sensitive   = true
}
