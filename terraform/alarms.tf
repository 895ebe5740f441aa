# docs/operations.md says what each means, what to do about it, and how it is cleared.
#
# Of what is (dead letters, lag, silence) an alarm ends when it is over. Of what happened (a failed run, a word of
# attention, a generation that fell) none ends by itself: its metric has values for nothing else, and missing values
# are ignored, which leaves an alarm in its state until somebody sets it
# (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html#alarms-and-missing-data).

locals {
  alarm_ok_within_minutes = coalesce(var.alarm_ok_within_minutes, var.run_mode == "service" ? 15 : 130)
  alarm_actions           = var.alarms_tell_nobody ? [] : [var.alarm_topic_arn]

  # `spans` of `period` seconds in a row make an alarm.
  alarms = {
    no-ok-run = {
      description = "No run was ok for ${local.alarm_ok_within_minutes} minutes."
      metric      = "OkRuns"
      statistic   = "Sum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      period      = 300
      spans       = local.alarm_ok_within_minutes / 5
      # No report is the worst of reports.
      missing = "breaching"
    }
    stalled = {
      description = "Runs were partial for an hour and shipped nothing; the report says in error what they wait for."
      metric      = "Progress"
      statistic   = "Maximum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      period      = 3600
      spans       = 1
      # Silence has an alarm of its own.
      missing = "ignore"
    }
    failed-run = {
      description = "A run failed; its report says in error what to change."
      metric      = "FailedRuns"
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 300
      spans       = 1
      missing     = "ignore"
    }
    rejected = {
      description = "AWS refused entries for good: they are dead letters now."
      metric      = "Rejected"
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 300
      spans       = 1
      missing     = "ignore"
    }
    dead-letters = {
      description = "Dead letters are kept: look at them, and replay or drop them."
      metric      = "DeadLetters"
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 300
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
      period      = 300
      spans       = 1
      missing     = "ignore"
    }
  }

  # The words of `attention`, an alarm for each: one that nobody has cleared yet hides no other.
  attention = {
    died-before   = "The run before ended without giving its lease back."
    intervened    = "Somebody dropped dead letters, acknowledged a loss, or changed what the ledger belongs to."
    late          = "Entries were shipped that only a comparison found."
    new-ledger    = "There was no ledger: on a first run, or because the store was emptied or its name changed."
    notes-changed = "What stands in notes is not what stood there before: a setting was changed here or in Kong."
    other-kong    = "The Kong that answers is not the one that the ledger knows."
    rekeyed       = "The ledger was written with another key."
    store-lost    = "The store has lost something that it had."
    unreadable    = "Something of Kong's audit log could not be read for 24 hours."
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
  period              = each.value.period
  evaluation_periods  = each.value.spans
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.resource_tags
}

resource "aws_cloudwatch_metric_alarm" "attention" {
  for_each = local.attention

  alarm_name          = "${var.resource_name}-attention-${each.key}"
  alarm_description   = each.value
  namespace           = local.metric_namespace
  metric_name         = aws_cloudwatch_log_metric_filter.attention[each.key].metric_transformation[0].name
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "ignore"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.resource_tags
}

# The ledger's generation rises with each write. When it falls, the store was put back to an earlier state.
# Of values in a row DIFF gives the difference
# (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html), and a day is the longest that an
# alarm with such a period may look back. So this one ends by itself after a day: it only feeds the one below.
resource "aws_cloudwatch_metric_alarm" "generation_falls" {
  alarm_name          = "${var.resource_name}-generation-falls"
  alarm_description   = "Sets off ${var.resource_name}-generation-fell, and tells nobody."
  comparison_operator = "LessThanThreshold"
  threshold           = 0
  evaluation_periods  = 288
  datapoints_to_alarm = 1
  treat_missing_data  = "notBreaching"
  tags                = var.resource_tags

  metric_query {
    id          = "fall"
    expression  = "DIFF(generation)"
    label       = "By how much generation rose"
    return_data = true
  }

  metric_query {
    id = "generation"
    metric {
      namespace   = local.metric_namespace
      metric_name = local.metric_filters.generation.metric
      period      = 300
      stat        = "Minimum"
    }
  }
}

# Its change of state is an event, which EventBridge counts once
# (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html).
resource "aws_cloudwatch_event_rule" "generation_fell" {
  name        = "${var.resource_name}-generation-fell"
  description = "kong-cloudtrail: the ledger's generation fell"
  tags        = var.resource_tags

  event_pattern = jsonencode({
    source      = ["aws.cloudwatch"]
    detail-type = ["CloudWatch Alarm State Change"]
    resources   = [aws_cloudwatch_metric_alarm.generation_falls.arn]
    detail      = { state = { value = ["ALARM"] } }
  })
}

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
resource "aws_cloudwatch_metric_alarm" "generation_fell" {
  alarm_name          = "${var.resource_name}-generation-fell"
  alarm_description   = "The ledger's generation fell: the store was put back to an earlier state."
  namespace           = "AWS/Events"
  metric_name         = "TriggeredRules"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.generation_fell.name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "ignore"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.resource_tags
}
