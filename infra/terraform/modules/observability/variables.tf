variable "name" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,40}$", var.name))
    error_message = "name must be 3 to 41 characters of a-z, 0-9 and '-', and begin with a letter."
  }
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the program's metrics."
  type        = string

  validation {
    condition     = var.metrics_namespace != "" && !startswith(var.metrics_namespace, "AWS/")
    error_message = "metrics_namespace must be the namespace that the collectors write to, and cannot begin with \"AWS/\"."
  }
}

variable "emails" {
  description = "Who is told of alarms."
  type        = set(string)

  validation {
    condition     = length(var.emails) > 0 && alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", email))])
    error_message = "emails needs at least one e-mail address, such as [\"oncall@example.com\"]: an alarm that nobody hears is none."
  }
}

variable "load_balancer" {
  description = "arn_suffix of the load balancer."
  type        = string

  validation {
    condition     = startswith(var.load_balancer, "app/")
    error_message = "load_balancer must be the arn_suffix of a load balancer (\"app/...\"), such as load_balancer.arn_suffix of modules/alb."
  }
}

variable "target_groups" {
  description = "arn_suffix of the target groups, by colour."
  type        = map(string)

  validation {
    condition     = length(var.target_groups) == 2 && alltrue([for suffix in values(var.target_groups) : startswith(suffix, "targetgroup/")])
    error_message = "target_groups must map blue and green to their arn_suffix (\"targetgroup/...\")."
  }
}

variable "cluster_arn" {
  description = "ECS cluster whose tasks are watched."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecs:", var.cluster_arn))
    error_message = "cluster_arn must be the ARN of an ECS cluster."
  }
}

variable "db_id" {
  description = "RDS instance."
  type        = string

  validation {
    condition     = var.db_id != ""
    error_message = "db_id must be the identifier of an RDS instance, such as the output id of modules/db."
  }
}

variable "redis_node" {
  description = "Node of ElastiCache."
  type        = string

  validation {
    condition     = can(regex("-[0-9]{3}$", var.redis_node))
    error_message = "redis_node must be one node (\"...-001\"), such as the output primary_node of modules/redis: CloudWatch knows nodes, not groups."
  }
}

variable "rotation_function" {
  description = "Function that rotates secrets."
  type        = string

  validation {
    condition     = var.rotation_function != ""
    error_message = "rotation_function must be a Lambda function's name, such as the output function_name of modules/cookie-rotation."
  }
}

variable "rotation_failed_queue" {
  description = "Queue of rotations that failed."
  type        = string

  validation {
    condition     = var.rotation_failed_queue != ""
    error_message = "rotation_failed_queue must be a queue's name, such as the output failed_queue_name of modules/cookie-rotation."
  }
}

variable "logs_key_arn" {
  description = "KMS key of the topic."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.logs_key_arn))
    error_message = "logs_key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}
