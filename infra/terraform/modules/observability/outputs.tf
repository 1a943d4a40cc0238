output "topic_arn" {
  description = "Topic of all alarms."
  value       = aws_sns_topic.this.arn
}

output "deployment_alarm_names" {
  description = "Alarms that stop a deployment."
  value       = [for name in local.deployment_alarms : aws_cloudwatch_metric_alarm.this[name].alarm_name]
}
