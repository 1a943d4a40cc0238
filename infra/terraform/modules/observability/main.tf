data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id

  # `means` is what whoever is woken reads first. An alarm whose `silence` is "breaching" also rings when the metric stops.
  program = {
    queue-age        = { metric = "queue_oldest_seconds", stat = "Maximum", over = 300, dims = { service = "worker" }, silence = "breaching", means = "A job that is due has waited for five minutes, or the worker reports nothing: is it running, can it reach its database?" }
    reposts-failed   = { metric = "reposts_total", stat = "Sum", over = 5, dims = { service = "worker", outcome = "failed" }, means = "Reposts end as failed: ask `autorepost explain` for the platform's own words." }
    reposts-unsure   = { metric = "reposts_total", stat = "Sum", over = 0, dims = { service = "worker", outcome = "unconfirmed" }, means = "A publish had no clear answer and a person must decide: see the evidence with `autorepost explain`." }
    jobs-dead        = { metric = "jobs_total", stat = "Sum", over = 0, dims = { service = "worker", outcome = "dead" }, means = "Jobs gave up: list and replay the dead letters." }
    publish-time     = { metric = "post_to_published_seconds", stat = "Average", over = 900, dims = { service = "worker" }, means = "Posts take longer than fifteen minutes from TikTok to the destination." }
    token-expiry     = { metric = "token_expiry_seconds", stat = "Minimum", under = 259200, dims = { service = "worker" }, means = "A connection's token ends within three days and was not refreshed: reconnect the account." }
    key-age          = { metric = "key_age_seconds", stat = "Maximum", over = 8208000, dims = { service = "worker" }, means = "TOKEN_ENCRYPTION_KEY is older than 95 days: its rotation every 90 days did not happen." }
    budget-exhausted = { metric = "budget_remaining", stat = "Minimum", under = 1, dims = { service = "worker" }, means = "A platform's allowance is used up: reposts to it wait until it is renewed." }
  }

  aws = merge(
    {
      alb-errors       = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", stat = "Sum", over = 5, dims = { LoadBalancer = var.load_balancer }, means = "The load balancer has no healthy task to ask." }
      alb-latency      = { namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", stat = "p95", over = 1, dims = { LoadBalancer = var.load_balancer }, means = "One request in twenty takes longer than a second." }
      db-cpu           = { namespace = "AWS/RDS", metric = "CPUUtilization", stat = "Average", over = 80, dims = { DBInstanceIdentifier = var.db_id }, means = "The database is busy: look at Performance Insights." }
      db-storage       = { namespace = "AWS/RDS", metric = "FreeStorageSpace", stat = "Minimum", under = 5368709120, dims = { DBInstanceIdentifier = var.db_id }, means = "Less than 5 GiB are left and storage has not grown by itself." }
      db-connections   = { namespace = "AWS/RDS", metric = "DatabaseConnections", stat = "Maximum", over = 200, dims = { DBInstanceIdentifier = var.db_id }, means = "Connections run out: too many tasks, or a pool that is too large." }
      redis-memory     = { namespace = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", stat = "Average", over = 80, dims = { CacheClusterId = var.redis_node }, means = "Redis soon refuses new keys; workers then fall back to polling." }
      rotation-errors  = { namespace = "AWS/Lambda", metric = "Errors", stat = "Sum", over = 0, dims = { FunctionName = var.rotation_function }, means = "A rotation failed; the value in use is untouched. Read the function's log." }
      rotation-dropped = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", stat = "Maximum", over = 0, dims = { QueueName = var.rotation_failed_queue }, means = "A rotation gave up: the message says which secret and step." }
    },
    {
      for colour, group in var.target_groups : "api-errors-${colour}" => {
        namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", stat = "Sum", over = 5, dims = { LoadBalancer = var.load_balancer, TargetGroup = group }
        means     = "The api answers with 5xx. A deployment that is under way is taken back."
      }
    },
  )

  alarms = merge(local.aws, { for name, alarm in local.program : name => merge(alarm, { namespace = var.metrics_namespace, metric = "autorepost_${alarm.metric}" }) })

  # These stop a deployment.
  deployment_alarms = concat([for colour in keys(var.target_groups) : "api-errors-${colour}"], ["alb-errors", "alb-latency"])
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.means
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dims
  statistic           = startswith(each.value.stat, "p") ? null : each.value.stat
  extended_statistic  = startswith(each.value.stat, "p") ? each.value.stat : null
  comparison_operator = try(each.value.over, null) == null ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = try(each.value.over, each.value.under)
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = try(each.value.silence, "notBreaching")
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for i, name in concat(keys(local.program), keys(local.aws)) : {
        type   = "metric"
        x      = (i % 3) * 8
        y      = floor(i / 3) * 6
        width  = 8
        height = 6
        properties = {
          title       = name
          region      = data.aws_region.current.name
          stat        = local.alarms[name].stat
          period      = 60
          metrics     = [concat([local.alarms[name].namespace, local.alarms[name].metric], flatten([for k, v in local.alarms[name].dims : [k, v]]))]
          annotations = { horizontal = [{ label = "alarm", value = try(local.alarms[name].over, local.alarms[name].under) }] }
        }
      }
    ]
  })
}

# Told of every task that ends by itself, which no metric shows.
resource "aws_cloudwatch_event_rule" "task_stopped" {
  name        = "${var.name}-task-stopped"
  description = "A task ended by itself or did not start"

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail      = { clusterArn = [var.cluster_arn], lastStatus = ["STOPPED"], stopCode = ["EssentialContainerExited", "TaskFailedToStart"] }
  })
}

resource "aws_cloudwatch_event_target" "task_stopped" {
  rule = aws_cloudwatch_event_rule.task_stopped.name
  arn  = aws_sns_topic.this.arn
}

resource "aws_sns_topic" "this" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.logs_key_arn
}

resource "aws_sns_topic_subscription" "this" {
  for_each = var.emails

  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = each.key
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "OnlyAlarmsOfThisAccount"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }

  statement {
    sid       = "OnlyThisRule"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.task_stopped.arn]
    }
  }

  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sns_topic_policy" "this" {
  arn    = aws_sns_topic.this.arn
  policy = data.aws_iam_policy_document.topic.json
}
