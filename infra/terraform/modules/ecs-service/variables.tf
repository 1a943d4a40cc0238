variable "name" {
  description = "Name of the service and prefix of everything that belongs to it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,40}$", var.name))
    error_message = "name must be 3 to 41 characters of a-z, 0-9 and '-', and begin with a letter."
  }
}

variable "cluster" {
  description = "ECS cluster: arn and name."
  type        = object({ arn = string, name = string })

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecs:", var.cluster.arn)) && var.cluster.name != ""
    error_message = "cluster needs the arn and the name of one ECS cluster."
  }
}

variable "image" {
  description = "Image of the program."
  type        = string

  validation {
    condition     = can(regex("(@sha256:[0-9a-f]{64}|:[A-Za-z0-9._-]+)$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image must end with a digest (@sha256:...) or a tag other than \":latest\", or nobody could say what runs."
  }
}

variable "collector_image" {
  description = "Image of the OpenTelemetry collector of AWS, which carries the program's metrics to CloudWatch."
  type        = string
  default     = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"

  validation {
    condition     = can(regex("(@sha256:[0-9a-f]{64}|:[A-Za-z0-9._-]+)$", var.collector_image)) && !endswith(var.collector_image, ":latest")
    error_message = "collector_image must end with a digest (@sha256:...) or a tag other than \":latest\", or nobody could say what runs."
  }
}

variable "command" {
  description = "Arguments of the program."
  type        = list(string)

  validation {
    condition     = length(var.command) > 0
    error_message = "command must name what the program shall do, such as [\"api\"]."
  }
}

variable "port" {
  description = "Port of the program's own listener: health, metrics, and for a service behind the load balancer its api."
  type        = number

  validation {
    condition     = var.port >= 1024 && var.port <= 65535 && floor(var.port) == var.port
    error_message = "port must be a whole number from 1024 to 65535: the program does not run as root."
  }
}

variable "cpu" {
  description = "CPU units; 1024 are one core."
  type        = number

  validation {
    condition     = contains([512, 1024, 2048, 4096], var.cpu)
    error_message = "cpu must be 512, 1024, 2048 or 4096: sizes of Fargate that hold the program and its collector."
  }
}

variable "memory" {
  description = "Memory in MiB."
  type        = number

  validation {
    condition     = var.memory >= 2 * var.cpu && var.memory <= 8 * var.cpu && var.memory % 1024 == 0
    error_message = "memory must be a multiple of 1024 and from 2 to 8 times cpu: Fargate has no other sizes."
  }
}

variable "scratch_gb" {
  description = "Space under /tmp in GiB, for media on its way through."
  type        = number
  default     = 21

  validation {
    condition     = var.scratch_gb >= 21 && var.scratch_gb <= 200
    error_message = "scratch_gb must be from 21 to 200, which is what Fargate gives."
  }
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "subnet_ids must be three private subnets, one in each availability zone."
  }
}

variable "security_group_id" {
  description = "Security group of the tasks."
  type        = string

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = "security_group_id must be the ID of a security group (\"sg-...\"), such as security_group_ids[\"worker\"] of modules/network."
  }
}

variable "load_balancer" {
  description = "First target group of a service behind the load balancer (blue/green); null for one that is not (rolling)."
  type        = object({ target_group_arn = string })
  default     = null

  validation {
    condition     = var.load_balancer == null ? true : can(regex("^arn:[a-z-]+:elasticloadbalancing:", var.load_balancer.target_group_arn))
    error_message = "load_balancer needs the ARN of a target group, such as target_groups[\"blue\"].arn of modules/alb, or must be null."
  }
}

variable "environment" {
  description = "Plain environment of the program."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.environment) : !can(regex("SECRET|TOKEN|PASSWORD|COOKIE|_KEY", name))])
    error_message = "environment is readable by everyone who may look at the task definition: put secrets into a bundle."
  }
}

variable "bundles" {
  description = "Secrets Manager bundles of the service, and the keys of each that become environment variables."
  type        = list(object({ arn = string, keys = set(string) }))

  validation {
    condition     = length(var.bundles) > 0 && alltrue([for bundle in var.bundles : can(regex("^arn:[a-z-]+:secretsmanager:", bundle.arn)) && length(bundle.keys) > 0])
    error_message = "bundles needs at least one secret's ARN, each with at least one key: without DATABASE_URL and TOKEN_ENCRYPTION_KEY the program does not start."
  }
}

variable "bucket_arn" {
  description = "The one bucket that the program reads and writes."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:s3:::[a-z0-9.-]+$", var.bucket_arn))
    error_message = "bucket_arn must be the ARN of one bucket, without \"*\" and without path."
  }
}

variable "db_connect_arn" {
  description = "The one database user that the program signs in as."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:rds-db:[^*]+$", var.db_connect_arn))
    error_message = "db_connect_arn must be the ARN of one database user, such as the output connect_arn of modules/db."
  }
}

variable "repository_arn" {
  description = "The one repository that the image is pulled from."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecr:[^*]+$", var.repository_arn))
    error_message = "repository_arn must be the ARN of one ECR repository, such as the output arn of modules/registry."
  }
}

variable "key_arn" {
  description = "KMS key of the bucket and the bundles."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.key_arn))
    error_message = "key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}

variable "logs_key_arn" {
  description = "KMS key of the logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.logs_key_arn))
    error_message = "logs_key_arn must be the ARN of a KMS key, such as the output arn of modules/key."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number

  validation {
    condition     = contains([365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be at least 365 and a value that CloudWatch knows: 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "tasks" {
  description = "Fewest and most tasks."
  type        = object({ min = number, max = number })

  validation {
    condition     = var.tasks.min >= 1 && var.tasks.max >= var.tasks.min
    error_message = "tasks needs min of at least 1 and max of at least min."
  }
}

variable "scale_on" {
  description = "Metric that decides how many tasks run: its target, and the series that are added up, each by its dimensions."
  type = object({
    namespace = string
    metric    = string
    statistic = string
    target    = number
    series    = list(map(string))
  })

  validation {
    condition     = var.scale_on.target > 0 && length(var.scale_on.series) > 0 && contains(["Average", "Maximum", "Sum"], var.scale_on.statistic)
    error_message = "scale_on needs a target above 0, at least one series, and Average, Maximum or Sum as statistic."
  }
}

variable "metrics" {
  description = "CloudWatch namespace of the program's metrics, and the value of their dimension `service`."
  type        = object({ namespace = string, service = string })

  validation {
    condition     = var.metrics.namespace != "" && !startswith(var.metrics.namespace, "AWS/") && var.metrics.service != ""
    error_message = "metrics needs a namespace that does not begin with \"AWS/\" (AWS keeps those) and a service."
  }
}

variable "datadog" {
  description = "Datadog's agent beside the program: secret that holds the API key, site, image. Null for none."
  type = object({
    api_key_secret_arn = string
    site               = optional(string, "datadoghq.com")
    image              = optional(string, "public.ecr.aws/datadog/agent:7.65.2")
  })
  default = null

  validation {
    condition     = var.datadog == null ? true : can(regex("^arn:[a-z-]+:secretsmanager:", var.datadog.api_key_secret_arn)) && !endswith(var.datadog.image, ":latest")
    error_message = "datadog needs the ARN of the secret that holds the API key, and an image whose tag is not \":latest\"."
  }
}
