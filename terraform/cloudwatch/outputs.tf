output "log_group_arn" {
  description = "For `log_group_arn` of the module above."
  value       = aws_cloudwatch_log_group.this.arn
}

output "log_stream" {
  description = "For `log_stream` of the module above."
  value       = aws_cloudwatch_log_stream.this.name
}

output "log_group_name" {
  description = "For `<log_group>` in queries."
  value       = aws_cloudwatch_log_group.this.name
}

output "service_control_policy" {
  description = "A policy that keeps administrators from deleting the log group and from shortening its retention, for the organization's management account to attach."
  value       = data.aws_iam_policy_document.protection.json
}
