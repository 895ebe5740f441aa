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
  image                       = "123456789012.dkr.ecr.us-east-1.amazonaws.com/kong/cloudtrail:0.1.0"
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
}

run "the_schedule_may_start_this_task_alone" {
  assert {
    condition = flatten(data.aws_iam_policy_document.schedule.statement[*].actions) == flatten([
      toset(["ecs:RunTask"]), toset(["iam:PassRole"]), toset(["ecs:TagResource"]),
    ])
    error_message = "three actions"
  }
}
