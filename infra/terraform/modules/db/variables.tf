variable "name" {
  description = "Name of the instance."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,40}$", var.name))
    error_message = "name must be 3 to 41 characters of a-z, 0-9 and '-', and begin with a letter."
  }
}

variable "engine_version" {
  description = "Major version of PostgreSQL; RDS chooses the minor one and renews it."
  type        = string
  default     = "16"

  validation {
    condition     = contains(["15", "16", "17"], var.engine_version)
    error_message = "engine_version must be 15, 16 or 17, without minor version: Terraform would try to undo each minor upgrade that RDS makes."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class must be an RDS size, such as \"db.t4g.medium\"."
  }
}

variable "storage_gb" {
  description = "Storage at first, in GiB; grows by itself to five times as much."
  type        = number
  default     = 50

  validation {
    condition     = var.storage_gb >= 20 && var.storage_gb <= 10000 && floor(var.storage_gb) == var.storage_gb
    error_message = "storage_gb must be a whole number from 20 (the least that gp3 gives) to 10000."
  }
}

variable "subnet_ids" {
  description = "Subnets of the data tier."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "subnet_ids must be three subnets, one in each availability zone: multi-AZ needs them."
  }
}

variable "security_group_id" {
  description = "Security group that lets in the tasks only."
  type        = string

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = "security_group_id must be the ID of a security group (\"sg-...\"), such as security_group_ids[\"db\"] of modules/network."
  }
}

variable "key_arn" {
  description = "KMS key of storage, backups, Performance Insights and the owner's password."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.key_arn))
    error_message = "key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}

variable "logs_key_arn" {
  description = "KMS key of the logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.logs_key_arn))
    error_message = "logs_key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}

variable "backup_retention_days" {
  description = "How long automatic backups are kept."
  type        = number

  validation {
    condition     = var.backup_retention_days >= 7 && var.backup_retention_days <= 35 && floor(var.backup_retention_days) == var.backup_retention_days
    error_message = "backup_retention_days must be a whole number from 7 to 35: under a week a fault found after a holiday cannot be undone, and RDS keeps no more than 35."
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

variable "deletion_protection" {
  description = "Whether the instance refuses to be deleted, and leaves a last snapshot if it ever is."
  type        = bool
}
