output "arns" {
  description = "ARN of each bundle, known once it has its first version."
  value       = { for bundle, version in aws_secretsmanager_secret_version.first : bundle => version.arn }
}
