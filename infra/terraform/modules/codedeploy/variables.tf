variable "name" {
  description = "Name of the CodeDeploy application and its deployment group."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,40}$", var.name))
    error_message = "name must be 3 to 41 characters of a-z, 0-9 and '-', and begin with a letter."
  }
}

variable "cluster_name" {
  description = "ECS cluster of the service."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.cluster_name))
    error_message = "cluster_name must be the plain name of an ECS cluster, not its ARN."
  }
}

variable "service_name" {
  description = "ECS service to deploy."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.service_name))
    error_message = "service_name must be the plain name of an ECS service, not its ARN."
  }
}

variable "listener_arn" {
  description = "Listener that is moved from the old tasks to the new."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:elasticloadbalancing:[^*]+:listener/", var.listener_arn))
    error_message = "listener_arn must be the ARN of one listener, such as the output listener_arn of modules/alb."
  }
}

variable "target_group_names" {
  description = "The two target groups, old and new in turn."
  type        = list(string)

  validation {
    condition     = length(distinct(var.target_group_names)) == 2 && length(var.target_group_names) == 2
    error_message = "target_group_names must be two different target groups: one for the running version, one for the next."
  }
}

variable "alarm_names" {
  description = "Alarms that stop a deployment and take it back."
  type        = list(string)

  validation {
    condition     = length(var.alarm_names) > 0 && length(var.alarm_names) <= 10
    error_message = "alarm_names must be 1 to 10 alarms: without one a broken version would be rolled out to the end, and CodeDeploy takes ten."
  }
}

variable "strategy" {
  description = "How traffic moves; one of CodeDeploy's own configurations for ECS."
  type        = string
  default     = "CodeDeployDefault.ECSCanary10Percent5Minutes"

  validation {
    condition     = can(regex("^CodeDeployDefault\\.ECS(AllAtOnce|Linear10PercentEvery[13]Minutes|Canary10Percent(5|15)Minutes)$", var.strategy))
    error_message = "strategy must be one of CodeDeploy's own for ECS, such as \"CodeDeployDefault.ECSCanary10Percent5Minutes\"."
  }
}

variable "task_role_arns" {
  description = "Roles that CodeDeploy hands to the new tasks."
  type        = list(string)

  validation {
    condition     = length(var.task_role_arns) > 0 && alltrue([for arn in var.task_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]+:role/[^*]+$", arn))])
    error_message = "task_role_arns must be the ARNs of the service's roles, without \"*\", such as the output role_arns of modules/ecs-service."
  }
}
