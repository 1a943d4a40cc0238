output "load_balancer" {
  description = "dns_name and zone_id for DNS, arn_suffix for CloudWatch."
  value       = { dns_name = aws_lb.this.dns_name, zone_id = aws_lb.this.zone_id, arn_suffix = aws_lb.this.arn_suffix }
}

output "listener_arn" {
  description = "The listener on 443, which CodeDeploy moves."
  value       = aws_lb_listener.https.arn
}

output "target_groups" {
  description = "Target groups blue and green: arn, name, arn_suffix."
  value       = { for colour, group in aws_lb_target_group.this : colour => { arn = group.arn, name = group.name, arn_suffix = group.arn_suffix } }

  # ECS takes a target group only once a listener leads to it.
  depends_on = [aws_lb_listener.https]
}
