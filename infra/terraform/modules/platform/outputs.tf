output "url" {
  description = "Where the api is reached."
  value       = "https://${var.domain_name}"
}

output "registry_url" {
  description = "Where the image is pushed to."
  value       = module.registry.url
}

output "deploy_role_arn" {
  description = "Role of the deployment workflow."
  value       = module.github.role_arn
}

output "cluster_name" {
  description = "ECS cluster of the services."
  value       = aws_ecs_cluster.this.name
}

output "codedeploy_name" {
  description = "CodeDeploy application and deployment group of the api."
  value       = module.api.name
}

output "secret_arns" {
  description = "Bundles to fill in, by name."
  value       = module.secrets.arns
}

output "db_owner_secret_arn" {
  description = "Secret with the database owner's password, for the first sign-in."
  value       = module.db.owner_secret_arn
}
