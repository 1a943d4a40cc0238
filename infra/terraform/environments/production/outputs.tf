output "platform" {
  description = "What deployments and operators need to know."
  value       = module.platform
}
