variable "name" {
  description = "Name of the role."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,60}$", var.name))
    error_message = "name must be 3 to 61 characters of a-z, 0-9 and '-', and begin with a letter."
  }
}

variable "repository" {
  description = "GitHub repository that may deploy."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.repository))
    error_message = "repository must be one repository as owner/name, without \"*\": every repository it matched could deploy."
  }
}

variable "environment" {
  description = "GitHub environment that may deploy."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.environment))
    error_message = "environment must be the name of one GitHub environment, without \"*\"."
  }
}

variable "registry_arn" {
  description = "Repository that images are pushed to."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecr:[^*]+$", var.registry_arn))
    error_message = "registry_arn must be the ARN of one ECR repository, such as the output arn of modules/registry."
  }
}

variable "codedeploy" {
  description = "ARNs of the CodeDeploy application, group and strategy."
  type        = object({ app = string, group = string, strategy = string })

  validation {
    condition     = alltrue([for arn in values(var.codedeploy) : can(regex("^arn:[a-z-]+:codedeploy:[^*]+$", arn))])
    error_message = "codedeploy needs the ARNs app, group and strategy, such as the output arns of modules/codedeploy."
  }
}

variable "cluster_arn" {
  description = "ECS cluster of the services."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecs:[^*]+:cluster/", var.cluster_arn))
    error_message = "cluster_arn must be the ARN of one ECS cluster."
  }
}

variable "service_arns" {
  description = "Services that may be updated."
  type        = list(string)

  validation {
    condition     = length(var.service_arns) > 0 && alltrue([for arn in var.service_arns : can(regex("^arn:[a-z-]+:ecs:[^*]+:service/", arn))])
    error_message = "service_arns must be the ARNs of ECS services, without \"*\"."
  }
}

variable "task_definition_arns" {
  description = "Task definitions, with any revision, that may be run once for migrations."
  type        = list(string)

  validation {
    condition     = length(var.task_definition_arns) > 0 && alltrue([for arn in var.task_definition_arns : can(regex("^arn:[a-z-]+:ecs:[^*]+:task-definition/[^*]+:\\*$", arn))])
    error_message = "task_definition_arns must be ARNs of task definitions whose only \"*\" is the revision, such as \"arn:aws:ecs:eu-west-1:123456789012:task-definition/api:*\"."
  }
}

variable "task_role_arns" {
  description = "Roles that may be handed to tasks."
  type        = list(string)

  validation {
    condition     = length(var.task_role_arns) > 0 && alltrue([for arn in var.task_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]+:role/[^*]+$", arn))])
    error_message = "task_role_arns must be the ARNs of the services' roles, without \"*\"."
  }
}
