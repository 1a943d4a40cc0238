variable "name" {
  description = "Name of the function."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,56}$", var.name))
    error_message = "name must be 3 to 57 characters of a-z, 0-9 and '-', and begin with a letter."
  }
}

variable "archive" {
  description = "Zip archive of the function, with the executable `bootstrap` in it."
  type        = string

  validation {
    condition     = endswith(var.archive, ".zip") && fileexists(var.archive)
    error_message = "archive must be an existing .zip file that holds the executable `bootstrap`; build the rotation function first."
  }
}

variable "secrets" {
  description = "Secrets to rotate, by name: ARN, and days from one rotation to the next."
  type        = map(object({ arn = string, days = number }))

  validation {
    condition     = length(var.secrets) > 0 && alltrue([for secret in var.secrets : can(regex("^arn:[a-z-]+:secretsmanager:[^*]+$", secret.arn)) && secret.days >= 1 && secret.days <= 90])
    error_message = "secrets needs at least one secret's ARN, each with 1 to 90 days: the oldest key the playbook allows is 90 days old."
  }
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "subnet_ids must be three private subnets, one in each availability zone."
  }
}

variable "security_group_id" {
  description = "Security group of the function."
  type        = string

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = "security_group_id must be the ID of a security group (\"sg-...\"), such as security_group_ids[\"rotation\"] of modules/network."
  }
}

variable "key_arn" {
  description = "KMS key of the secrets and of the function's environment."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.key_arn))
    error_message = "key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}

variable "logs_key_arn" {
  description = "KMS key of the logs and of the queue of failures."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.logs_key_arn))
    error_message = "logs_key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number

  validation {
    condition     = contains([365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be at least 365 and a value that CloudWatch knows: 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}
