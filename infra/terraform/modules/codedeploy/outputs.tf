output "arns" {
  description = "ARNs of application, deployment group and strategy, which whoever deploys needs leave for."
  value = {
    app      = aws_codedeploy_app.this.arn
    group    = aws_codedeploy_deployment_group.this.arn
    strategy = "${local.arn}:codedeploy:${local.scope}:deploymentconfig:${var.strategy}"
  }
}
