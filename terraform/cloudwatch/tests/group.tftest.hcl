# terraform test, with a provider that only pretends: no account is needed.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit" }
  }
}

variables {
  alarm_topic_arn = "arn:aws:sns:us-east-1:123456789012:on-call"
}

run "calls_that_change_the_group_are_told" {
  assert {
    condition     = module.watch.alarm_names == ["kong-audit-account-policy-changed", "kong-audit-key-changed", "kong-audit-trail-changed", "kong-audit-watch-changed"]
    error_message = "by names made of the group's"
  }
}

run "the_group_is_kept_by_default" {
  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 2557
    error_message = "seven years"
  }

  assert {
    condition     = aws_cloudwatch_log_stream.this.name == "kong-cloudtrail" && aws_cloudwatch_log_stream.this.log_group_name == "/kong/audit"
    error_message = "the stream is in the group"
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.tags["cw:datasource:name"] == "kong" && aws_cloudwatch_log_group.this.tags["cw:datasource:type"] == "audit"
    error_message = "the data source is told by tags"
  }

  assert {
    condition     = contains(keys(aws_cloudwatch_query_definition.this), "who-changed.cwli")
    error_message = "queries are saved"
  }
}

run "events_may_be_kept_for_ever" {
  variables {
    retention_days = 0
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 0
    error_message = "0 is for ever"
  }
}

run "in_infrequent_access_no_queries_are_saved" {
  variables {
    log_group_class = "INFREQUENT_ACCESS"
  }

  assert {
    condition     = length(aws_cloudwatch_query_definition.this) == 0
    error_message = "it discovers no fields"
  }
}

run "the_policy_exempts_whom_it_is_told" {
  command = plan

  variables {
    exempt_principal_arns = ["arn:aws:iam::123456789012:role/deployer"]
  }

  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.protection.statement : statement.effect == "Deny" && length(statement.condition) == 1])
    error_message = "every statement"
  }
}

run "refused_retention_days" {
  command = plan

  variables {
    retention_days = 7
  }

  expect_failures = [var.retention_days]
}

run "refused_log_group_name" {
  command = plan

  variables {
    log_group_name = "aws/kong"
  }

  expect_failures = [var.log_group_name]
}

run "refused_log_stream" {
  command = plan

  variables {
    log_stream = "kong:audit"
  }

  expect_failures = [var.log_stream]
}

run "refused_log_group_class" {
  command = plan

  variables {
    log_group_class = "DELIVERY"
  }

  expect_failures = [var.log_group_class]
}

run "refused_data_source_name" {
  command = plan

  variables {
    data_source_name = "aws_kong"
  }

  expect_failures = [var.data_source_name]
}

run "refused_data_source_type" {
  command = plan

  variables {
    data_source_type = "Audit"
  }

  expect_failures = [var.data_source_type]
}
