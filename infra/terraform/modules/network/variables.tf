variable "name" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,22}$", var.name))
    error_message = "name must be 3 to 23 characters of a-z, 0-9 and '-', and begin with a letter: load balancer names end at 32."
  }
}

variable "cidr_block" {
  description = "IPv4 range of the VPC."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr_block, 0)) && can(regex("^[0-9.]+/(16|17|18|19|20)$", var.cidr_block))
    error_message = "cidr_block must be an IPv4 range between /16 and /20, such as \"10.20.0.0/16\": it is cut into sixteen subnets."
  }

  validation {
    condition     = can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.cidr_block))
    error_message = "cidr_block must be private (10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16), or the tasks could not reach the internet addresses it hides."
  }
}

variable "azs" {
  description = "The three availability zones."
  type        = list(string)

  validation {
    condition     = length(var.azs) == 3 && length(distinct(var.azs)) == 3
    error_message = "azs must be three different availability zones of one region; choose a region that has three."
  }
}

variable "nat_per_az" {
  description = "A NAT gateway in every zone (survives the loss of a zone) or one for all (cheaper)."
  type        = bool
}

variable "app_port" {
  description = "Port on which the api listens."
  type        = number

  validation {
    condition     = var.app_port >= 1024 && var.app_port <= 65535 && floor(var.app_port) == var.app_port
    error_message = "app_port must be a whole number from 1024 to 65535: the program does not run as root."
  }
}

variable "logs_key_arn" {
  description = "KMS key of the flow logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.logs_key_arn))
    error_message = "logs_key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}

variable "log_retention_days" {
  description = "How long flow logs are kept."
  type        = number

  validation {
    condition     = contains([365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be at least 365 and a value that CloudWatch knows: 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}
