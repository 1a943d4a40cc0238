variable "name" {
  description = "Alias of the key, without \"alias/\"."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9/-]{2,60}$", var.name)) && !startswith(var.name, "aws/")
    error_message = "name must be 3 to 61 characters of a-z, 0-9, '-' and '/', begin with a letter, and not with \"aws/\", which AWS keeps for itself."
  }
}

variable "description" {
  description = "What the key encrypts."
  type        = string

  validation {
    condition     = length(var.description) > 0
    error_message = "description must say what the key encrypts: whoever finds the key later has nothing else to go by."
  }
}

variable "services" {
  description = "AWS services that use the key by themselves, by principal, each with the one condition that ties it to this account."
  type = map(object({
    test     = string
    variable = string
    values   = list(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for principal, c in var.services : endswith(principal, ".amazonaws.com") && length(c.values) > 0])
    error_message = "services must map a principal such as \"logs.eu-west-1.amazonaws.com\" to a condition with at least one value: without it any account could reach the key through the service."
  }
}
