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
  image                       = "123456789012.dkr.ecr.us-east-1.amazonaws.com/kong/cloudtrail@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  alarm_topic_arn             = "arn:aws:sns:us-east-1:123456789012:operations"
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
      { name = "REDIS_URL", value = "rediss://shipper@master.ledger.example:6379" },
    )
    error_message = "the ledger is reached over TLS"
  }

  assert {
    condition = toset(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets[*].name) == toset([
      "REDIS_PASSWORD", "SPIN_VARIABLE_KONG_ADMIN_TOKEN", "SPIN_VARIABLE_LEDGER_KEY",
    ])
    error_message = "all secrets are injected, and the ledger has a key"
  }
}

run "another_key_of_the_ledger_comes_with_the_one_before" {
  variables {
    ledger_key_version = 2
  }

  assert {
    condition = alltrue([
      for name, arn in {
        SPIN_VARIABLE_LEDGER_KEY          = "arn:aws:secretsmanager:us-east-1:123456789012:secret:kong-cloudtrail/ledger-key"
        SPIN_VARIABLE_LEDGER_KEY_PREVIOUS = "arn:aws:secretsmanager:us-east-1:123456789012:secret:kong-cloudtrail/ledger-key::AWSPREVIOUS:"
      } : contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets, { name = name, valueFrom = arn })
    ])
    error_message = "both of one secret"
  }

  assert {
    condition     = alltrue([for arn in data.aws_iam_policy_document.execution.statement[1].resources : !strcontains(arn, "::")]) && aws_ecs_service.this[0].triggers["ledger_key"] == "2"
    error_message = "which the tasks may read, and which they read when they start"
  }
}

run "a_ledger_has_no_key_where_somebody_says_so" {
  variables {
    ledger_key = "none"
  }

  assert {
    condition     = !strcontains(aws_ecs_task_definition.this.container_definitions, "LEDGER_KEY") && length(module.ledger_key) == 0
    error_message = "none"
  }
}

run "the_key_of_the_ledger_may_be_given" {
  variables {
    ledger_key                     = "given"
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
    condition     = aws_vpc_security_group_egress_rule.redis[0].from_port == 6379 && aws_vpc_security_group_egress_rule.redis[0].cidr_ipv4 == null
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
    allow_plaintext        = true
    kong_security_group_id = "sg-0123456789abcdef0"
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.kong) == 0 && aws_vpc_security_group_egress_rule.kong_group[0].to_port == 80
    error_message = "80 for http, to the group in place of a block"
  }

  assert {
    condition     = anytrue([for setting in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : endswith(setting.name, "_ALLOW_PLAINTEXT") && setting.value == "true"])
    error_message = "the component is told"
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

run "to_s3_the_policy_is_the_least_too" {
  command = plan

  variables {
    destination        = "s3"
    channel_arn        = null
    bucket_arn         = "arn:aws:s3:::my-kong-trail"
    bucket_prefix      = "audit/kong"
    bucket_region      = "eu-west-1"
    bucket_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  }

  assert {
    condition     = jsonencode(data.aws_iam_policy_document.task.statement[*].actions) == jsonencode([["s3:PutObject"], ["kms:GenerateDataKey"]])
    error_message = "to write, and a key for it"
  }

  assert {
    condition     = data.aws_iam_policy_document.task.statement[0].resources == toset(["arn:aws:s3:::my-kong-trail/audit/kong/*"])
    error_message = "below the prefix"
  }

  assert {
    condition     = data.aws_iam_policy_document.task.statement[1].resources == toset([var.bucket_kms_key_arn]) && one(data.aws_iam_policy_document.task.statement[1].condition).variable == "kms:ViaService"
    error_message = "of the bucket's key, through S3"
  }
}

run "the_task_is_told_the_bucket" {
  variables {
    destination = "s3"
    channel_arn = null
    bucket_arn  = "arn:aws:s3:::my-kong-trail"
  }

  assert {
    condition = alltrue([
      for variable, value in {
        destination   = "s3"
        bucket        = "my-kong-trail"
        bucket_region = "us-east-1"
        bucket_prefix = "kong-audit"
        account_id    = "123456789012"
      } : contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "SPIN_VARIABLE_${upper(variable)}", value = value })
    ])
    error_message = "each goes to the variable of its name"
  }

  assert {
    condition     = length(data.aws_iam_policy_document.task.statement) == 1
    error_message = "and without a key of its own there is one right"
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

run "alarms_go_to_the_topic" {
  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.this), values(aws_cloudwatch_metric_alarm.attention), [aws_cloudwatch_metric_alarm.generation_fell]) :
      alarm.alarm_actions == toset(["arn:aws:sns:us-east-1:123456789012:operations"])
    ])
    error_message = "every alarm"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["no-ok-run"].evaluation_periods == 3 && aws_cloudwatch_metric_alarm.this["no-ok-run"].treat_missing_data == "breaching"
    error_message = "fifteen minutes without an ok run, or without any"
  }
}

run "without_a_topic_alarms_tell_nobody" {
  variables {
    alarm_topic_arn    = null
    alarms_tell_nobody = true
  }

  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.this), values(aws_cloudwatch_metric_alarm.attention)) : length(alarm.alarm_actions) == 0])
    error_message = "they are there all the same"
  }
}

