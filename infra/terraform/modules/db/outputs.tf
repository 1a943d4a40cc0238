output "id" {
  description = "Identifier of the instance, as CloudWatch names it."
  value       = aws_db_instance.this.identifier
}

output "url" {
  description = "DATABASE_URL of the program: it holds no password, the program signs in with IAM."
  value       = "postgres://${local.app_user}@${aws_db_instance.this.endpoint}/${aws_db_instance.this.db_name}?sslmode=verify-full"
}

output "connect_arn" {
  description = "What a role must be allowed to rds-db:connect to."
  value       = "arn:${data.aws_partition.current.partition}:rds-db:${local.scope}:dbuser:${aws_db_instance.this.resource_id}/${local.app_user}"
}

output "owner_secret_arn" {
  description = "Secret with the owner's password, for the first sign-in and for emergencies."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}
