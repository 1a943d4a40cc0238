variable "prefix" {
  description = "Path before the name of each bundle."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9/-]+[a-z0-9]$", var.prefix))
    error_message = "prefix must be of a-z, 0-9, '-' and '/', begin with a letter and not end with '/', such as \"autorepost/staging\"."
  }
}

variable "bundles" {
  description = "The environment names in each bundle, by bundle."
  type        = map(set(string))

  validation {
    condition     = length(var.bundles) > 0 && alltrue(flatten([for names in var.bundles : concat([length(names) > 0], [for n in names : can(regex("^[A-Z][A-Z0-9_]*$", n))])]))
    error_message = "bundles must map a bundle to at least one environment name in capitals, such as { api = [\"DATABASE_URL\"] }."
  }
}

variable "first_values" {
  description = "Values of the first version, by bundle and environment name."
  type        = map(map(string))
  default     = {}
  ephemeral   = true

  validation {
    condition     = alltrue(flatten([for bundle, values in var.first_values : [for name, _ in values : contains(try(var.bundles[bundle], []), name)]]))
    error_message = "first_values must name only bundles and environment names that are in bundles."
  }
}

variable "key_arn" {
  description = "KMS key of the secrets."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.key_arn))
    error_message = "key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}

variable "recovery_days" {
  description = "For how long a deleted secret can be brought back; 0 for not at all."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "recovery_days must be 0 (gone at once) or from 7 to 30, which is what Secrets Manager allows."
  }
}
