output "function_name" {
  description = "Name of the function, as CloudWatch names it."
  value       = aws_lambda_function.this.function_name
}

output "failed_queue_name" {
  description = "Queue of failed calls."
  value       = aws_sqs_queue.failed.name
}
