variable "name" {
  description = "Name of the repository."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9/-]{1,60}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 62 characters of a-z, 0-9, '-' and '/', begin with a letter and not end with '/'."
  }
}

variable "key_arn" {
  description = "KMS key of the images."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.key_arn))
    error_message = "key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}

variable "keep_images" {
  description = "How many images are kept."
  type        = number
  default     = 50

  validation {
    condition     = var.keep_images >= 10 && floor(var.keep_images) == var.keep_images
    error_message = "keep_images must be a whole number of at least 10, or a rollback could find its image gone."
  }
}

variable "force_delete" {
  description = "Whether `terraform destroy` may delete a repository that still has images."
  type        = bool
  default     = false
}
