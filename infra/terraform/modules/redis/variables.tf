variable "name" {
  description = "Name of the replication group."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,32}$", var.name))
    error_message = "name must be 3 to 33 characters of a-z, 0-9 and '-', and begin with a letter: ElastiCache adds a number and stops at 40."
  }
}

variable "node_type" {
  description = "Size of each node."
  type        = string

  validation {
    condition     = can(regex("^cache\\.[a-z0-9]+\\.[a-z0-9]+$", var.node_type))
    error_message = "node_type must be an ElastiCache size, such as \"cache.t4g.small\"."
  }
}

variable "subnet_ids" {
  description = "Subnets of the data tier."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "subnet_ids must be three subnets, one in each availability zone: failover needs them."
  }
}

variable "security_group_id" {
  description = "Security group that lets in the tasks only."
  type        = string

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = "security_group_id must be the ID of a security group (\"sg-...\"), such as security_group_ids[\"redis\"] of modules/network."
  }
}

variable "key_arn" {
  description = "KMS key of the data at rest."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.key_arn))
    error_message = "key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}
