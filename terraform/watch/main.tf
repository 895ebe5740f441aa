# Tells of every call that would change or take away what holds the audit trail. It belongs in the account and region of
# the channel, log group or bucket: calls are seen where they are made.
#
# EventBridge learns of calls from CloudTrail, for which the account needs a trail that logs management events
# (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html). So calls that would end that trail are
# watched too. Calls that were refused count as well: somebody tried.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.62.0, < 7.0.0"
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # What rules there are is known before anything is made: names of theirs come from no other resource.
  log_group_arn = "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:log-group:${coalesce(var.log_group_name, "none")}"
  key           = coalesce(var.kms_key_arn, "none")

  # The second is what the pages for China have.
  detail_types = ["AWS API Call via CloudTrail", "Amazon API Call via CloudTrail"]

  # Names of calls: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_Operations.html. They are rare, so all
  # channels and stores of the account are watched.
  lake = {
    source      = ["aws.cloudtrail"]
    detail-type = local.detail_types
    detail = {
      eventSource = ["cloudtrail.amazonaws.com"]
      eventName = [
        "DeleteChannel",
        "DeleteEventDataStore",
        "DeleteResourcePolicy",
        "PutResourcePolicy",
        "StopEventDataStoreIngestion",
        "UpdateChannel",
        "UpdateEventDataStore",
      ]
    }
  }

  # Of log groups there are many, so calls count by the group they name, which is under another name in newer calls:
  # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html. PutMetricFilter and the like change
  # nothing of the trail; PutSubscriptionFilter gives somebody a copy.
  log_group = {
    source      = ["aws.logs"]
    detail-type = local.detail_types
    detail = {
      eventSource = ["logs.amazonaws.com"]
      eventName = [
        "AssociateKmsKey",
        "DeleteLogGroup",
        "DeleteLogStream",
        "DeleteRetentionPolicy",
        "DisassociateKmsKey",
        "PutDataProtectionPolicy",
        "PutLogGroupDeletionProtection",
        "PutRetentionPolicy",
        "PutSubscriptionFilter",
        "PutTransformer",
      ]
      "$or" = [
        { requestParameters = { logGroupName = [var.log_group_name] } },
        { requestParameters = { logGroupIdentifier = [var.log_group_name, local.log_group_arn, "${local.log_group_arn}:*"] } },
        { requestParameters = { resourceIdentifier = [local.log_group_arn, "${local.log_group_arn}:*"] } },
      ]
    }
  }

  # Names of calls: https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html. CloudTrail names some of
  # them otherwise than the API does, so both are here. Objects that are written or read are none of these calls.
  bucket = {
    source      = ["aws.s3"]
    detail-type = local.detail_types
    detail = {
      eventSource = ["s3.amazonaws.com"]
      eventName = [
        "DeleteBucket",
        "DeleteBucketEncryption",
        "DeleteBucketLifecycle",
        "DeleteBucketOwnershipControls",
        "DeleteBucketPolicy",
        "DeleteBucketPublicAccessBlock",
        "DeletePublicAccessBlock",
        "PutBucketAcl",
        "PutBucketEncryption",
        "PutBucketLifecycle",
        "PutBucketLifecycleConfiguration",
        "PutBucketObjectLockConfiguration",
        "PutBucketOwnershipControls",
        "PutBucketPolicy",
        "PutBucketPublicAccessBlock",
        "PutBucketReplication",
        "PutBucketVersioning",
        "PutObjectLockConfiguration",
        "PutPublicAccessBlock",
      ]
      requestParameters = { bucketName = [coalesce(var.bucket, "none")] }
    }
  }

  # An account's policy overrides a group's.
  account_policies = {
    source      = ["aws.logs"]
    detail-type = local.detail_types
    detail = {
      eventSource = ["logs.amazonaws.com"]
      eventName   = ["DeleteAccountPolicy", "PutAccountPolicy"]
    }
  }

  # Without its key nobody can read the trail. Calls name a key by its id or its ARN. With no key of its own the rule matches
  # nothing.
  key_calls = {
    source      = ["aws.kms"]
    detail-type = local.detail_types
    detail = {
      eventSource       = ["kms.amazonaws.com"]
      eventName         = ["DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion"]
      requestParameters = { keyId = [local.key, reverse(split("/", local.key))[0]] }
    }
  }

  # The trail that tells of all this.
  calls = {
    source      = ["aws.cloudtrail"]
    detail-type = local.detail_types
    detail = {
      eventSource = ["cloudtrail.amazonaws.com"]
      eventName   = ["DeleteTrail", "PutEventSelectors", "StopLogging", "UpdateTrail"]
    }
  }

  rules = merge(
    {
      trail-changed = var.bucket != null ? jsonencode(local.bucket) : var.log_group_name == null ? jsonencode(local.lake) : jsonencode(local.log_group)
      key-changed   = jsonencode(local.key_calls)
      watch-changed = jsonencode(local.calls)
    },
    var.log_group_name == null ? {} : { account-policy-changed = jsonencode(local.account_policies) },
  )

  descriptions = {
    trail-changed          = "Somebody called what changes or takes away what holds the audit trail."
    watch-changed          = "Somebody called what changes the trail by which such calls are seen."
    account-policy-changed = "Somebody changed a policy of CloudWatch Logs for the account, which overrides that of the log group."
    key-changed            = "Somebody called what takes away the key of the audit trail."
  }

  actions = var.alarms_tell_nobody ? [] : [var.alarm_topic_arn]
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name          = "${var.resource_name}-${each.key}"
  description   = "kong-cloudtrail: ${local.descriptions[each.key]}"
  event_pattern = each.value
  tags          = var.resource_tags
}

# The call itself: who, when, from where, and what.
resource "aws_cloudwatch_event_target" "this" {
  for_each = var.alarms_tell_nobody ? {} : local.rules

  rule = aws_cloudwatch_event_rule.this[each.key].name
  arn  = var.alarm_topic_arn
}

# EventBridge counts what matched, also where the topic refuses the call. Missing values are ignored, so the alarm stays until
# somebody sets it back.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.rules

  alarm_name          = "${var.resource_name}-${each.key}"
  alarm_description   = local.descriptions[each.key]
  namespace           = "AWS/Events"
  metric_name         = "TriggeredRules"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.this[each.key].name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "ignore"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  tags                = var.resource_tags
}
