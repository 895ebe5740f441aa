output "rule_arns" {
  description = "The rules, for the policy of the topic: `aws:SourceArn` of `events.amazonaws.com`."
  value       = values(aws_cloudwatch_event_rule.this)[*].arn
}

output "alarm_names" {
  description = "The alarms. None ends by itself."
  value       = values(aws_cloudwatch_metric_alarm.this)[*].alarm_name
}
