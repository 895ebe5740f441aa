# What is there already is used and not made again, with a provider that only pretends: no account is needed.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  existing_vpc         = "vpc-0123456789abcdef0"
  existing_subnet_ids  = ["subnet-a"]
  existing_cluster_arn = "arn:aws:ecs:us-east-1:123456789012:cluster/applications"
  existing_redis = {
    address             = "redis.example.internal"
    port                = 6380
    user                = "kong-cloudtrail"
    password_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:redis"
    security_group_id   = "sg-0123456789abcdef1"
  }
  channel_arn     = "arn:aws:cloudtrail:us-east-1:123456789012:channel/00000000-0000-0000-0000-000000000000"
  kong_admin_api  = "https://kong-admin.example.internal:8444"
  image           = "123456789012.dkr.ecr.us-east-1.amazonaws.com/kong/cloudtrail@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  alarm_topic_arn = "arn:aws:sns:us-east-1:123456789012:operations"
}

run "nothing_of_elasticache_is_made_beside_a_redis_that_is_there" {
  assert {
    condition = length(concat(
      aws_elasticache_replication_group.redis, aws_elasticache_subnet_group.redis, aws_elasticache_parameter_group.redis, aws_elasticache_user_group.this,
      aws_elasticache_user.default, values(aws_elasticache_user.this), aws_security_group.redis, values(module.redis_password),
    )) == 0
    error_message = "no node, no user, no password"
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "REDIS_URL", value = "rediss://kong-cloudtrail@redis.example.internal:6380" })
    error_message = "the tasks are told where it is"
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets, { name = "REDIS_PASSWORD", valueFrom = "arn:aws:secretsmanager:us-east-1:123456789012:secret:redis" }) && contains(data.aws_iam_policy_document.execution.statement[1].resources, "arn:aws:secretsmanager:us-east-1:123456789012:secret:redis")
    error_message = "and get its password, which they may read"
  }

  assert {
    condition     = output.redis_secret_arn == "arn:aws:secretsmanager:us-east-1:123456789012:secret:redis"
    error_message = "the output names the secret"
  }
}

run "the_group_of_a_redis_that_is_there_lets_the_tasks_in" {
  assert {
    condition     = aws_vpc_security_group_ingress_rule.redis[0].security_group_id == "sg-0123456789abcdef1" && aws_vpc_security_group_ingress_rule.redis[0].from_port == 6380
    error_message = "at its port"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.redis[0].referenced_security_group_id == "sg-0123456789abcdef1" && length(aws_vpc_security_group_egress_rule.redis_blocks) == 0
    error_message = "and they may reach the group alone"
  }
}

run "a_redis_without_a_group_is_reached_by_blocks" {
  variables {
    existing_redis = { address = "10.9.0.4", cidrs = ["10.9.0.0/24"] }
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.redis_blocks : "${rule.cidr_ipv4} ${rule.from_port}"] == ["10.9.0.0/24 6379"] && length(aws_vpc_security_group_ingress_rule.redis) == 0
    error_message = "no group is opened"
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "REDIS_URL", value = "rediss://10.9.0.4:6379" }) && !strcontains(aws_ecs_task_definition.this.container_definitions, "REDIS_PASSWORD")
    error_message = "without a user and a password where it has none"
  }
}

run "blocks_are_the_vpcs_unless_they_are_named" {
  variables {
    existing_redis = { address = "redis.example.internal" }
  }

  assert {
    condition     = keys(aws_vpc_security_group_egress_rule.redis_blocks) == ["10.0.0.0/16"]
    error_message = "as Kong's are"
  }
}

run "a_redis_without_tls_is_reached_where_somebody_says_so" {
  variables {
    existing_redis           = { address = "redis.example.internal", tls = false }
    allow_plaintext          = true
    status_target_group_arn  = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/status/0123456789abcdef"
    status_security_group_id = "sg-0123456789abcdef0"
  }

  assert {
    condition     = strcontains(aws_ecs_task_definition.this.container_definitions, "\"redis://redis.example.internal:6379\"")
    error_message = "by another scheme"
  }

  assert {
    condition     = alltrue([for task in [aws_ecs_task_definition.this, aws_ecs_task_definition.status[0]] : strcontains(task.container_definitions, "SPIN_VARIABLE_ALLOW_PLAINTEXT")])
    error_message = "and the entrypoint may send a password so, also that of the page"
  }
}

