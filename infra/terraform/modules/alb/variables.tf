variable "name" {
  description = "Name of the load balancer."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,25}$", var.name))
    error_message = "name must be 3 to 26 characters of a-z, 0-9 and '-', and begin with a letter: target groups add \"-green\" and end at 32."
  }
}

variable "vpc_id" {
  description = "VPC of the tasks."
  type        = string

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "vpc_id must be the ID of a VPC (\"vpc-...\"), such as the output vpc_id of modules/network."
  }
}

variable "subnet_ids" {
  description = "Public subnets."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "subnet_ids must be three public subnets, one in each availability zone."
  }
}

variable "security_group_id" {
  description = "Security group that lets in ports 443 and 80."
  type        = string

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = "security_group_id must be the ID of a security group (\"sg-...\"), such as security_group_ids[\"alb\"] of modules/network."
  }
}

variable "certificate_arn" {
  description = "ACM certificate of the domain."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:acm:", var.certificate_arn))
    error_message = "certificate_arn must be the ARN of an ACM certificate, such as the output certificate_arn of modules/dns."
  }
}

variable "app_port" {
  description = "Port on which the api listens."
  type        = number

  validation {
    condition     = var.app_port >= 1024 && var.app_port <= 65535 && floor(var.app_port) == var.app_port
    error_message = "app_port must be a whole number from 1024 to 65535: the program does not run as root."
  }
}

variable "log_bucket" {
  description = "Bucket that receives the access log."
  type        = string

  validation {
    condition     = length(var.log_bucket) >= 3
    error_message = "log_bucket must be the name of a bucket that receives_logs, such as the output name of modules/s3-bucket."
  }
}

variable "logs_key_arn" {
  description = "KMS key of the firewall's log."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.logs_key_arn))
    error_message = "logs_key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}

variable "log_retention_days" {
  description = "How long the firewall's log is kept."
  type        = number

  validation {
    condition     = contains([365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be at least 365 and a value that CloudWatch knows: 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "requests_per_5_minutes" {
  description = "Requests of one address after which it is blocked for a while."
  type        = number
  default     = 1000

  validation {
    condition     = var.requests_per_5_minutes >= 100 && var.requests_per_5_minutes <= 20000
    error_message = "requests_per_5_minutes must be from 100 to 20000: less shuts out people, more shuts out nobody."
  }
}

variable "deletion_protection" {
  description = "Whether the load balancer refuses to be deleted."
  type        = bool
}