run "what_happened_is_an_alarm_until_somebody_clears_it" {
  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.attention), [aws_cloudwatch_metric_alarm.this["failed-run"], aws_cloudwatch_metric_alarm.this["rejected"], aws_cloudwatch_metric_alarm.generation_fell]) :
      alarm.treat_missing_data == "ignore" && alarm.threshold == 0 && alarm.statistic == "Sum"
    ])
    error_message = "missing values leave it as it is"
  }

  assert {
    condition     = strcontains(aws_cloudwatch_log_metric_filter.attention["store-lost"].pattern, "($.attention[0] = \"store-lost\") || ") && !strcontains(aws_cloudwatch_log_metric_filter.attention["store-lost"].pattern, "<")
    error_message = "a filter for each word"
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.generation_fell.event_pattern).resources == [aws_cloudwatch_metric_alarm.generation_falls.arn]
    error_message = "a generation that falls sets off one that stays"
  }
}

run "a_new_password_starts_new_tasks" {
  variables {
    redis_password_version = 2
  }

  assert {
    condition     = aws_ecs_service.this[0].triggers == tomap({ redis_password = "2", ledger_key = "1" })
    error_message = "tasks read secrets when they start"
  }
}

run "redis_has_a_user_with_the_commands_that_are_needed_on_this_ledger_alone" {
  variables {
    component_variables = { ledger = "production" }
  }

  assert {
    condition     = { for name, user in aws_elasticache_user.this : name => user.access_string } == { shipper = "on ~kong-cloudtrail:production:* -@all +get +set +mset +del +watch +unwatch +multi +exec +ping" }
    error_message = "one user"
  }

  assert {
    condition     = aws_elasticache_user_group.this[0].user_ids == toset(["kong-cloudtrail-shipper"]) && aws_elasticache_replication_group.redis[0].user_group_ids == toset(["kong-cloudtrail"])
    error_message = "and no other"
  }
}

run "while_the_lambdas_keys_are_adopted_they_may_be_read" {
  variables {
    component_variables = { adopt_lambda_keys = "true" }
  }

  assert {
    condition     = startswith(aws_elasticache_user.this["shipper"].access_string, "on ~kong-cloudtrail:default:* ~* -@all ")
    error_message = "which have no prefix"
  }
}

run "in_redis_the_user_without_a_name_is_let_in_nowhere" {
  variables {
    redis_engine = "redis"
  }

  assert {
    condition     = aws_elasticache_user.default[0].access_string == "off ~* -@all" && contains(aws_elasticache_user_group.this[0].user_ids, "kong-cloudtrail-default")
    error_message = "its group must have it"
  }
}

run "endpoints_serve_the_component_alone_by_names_of_their_own" {
  variables {
    vpc_endpoints = ["cloudtrail-data"]
  }

  assert {
    condition     = !aws_vpc_endpoint.interface["cloudtrail-data"].private_dns_enabled && length(aws_vpc_security_group_ingress_rule.endpoints_neighbours) == 0
    error_message = "the neighbours notice nothing"
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "SPIN_VARIABLE_CLOUDTRAIL_ENDPOINT", value = "https://vpce-0.example.vpce.amazonaws.com" })
    error_message = "the component is told the name"
  }

  assert {
    condition     = length(data.aws_iam_policy_document.endpoint["cloudtrail-data"].statement) == 1 && data.aws_iam_policy_document.endpoint["cloudtrail-data"].statement[0].actions == toset(["cloudtrail-data:PutAuditEvents"])
    error_message = "for what the task does"
  }
}

run "endpoints_of_cloudwatch_logs_are_told_to_the_component_too" {
  variables {
    destination   = "cloudwatch"
    channel_arn   = null
    log_group_arn = "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit"
    vpc_endpoints = ["logs", "sts"]
  }

  assert {
    condition = alltrue([
      for name in ["AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "AWS_ENDPOINT_URL_STS"] :
      contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "SPIN_VARIABLE_${name}", value = "https://vpce-0.example.vpce.amazonaws.com" })
    ])
    error_message = "both"
  }
}

run "endpoints_that_take_the_services_names_let_the_neighbours_in" {
  variables {
    vpc_endpoints               = ["logs", "secretsmanager", "sts"]
    vpc_endpoints_private_dns   = true
    s3_endpoint_route_table_ids = ["rtb-0123456789abcdef0"]
  }

  assert {
    condition     = aws_vpc_endpoint.interface["logs"].service_name == "com.amazonaws.us-east-1.logs" && length(aws_vpc_endpoint.s3) == 1
    error_message = "by the region's name"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.endpoints_neighbours[0].cidr_ipv4 == "10.0.0.0/16"
    error_message = "from the VPC"
  }

  assert {
    condition     = join(" ", data.aws_iam_policy_document.endpoint["logs"].statement[*].sid) == "Account" && join(" ", data.aws_iam_policy_document.endpoint["sts"].statement[*].sid) == "Account SignIn"
    error_message = "for principals of the account"
  }

  assert {
    condition     = !strcontains(aws_ecs_task_definition.this.container_definitions, "ENDPOINT")
    error_message = "and the component uses the services' names"
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
    condition = contains(
      jsondecode(aws_ecs_task_definition.status[0].container_definitions)[0].secrets,
      { name = "REDIS_PASSWORD", valueFrom = "arn:aws:secretsmanager:us-east-1:123456789012:secret:kong-cloudtrail/redis/status" },
    ) && aws_elasticache_user.this["status"].access_string == "on ~kong-cloudtrail:production:* -@all +get +ping"
    error_message = "its own user of Redis may only read"
  }

  assert {
    condition = alltrue([
      for setting in [{ name = "SPIN_VARIABLE_LEDGER", value = "production" }, { name = "SPIN_VARIABLE_STALE_AFTER_SECS", value = "900" }] :
      contains(jsondecode(aws_ecs_task_definition.status[0].container_definitions)[0].environment, setting)
    ])
    error_message = "it reads the same ledger"
  }
}
