variable "name" {
  description = "Name of the bucket; unique in the world."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 63 characters of a-z, 0-9 and '-' (no dots: they break TLS), and begin and end with a letter or digit."
  }
}

variable "key_arn" {
  description = "KMS key of the objects; null for SSE-S3."
  type        = string
  default     = null

  validation {
    condition     = var.key_arn == null || can(regex("^arn:[a-z-]+:kms:", var.key_arn))
    error_message = "key_arn must be the ARN of a KMS key, or null for SSE-S3."
  }
}

variable "log_bucket" {
  description = "Bucket that receives the access log; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.log_bucket == null || var.log_bucket != var.name
    error_message = "log_bucket must be another bucket: one that logs into itself grows for ever."
  }
}

variable "receives_logs" {
  description = "Whether load balancers and buckets of this account may write their logs here."
  type        = bool
  default     = false

  validation {
    condition     = !var.receives_logs || var.key_arn == null
    error_message = "receives_logs needs key_arn = null: load balancers write their logs to SSE-S3 buckets only."
  }
}

variable "expire_days" {
  description = "Age at which objects are deleted; null for never."
  type        = number
  default     = null

  validation {
    condition     = var.expire_days == null ? true : var.expire_days >= 1 && floor(var.expire_days) == var.expire_days
    error_message = "expire_days must be a whole number of days, at least 1, or null to keep objects for ever."
  }
}

variable "old_versions_days" {
  description = "How long replaced and deleted objects can be brought back; null for ever, and then nothing else expires either."
  type        = number
  default     = 30

  validation {
    condition     = var.old_versions_days == null ? true : var.old_versions_days >= 1 && floor(var.old_versions_days) == var.old_versions_days
    error_message = "old_versions_days must be a whole number of days, at least 1, or null to keep every version for ever."
  }
}

variable "transient_prefix" {
  description = "Beginning of the names of objects that are on their way to another name; they and unfinished uploads go after a day. Null for none."
  type        = string
  default     = null

  validation {
    condition     = var.transient_prefix == null ? true : can(regex("^[^/].*/$", var.transient_prefix))
    error_message = "transient_prefix must end with '/' and not begin with it, or be null."
  }

  validation {
    condition     = var.transient_prefix == null || var.old_versions_days != null
    error_message = "transient_prefix needs old_versions_days: with null nothing expires."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete a bucket that still has objects."
  type        = bool
  default     = false
}
