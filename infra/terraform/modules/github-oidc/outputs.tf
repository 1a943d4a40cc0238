output "role_arn" {
  description = "Role that the deployment workflow takes on."
  value       = aws_iam_role.this.arn
}
