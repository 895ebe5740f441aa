# The log, and what is counted in it. A report is a line of JSON whose event is "run"; Spin prints it
# on its stderr.

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:The key is the user's choice (kms_key_arn); without one AWS's own encrypts it
  #checkov:skip=CKV_AWS_338:Retention is the user's choice (log_retention_days), a year by default
  name              = coalesce(var.log_group_name, "/ecs/${var.resource_name}")
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.resource_tags
}

locals {
  metric_namespace = "kong-cloudtrail/${var.resource_name}"

  # Filters by name: what is looked for, the metric, and its value.
  metric_filters = {
    ok_runs = {
      pattern = "{ ($.event = \"run\") && ($.outcome = \"ok\") }"
      metric  = "OkRuns"
      value   = "1"
    }
    failed_runs = {
      pattern = "{ ($.event = \"run\") && ($.outcome = \"failed\") }"
      metric  = "FailedRuns"
      value   = "1"
    }
    shipped_requests = {
      pattern = "{ ($.event = \"run\") && ($.streams.requests.shipped > 0) }"
      metric  = "Shipped"
      value   = "$.streams.requests.shipped"
    }
    shipped_objects = {
      pattern = "{ ($.event = \"run\") && ($.streams.objects.shipped > 0) }"
      metric  = "Shipped"
      value   = "$.streams.objects.shipped"
    }
    rejected_requests = {
      pattern = "{ ($.event = \"run\") && ($.streams.requests.rejected > 0) }"
      metric  = "Rejected"
      value   = "$.streams.requests.rejected"
    }
    rejected_objects = {
      pattern = "{ ($.event = \"run\") && ($.streams.objects.rejected > 0) }"
      metric  = "Rejected"
      value   = "$.streams.objects.rejected"
    }
    # Null where the ledger was not read or has no watermark: then there is no value.
    dead_letters = {
      pattern = "{ ($.event = \"run\") && ($.dead_letters >= 0) }"
      metric  = "DeadLetters"
      value   = "$.dead_letters"
    }
    lag_requests = {
      pattern = "{ ($.event = \"run\") && ($.streams.requests.lag_secs >= 0) }"
      metric  = "LagSecs"
      value   = "$.streams.requests.lag_secs"
    }
    lag_objects = {
      pattern = "{ ($.event = \"run\") && ($.streams.objects.lag_secs >= 0) }"
      metric  = "LagSecs"
      value   = "$.streams.objects.lag_secs"
    }
    # 1 for a run that got on, 0 for one that should have and did not.
    progress_ok = {
      pattern = "{ ($.event = \"run\") && ($.outcome = \"ok\") }"
      metric  = "Progress"
      value   = "1"
    }
    progress_requests = {
      pattern = "{ ($.event = \"run\") && ($.outcome = \"partial\") && ($.streams.requests.shipped > 0) }"
      metric  = "Progress"
      value   = "1"
    }
    progress_objects = {
      pattern = "{ ($.event = \"run\") && ($.outcome = \"partial\") && ($.streams.objects.shipped > 0) }"
      metric  = "Progress"
      value   = "1"
    }
    progress_none = {
      pattern = "{ ($.event = \"run\") && ($.outcome = \"partial\") && ($.streams.requests.shipped = 0) && ($.streams.objects.shipped = 0) }"
      metric  = "Progress"
      value   = "0"
    }
    # Null where the ledger was not read.
    generation = {
      pattern = "{ ($.event = \"run\") && ($.generation >= 0) }"
      metric  = "Generation"
      value   = "$.generation"
    }
  }

  # A word of attention at any place of the list, by the places: no page of AWS's promises more for a list.
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html
  attention_pattern = "{ ($.event = \"run\") && (($.attention[0] = \"<word>\") || ($.attention[1] = \"<word>\") || ($.attention[2] = \"<word>\") || ($.attention[3] = \"<word>\") || ($.attention[4] = \"<word>\") || ($.attention[5] = \"<word>\") || ($.attention[6] = \"<word>\") || ($.attention[7] = \"<word>\") || ($.attention[8] = \"<word>\")) }"
}

resource "aws_cloudwatch_log_metric_filter" "attention" {
  for_each = local.attention

  name           = "${var.resource_name}-attention-${each.key}"
  log_group_name = aws_cloudwatch_log_group.this.name
  pattern        = replace(local.attention_pattern, "<word>", each.key)

  metric_transformation {
    namespace = local.metric_namespace
    name      = "attention-${each.key}"
    value     = "1"
  }
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = local.metric_filters

  name           = "${var.resource_name}-${replace(each.key, "_", "-")}"
  log_group_name = aws_cloudwatch_log_group.this.name
  pattern        = each.value.pattern

  metric_transformation {
    namespace = local.metric_namespace
    name      = each.value.metric
    value     = each.value.value
  }
}
