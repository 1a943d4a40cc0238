output "name" {
  description = "Name of the service."
  value       = local.service.name
}

output "arn" {
  description = "ARN of the service."
  value       = local.service.id
}

output "task_definition_family" {
  description = "Family of the task definitions."
  value       = aws_ecs_task_definition.this.family
}

output "log_group_arn" {
  description = "Log group of the program."
  value       = aws_cloudwatch_log_group.this["app"].arn
}

output "role_arns" {
  description = "Roles execution and task, which a deployment hands to ECS."
  value       = { for role, r in aws_iam_role.this : role => r.arn }
}
