# What every environment asks of its operator. Shared by the environments through links of the same name; the modules refuse
# wrong values with a sentence that says how to mend them.

variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of an AWS region, such as \"eu-west-1\"."
  }
}

variable "account_id" {
  description = "AWS account in which to build: credentials of another are refused before anything is done."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the twelve digits of your AWS account; `aws sts get-caller-identity` shows them."
  }
}

# Named, not looked up: a zone that AWS adds or closes must not move subnets that are in use.
variable "zones" {
  description = "Letters of the three availability zones to use."
  type        = list(string)
  default     = ["a", "b", "c"]
}

variable "zone_name" {
  description = "Public Route 53 zone of your domain; it must exist."
  type        = string
}

variable "domain_name" {
  description = "Name under which the api shall be reached, inside zone_name."
  type        = string
}

variable "image_tag" {
  description = "Tag of the image to run."
  type        = string
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

variable "cidr_block" {
  description = "IPv4 range of the VPC, /16 to /20; null for the environment's own."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long logs are kept, at least 365."
  type        = number
  default     = 365
}

variable "backup_retention_days" {
  description = "How long the database's automatic backups are kept, 7 to 35; null for the environment's own."
  type        = number
  default     = null
}

variable "datadog" {
  description = "Datadog's agent beside each service; null for none."
  type        = object({ api_key_secret_arn = string, site = optional(string) })
  default     = null
}
