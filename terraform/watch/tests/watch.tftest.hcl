# terraform test, with a provider that only pretends: no account is needed.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  resource_name   = "kong-audit"
  alarm_topic_arn = "arn:aws:sns:us-east-1:123456789012:on-call"
}

run "of_cloudtrail_lake_every_call_that_changes_it_is_told" {
  assert {
    condition = alltrue([
      for call in ["UpdateChannel", "DeleteChannel", "PutResourcePolicy", "StopEventDataStoreIngestion", "DeleteEventDataStore"] :
      contains(jsondecode(aws_cloudwatch_event_rule.this["trail-changed"].event_pattern).detail.eventName, call)
    ])
    error_message = "the calls"
  }

  assert {
    condition     = keys(aws_cloudwatch_event_rule.this) == ["key-changed", "trail-changed", "watch-changed"]
    error_message = "and those that end the watch"
  }

  assert {
    condition     = alltrue([for target in aws_cloudwatch_event_target.this : target.arn == var.alarm_topic_arn])
    error_message = "the call goes to the topic"
  }
}

run "no_alarm_ends_by_itself" {
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 3 && alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.treat_missing_data == "ignore" && alarm.alarm_actions == toset([var.alarm_topic_arn])])
    error_message = "missing values leave it as it is"
  }
}

run "of_a_log_group_the_calls_that_name_it_are_told" {
  variables {
    log_group_name = "/kong/audit"
    kms_key_arn    = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this["trail-changed"].event_pattern).detail["$or"] == [
      { requestParameters = { logGroupName = ["/kong/audit"] } },
      { requestParameters = { logGroupIdentifier = ["/kong/audit", "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit", "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit:*"] } },
      { requestParameters = { resourceIdentifier = ["arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit", "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit:*"] } },
    ]
    error_message = "by its name or its ARN"
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["key-changed"].event_pattern).detail.requestParameters.keyId == [var.kms_key_arn, "00000000-0000-0000-0000-000000000000"]
    error_message = "and its key"
  }

  assert {
    condition     = contains(keys(aws_cloudwatch_event_rule.this), "account-policy-changed")
    error_message = "and the account's policies"
  }
}

run "without_a_topic_there_are_alarms_that_tell_nobody" {
  variables {
    alarm_topic_arn    = null
    alarms_tell_nobody = true
  }

  assert {
    condition     = length(aws_cloudwatch_event_target.this) == 0 && alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length(alarm.alarm_actions) == 0])
    error_message = "nobody"
  }
}

run "refused_alarm_topic_arn" {
  command = plan

  variables {
    alarm_topic_arn = "on-call"
  }

  expect_failures = [var.alarm_topic_arn]
}

run "refused_no_alarm_topic_arn" {
  command = plan

  variables {
    alarm_topic_arn = null
  }

  expect_failures = [var.alarm_topic_arn]
}

run "refused_a_topic_and_nobody" {
  command = plan

  variables {
    alarms_tell_nobody = true
  }

  expect_failures = [var.alarm_topic_arn]
}

run "refused_log_group_name" {
  command = plan

  variables {
    log_group_name = "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit"
  }

  expect_failures = [var.log_group_name]
}

run "refused_kms_key_arn" {
  command = plan

  variables {
    kms_key_arn = "alias/audit"
  }

  expect_failures = [var.kms_key_arn]
}

run "of_a_bucket_the_calls_that_name_it_are_told" {
  variables {
    bucket = "my-kong-trail"
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["trail-changed"].event_pattern).detail.requestParameters == { bucketName = ["my-kong-trail"] }
    error_message = "by its name"
  }

  assert {
    condition = alltrue([
      for call in ["DeleteBucketPolicy", "PutBucketPolicy", "PutBucketVersioning", "PutBucketReplication", "DeleteBucketLifecycle", "PutBucketLifecycle", "PutBucketLifecycleConfiguration", "PutBucketObjectLockConfiguration", "PutObjectLockConfiguration"] :
      contains(jsondecode(aws_cloudwatch_event_rule.this["trail-changed"].event_pattern).detail.eventName, call)
    ])
    error_message = "the calls"
  }
}

run "refused_two_places" {
  command = plan

  variables {
    bucket         = "my-kong-trail"
    log_group_name = "/kong/audit"
  }

  expect_failures = [var.bucket]
}
