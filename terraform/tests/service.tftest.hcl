# terraform test, with a provider that only pretends: no account is needed.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  existing_vpc                = "vpc-0123456789abcdef0"
  existing_subnet_ids         = ["subnet-a", "subnet-b"]
  channel_arn                 = "arn:aws:cloudtrail:us-east-1:123456789012:channel/00000000-0000-0000-0000-000000000000"
  kong_admin_api              = "https://kong-admin.example.internal:8444"
  kong_admin_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token"
  image                       = "123456789012.dkr.ecr.us-east-1.amazonaws.com/kong/cloudtrail:0.1.0"
}

run "a_service_is_run_and_no_schedule" {
  variables {
    task_count = 2
  }

  assert {
    condition     = aws_ecs_service.this[0].desired_count == 2 && length(aws_scheduler_schedule.this) == 0
    error_message = "service mode has a service of task_count tasks, and no schedule"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["service"]
    error_message = "the container runs the timer trigger"
  }
}

run "the_task_gets_redis_and_secrets_by_reference" {
  assert {
    condition = contains(
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment,
      { name = "REDIS_URL", value = "rediss://master.ledger.example:6379" },
    )
    error_message = "the ledger is reached over TLS"
  }

  assert {
    condition = toset(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets[*].name) == toset([
      "REDIS_PASSWORD", "SPIN_VARIABLE_KONG_ADMIN_TOKEN",
    ])
    error_message = "both secrets are injected"
  }
}

run "the_key_of_the_ledger_is_a_secret_too" {
  variables {
    ledger_key_secret_arn          = "arn:aws:secretsmanager:us-east-1:123456789012:secret:now"
    ledger_key_previous_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:before"
  }

  assert {
    condition = alltrue([
      for name, arn in {
        SPIN_VARIABLE_LEDGER_KEY          = "arn:aws:secretsmanager:us-east-1:123456789012:secret:now"
        SPIN_VARIABLE_LEDGER_KEY_PREVIOUS = "arn:aws:secretsmanager:us-east-1:123456789012:secret:before"
      } : contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets, { name = name, valueFrom = arn })
    ])
    error_message = "each goes to the variable of its name"
  }
}

run "tasks_may_reach_kong_redis_and_https_alone" {
  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.kong : "${rule.cidr_ipv4} ${rule.from_port}-${rule.to_port}"] == ["10.0.0.0/16 8444-8444"]
    error_message = "Kong's port in the VPC's block"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.redis.from_port == 6379 && aws_vpc_security_group_egress_rule.redis.cidr_ipv4 == null
    error_message = "Redis by its security group"
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.https : rule.to_port] == [443]
    error_message = "HTTPS"
  }
}

run "the_port_of_kong_is_that_of_its_scheme_unless_it_is_named" {
  variables {
    kong_admin_api         = "http://[fd00::1]"
    kong_security_group_id = "sg-0123456789abcdef0"
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.kong) == 0 && aws_vpc_security_group_egress_rule.kong_group[0].to_port == 80
    error_message = "80 for http, to the group in place of a block"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.kong_group[0].security_group_id == "sg-0123456789abcdef0"
    error_message = "Kong's group lets the tasks in"
  }
}

run "the_policies_are_the_least" {
  command = plan

  assert {
    condition     = jsonencode(data.aws_iam_policy_document.task.statement[*].actions) == jsonencode([["cloudtrail-data:PutAuditEvents"]])
    error_message = "one action"
  }

  assert {
    condition     = data.aws_iam_policy_document.task.statement[0].resources == toset([var.channel_arn])
    error_message = "on the channel"
  }

  assert {
    condition     = local.ecr == ["123456789012", "us-east-1", "kong/cloudtrail"]
    error_message = "the repository is read from the image"
  }
}

run "to_cloudwatch_the_policy_is_the_least_too" {
  command = plan

  variables {
    destination   = "cloudwatch"
    channel_arn   = null
    log_group_arn = "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit:*"
    log_stream    = "kong"
  }

  assert {
    condition     = jsonencode(data.aws_iam_policy_document.task.statement[*].actions) == jsonencode([["logs:PutLogEvents"]])
    error_message = "one action"
  }

  assert {
    condition     = data.aws_iam_policy_document.task.statement[0].resources == toset(["arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit:log-stream:kong"])
    error_message = "on the stream"
  }
}

