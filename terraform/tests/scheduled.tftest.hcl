# terraform test, with a provider that only pretends: no account is needed.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  run_mode                    = "scheduled"
  existing_vpc                = "vpc-0123456789abcdef0"
  existing_subnet_ids         = ["subnet-a", "subnet-b"]
  channel_arn                 = "arn:aws:cloudtrail:us-east-1:123456789012:channel/00000000-0000-0000-0000-000000000000"
  kong_admin_api              = "https://kong-admin.example.internal:8444"
  kong_admin_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token"
  image                       = "123456789012.dkr.ecr.us-east-1.amazonaws.com/kong/cloudtrail@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  alarm_topic_arn             = "arn:aws:sns:us-east-1:123456789012:operations"
}

run "a_schedule_starts_tasks_and_there_is_no_service" {
  assert {
    condition     = aws_scheduler_schedule.this[0].schedule_expression == "rate(1 hour)" && length(aws_ecs_service.this) == 0
    error_message = "scheduled mode has a schedule, hourly by default, and no service"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["run"]
    error_message = "the container makes one run"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["no-ok-run"].evaluation_periods == 26
    error_message = "two hours and ten minutes without an ok run"
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "SPIN_VARIABLE_STALE_AFTER_SECS", value = "7800" })
    error_message = "and status waits as long"
  }
}

run "the_schedules_role_is_trusted_to_its_group_alone" {
  assert {
    condition     = { for condition in data.aws_iam_policy_document.assume_schedule.statement[0].condition : condition.variable => one(condition.values) }["aws:SourceArn"] == "arn:aws:scheduler:us-east-1:123456789012:schedule-group/kong-cloudtrail"
    error_message = "by the group's ARN"
  }

  assert {
    condition     = aws_scheduler_schedule.this[0].group_name == "kong-cloudtrail"
    error_message = "in which the schedule is"
  }
}

run "a_schedule_with_a_key_of_its_own_can_be_read_by_its_role" {
  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  }

  assert {
    condition = [
      for statement in data.aws_iam_policy_document.schedule.statement : one(one(statement.condition).values) if statement.actions == toset(["kms:Decrypt"])
    ] == ["arn:aws:scheduler:us-east-1:123456789012:schedule/kong-cloudtrail/kong-cloudtrail"]
    error_message = "this schedule alone"
  }
}

run "the_schedule_may_start_this_task_alone" {
  assert {
    condition = flatten(data.aws_iam_policy_document.schedule.statement[*].actions) == flatten([
      toset(["ecs:RunTask"]), toset(["iam:PassRole"]), toset(["ecs:TagResource"]),
    ])
    error_message = "three actions"
  }
}