run "the_status_page_reads_a_redis_that_is_there_as_a_user_of_its_own" {
  variables {
    existing_redis = {
      address                    = "redis.example.internal"
      user                       = "shipper"
      password_secret_arn        = "arn:aws:secretsmanager:us-east-1:123456789012:secret:redis"
      status_user                = "status"
      status_password_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:redis-status"
      cidrs                      = ["10.9.0.0/24"]
    }
    status_target_group_arn  = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/status/0123456789abcdef"
    status_security_group_id = "sg-0123456789abcdef0"
  }

  assert {
    condition = (
      contains(jsondecode(aws_ecs_task_definition.status[0].container_definitions)[0].environment, { name = "REDIS_URL", value = "rediss://status@redis.example.internal:6379" })
      && contains(jsondecode(aws_ecs_task_definition.status[0].container_definitions)[0].secrets, { name = "REDIS_PASSWORD", valueFrom = "arn:aws:secretsmanager:us-east-1:123456789012:secret:redis-status" })
    )
    error_message = "which may only read"
  }

  assert {
    condition     = keys(aws_vpc_security_group_egress_rule.status_redis_blocks) == ["10.9.0.0/24"] && length(aws_vpc_security_group_ingress_rule.redis_from_status) == 0
    error_message = "and may reach the same blocks"
  }
}

run "the_status_page_reads_as_the_shipper_where_there_is_no_other_user" {
  variables {
    status_target_group_arn  = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/status/0123456789abcdef"
    status_security_group_id = "sg-0123456789abcdef0"
  }

  assert {
    condition = (
      contains(jsondecode(aws_ecs_task_definition.status[0].container_definitions)[0].environment, { name = "REDIS_URL", value = "rediss://kong-cloudtrail@redis.example.internal:6380" })
      && contains(jsondecode(aws_ecs_task_definition.status[0].container_definitions)[0].secrets, { name = "REDIS_PASSWORD", valueFrom = "arn:aws:secretsmanager:us-east-1:123456789012:secret:redis" })
    )
    error_message = "with its password"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.redis_from_status[0].security_group_id == "sg-0123456789abcdef1"
    error_message = "and Redis' group lets it in"
  }
}

run "a_cluster_that_is_there_has_the_service" {
  assert {
    condition     = length(aws_ecs_cluster.this) == 0 && aws_ecs_service.this[0].cluster == "arn:aws:ecs:us-east-1:123456789012:cluster/applications"
    error_message = "and none is made"
  }

  assert {
    condition     = strcontains(output.run_command, "--cluster applications ") && output.cluster_arn == "arn:aws:ecs:us-east-1:123456789012:cluster/applications"
    error_message = "the outputs name it"
  }
}

run "a_cluster_that_is_there_has_the_schedules_tasks" {
  variables {
    run_mode = "scheduled"
  }

  assert {
    condition = (
      aws_scheduler_schedule.this[0].target[0].arn == "arn:aws:ecs:us-east-1:123456789012:cluster/applications"
      && one(one(data.aws_iam_policy_document.schedule.statement[0].condition).values) == "arn:aws:ecs:us-east-1:123456789012:cluster/applications"
    )
    error_message = "and the schedule may start them there"
  }
}

run "roles_have_their_boundary_and_their_path" {
  variables {
    run_mode                 = "scheduled"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    role_path                = "/applications/"
    log_group_name           = "/applications/kong-cloudtrail"
  }

  assert {
    condition = alltrue([
      for role in [aws_iam_role.task, aws_iam_role.execution, aws_iam_role.schedule[0]] : role.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary" && role.path == "/applications/"
    ])
    error_message = "all three"
  }

  assert {
    condition     = output.log_group_name == "/applications/kong-cloudtrail"
    error_message = "and the log group has its name"
  }
}