run "the_task_is_told_the_log_group" {
  variables {
    destination   = "cloudwatch"
    channel_arn   = null
    log_group_arn = "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit"
  }

  assert {
    condition = alltrue([
      for variable, value in {
        destination   = "cloudwatch"
        log_group_arn = "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit"
        log_stream    = "kong-cloudtrail"
      } : contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "SPIN_VARIABLE_${upper(variable)}", value = value })
    ])
    error_message = "each goes to the variable of its name"
  }

  assert {
    condition     = !strcontains(aws_ecs_task_definition.this.container_definitions, "CHANNEL_ARN")
    error_message = "and there is no channel"
  }
}

run "an_image_elsewhere_needs_no_rights" {
  command = plan

  variables {
    image = "registry.example:5000/kong-cloudtrail@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  }

  assert {
    condition     = local.ecr == null && length(data.aws_iam_policy_document.execution.statement) == 2
    error_message = "log and secrets alone"
  }
}

run "alarms_go_to_the_topic_where_there_is_one" {
  variables {
    alarm_topic_arn = "arn:aws:sns:us-east-1:123456789012:operations"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : contains(alarm.alarm_actions, "arn:aws:sns:us-east-1:123456789012:operations")])
    error_message = "every alarm"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["no-ok-run"].evaluation_periods == 3 && aws_cloudwatch_metric_alarm.this["no-ok-run"].treat_missing_data == "breaching"
    error_message = "fifteen minutes without an ok run, or without any"
  }
}

run "a_new_password_starts_new_tasks" {
  variables {
    redis_auth_token_version = 2
  }

  assert {
    condition     = aws_ecs_service.this[0].triggers == tomap({ redis_auth_token = "2" })
    error_message = "tasks read secrets when they start"
  }
}

run "endpoints_are_created_where_they_are_wanted" {
  variables {
    vpc_endpoints               = ["logs", "secretsmanager"]
    s3_endpoint_route_table_ids = ["rtb-0123456789abcdef0"]
  }

  assert {
    condition     = aws_vpc_endpoint.interface["logs"].service_name == "com.amazonaws.us-east-1.logs" && length(aws_vpc_endpoint.s3) == 1
    error_message = "by the region's name"
  }
}

run "there_is_no_status_page_unless_it_has_a_target_group" {
  assert {
    condition     = length(aws_ecs_service.status) == 0 && length(aws_ecs_task_definition.status) == 0 && length(aws_security_group.status) == 0
    error_message = "nothing of the page is made"
  }
}

run "the_status_page_is_let_in_from_the_load_balancer_alone_and_has_no_rights" {
  variables {
    status_target_group_arn  = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/status/0123456789abcdef"
    status_security_group_id = "sg-0123456789abcdef0"
    ledger_key_secret_arn    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:now"
    component_variables      = { ledger = "production" }
  }

  assert {
    condition     = one(aws_ecs_service.status[0].load_balancer).target_group_arn == "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/status/0123456789abcdef"
    error_message = "its tasks register with the target group"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.status[0].referenced_security_group_id == "sg-0123456789abcdef0" && aws_vpc_security_group_ingress_rule.status[0].from_port == 8080
    error_message = "the load balancer's group may reach its port"
  }

  assert {
    condition     = aws_ecs_task_definition.status[0].task_role_arn == null
    error_message = "it has no role"
  }

  assert {
    condition = toset(jsondecode(aws_ecs_task_definition.status[0].container_definitions)[0].secrets[*].name) == toset([
      "REDIS_PASSWORD", "SPIN_VARIABLE_LEDGER_KEY",
    ])
    error_message = "it gets the store's secrets, and not Kong's token"
  }

  assert {
    condition = alltrue([
      for setting in [{ name = "SPIN_VARIABLE_LEDGER", value = "production" }, { name = "SPIN_VARIABLE_STALE_AFTER_SECS", value = "900" }] :
      contains(jsondecode(aws_ecs_task_definition.status[0].container_definitions)[0].environment, setting)
    ])
    error_message = "it reads the same ledger"
  }
}
