# docs/operations.md says what to do about each.

locals {
  alarm_ok_within_minutes = coalesce(var.alarm_ok_within_minutes, var.run_mode == "service" ? 15 : 130)

  # Over spans of five minutes; `spans` of them in a row make an alarm.
  alarms = {
    no-ok-run = {
      description = "No run was ok for ${local.alarm_ok_within_minutes} minutes."
      metric      = "OkRuns"
      statistic   = "Sum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      spans       = local.alarm_ok_within_minutes / 5
      # No report is the worst of reports.
      missing = "breaching"
    }
    failed-run = {
      description = "A run failed; its report says in error what to change."
      metric      = "FailedRuns"
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      spans       = 1
      missing     = "notBreaching"
    }
    rejected = {
      description = "AWS refused entries for good: they are dead letters now."
      metric      = "Rejected"
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      spans       = 1
      missing     = "notBreaching"
    }
    dead-letters = {
      description = "Dead letters are kept: look at them, and replay or drop them."
      metric      = "DeadLetters"
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      spans       = 1
      # Between two runs the last word stands.
      missing = "ignore"
    }
    lag = {
      description = "A stream's watermark is more than ${var.alarm_lag_secs} s behind."
      metric      = "LagSecs"
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.alarm_lag_secs
      spans       = 1
      missing     = "ignore"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.resource_name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = local.metric_namespace
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = each.value.spans
  treat_missing_data  = each.value.missing
  alarm_actions       = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]
  ok_actions          = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]
  tags                = var.resource_tags
}
