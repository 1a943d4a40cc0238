# What is checked by the module it is passed to (a CIDR range, a retention, a domain) is not checked again here.

variable "environment" {
  description = "staging or production."
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "environment must be staging or production."
  }
}

variable "zones" {
  description = "Letters of the three availability zones to use."
  type        = list(string)

  validation {
    condition     = alltrue([for zone in var.zones : can(regex("^[a-z]$", zone))])
    error_message = "zones must be the letters of three zones that your account sees in the region, such as [\"a\", \"b\", \"c\"]."
  }
}

variable "cidr_block" {
  description = "IPv4 range of the VPC, /16 to /20."
  type        = string
}

variable "zone_name" {
  description = "Public Route 53 zone of the domain."
  type        = string
}

variable "domain_name" {
  description = "Name under which the api is reached, inside zone_name."
  type        = string
}

variable "image_tag" {
  description = "Tag of the image to run."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be one image's own tag, such as \"v1.2.3\", and not \"latest\": nobody could say what runs."
  }
}

variable "github_repository" {
  description = "GitHub repository that may deploy, as owner/name."
  type        = string
}

variable "rotation_archive" {
  description = "Zip archive of the function that rotates secrets."
  type        = string
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = set(string)
}

variable "log_retention_days" {
  description = "How long logs are kept, at least 365."
  type        = number
}

variable "backup_retention_days" {
  description = "How long the database's automatic backups are kept, 7 to 35."
  type        = number

  validation {
    condition     = var.environment != "production" || var.backup_retention_days >= 30
    error_message = "backup_retention_days must be at least 30 in production: a month's end is when missing posts are noticed."
  }
}

variable "deletion_protection" {
  description = "Whether database, load balancer, buckets, images and secrets refuse to be deleted with what is in them."
  type        = bool

  validation {
    condition     = var.environment != "production" || var.deletion_protection
    error_message = "deletion_protection must be true in production; lift it by hand, on the resource, on the day it is really to go."
  }
}

variable "datadog" {
  description = "Datadog's agent beside each service; null for none."
  type = object({
    api_key_secret_arn = string
    site               = optional(string, "datadoghq.com")
  })
  default = null
}

variable "sizes" {
  description = "How large everything is."
  type = object({
    db         = string
    redis      = string
    nat_per_az = bool
    api        = object({ cpu = number, memory = number, tasks = object({ min = number, max = number }) })
    worker     = object({ cpu = number, memory = number, tasks = object({ min = number, max = number }) })
  })

  validation {
    condition     = var.environment != "production" || (var.sizes.nat_per_az && var.sizes.api.tasks.min >= 2 && var.sizes.worker.tasks.min >= 2)
    error_message = "sizes needs nat_per_az and at least two tasks of each service in production, or the loss of one zone is an outage."
  }
}
