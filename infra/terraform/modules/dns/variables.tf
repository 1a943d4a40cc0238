variable "zone_name" {
  description = "Public Route 53 zone of the domain."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.zone_name))
    error_message = "zone_name must be the name of a hosted zone of yours in Route 53, such as \"example.com\"; make one there if the domain has none."
  }
}

variable "domain_name" {
  description = "Name under which the api is reached."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain_name))
    error_message = "domain_name must be a full domain name in lower case, such as \"api.example.com\"."
  }

  validation {
    condition     = var.domain_name == var.zone_name || endswith(var.domain_name, ".${var.zone_name}")
    error_message = "domain_name must lie inside zone_name, or the certificate could not be proven: choose a name that ends with the zone's."
  }
}

variable "load_balancer" {
  description = "Where the name leads: dns_name and zone_id of the load balancer."
  type        = object({ dns_name = string, zone_id = string })

  validation {
    condition     = var.load_balancer.dns_name != "" && var.load_balancer.zone_id != ""
    error_message = "load_balancer needs dns_name and zone_id, such as the output load_balancer of modules/alb."
  }
}
