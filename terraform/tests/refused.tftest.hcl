# What is refused, with a provider that only pretends: no account is needed.

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

run "refused_run_mode" {
  command = plan

  variables {
    run_mode = "lambda"
  }

  expect_failures = [var.run_mode]
}

run "refused_resource_name" {
  command = plan

  variables {
    resource_name = "Kong--CloudTrail"
  }

  expect_failures = [var.resource_name]
}

run "refused_existing_vpc" {
  command = plan

  variables {
    existing_vpc = "my-vpc"
  }

  expect_failures = [var.existing_vpc]
}

run "refused_existing_subnet_ids" {
  command = plan

  variables {
    existing_subnet_ids = ["subnet-a", "subnet-a"]
  }

  expect_failures = [var.existing_subnet_ids]
}

run "refused_channel_arn" {
  command = plan

  variables {
    channel_arn = "arn:aws:cloudtrail:us-east-1:123456789012:trail/kong"
  }

  expect_failures = [var.channel_arn]
}

run "refused_no_channel_arn" {
  command = plan

  variables {
    channel_arn = null
  }

  expect_failures = [var.channel_arn]
}

run "refused_destination" {
  command = plan

  variables {
    destination = "kinesis"
  }

  expect_failures = [var.destination]
}

run "refused_bucket_arn" {
  command = plan

  variables {
    destination = "s3"
    bucket_arn  = "my-kong-trail"
  }

  expect_failures = [var.bucket_arn]
}

run "refused_no_bucket_arn" {
  command = plan

  variables {
    destination = "s3"
  }

  expect_failures = [var.bucket_arn]
}

run "refused_bucket_of_another_partition" {
  command = plan

  variables {
    destination = "s3"
    bucket_arn  = "arn:aws-cn:s3:::my-kong-trail"
  }

  expect_failures = [aws_iam_role_policy.task]
}

run "refused_bucket_account_id" {
  command = plan

  variables {
    bucket_account_id = "my-account"
  }

  expect_failures = [var.bucket_account_id]
}

run "refused_bucket_prefix" {
  command = plan

  variables {
    bucket_prefix = "/kong-audit"
  }

  expect_failures = [var.bucket_prefix]
}

run "refused_an_endpoint_that_s3_does_not_use" {
  command = plan

  variables {
    destination   = "s3"
    bucket_arn    = "arn:aws:s3:::my-kong-trail"
    vpc_endpoints = ["cloudtrail-data"]
  }

  expect_failures = [var.vpc_endpoints_private_dns]
}

run "refused_log_group_arn" {
  command = plan

  variables {
    destination   = "cloudwatch"
    log_group_arn = "/kong/audit"
  }

  expect_failures = [var.log_group_arn]
}

run "refused_no_log_group_arn" {
  command = plan

  variables {
    destination = "cloudwatch"
  }

  expect_failures = [var.log_group_arn]
}

run "refused_kong_admin_api" {
  command = plan

  variables {
    kong_admin_api = "https://kong.example:8444/admin"
  }

  expect_failures = [var.kong_admin_api]
}

run "refused_kong_admin_token_secret_arn" {
  command = plan

  variables {
    kong_admin_token_secret_arn = "the-token-itself"
  }

  expect_failures = [var.kong_admin_token_secret_arn]
}

run "refused_ledger_key_secret_arn" {
  command = plan

  variables {
    ledger_key            = "given"
    ledger_key_secret_arn = "the-key-itself"
  }

  expect_failures = [var.ledger_key_secret_arn]
}

run "refused_ledger_key" {
  command = plan

  variables {
    ledger_key = "0123456789012345678901234567890123456789"
  }

  expect_failures = [var.ledger_key]
}

run "refused_ledger_key_given_and_made" {
  command = plan

  variables {
    ledger_key_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:now"
  }

  expect_failures = [var.ledger_key_secret_arn]
}

run "refused_ledger_key_previous_secret_arn_alone" {
  command = plan

  variables {
    ledger_key                     = "none"
    ledger_key_previous_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:before"
  }

  expect_failures = [var.ledger_key_previous_secret_arn]
}

run "refused_kong_root_ca" {
  command = plan

  variables {
    kong_root_ca = "kong-ca.pem"
  }

  expect_failures = [var.kong_root_ca]
}

run "refused_kong_cidrs" {
  command = plan

  variables {
    kong_cidrs = ["kong.example"]
  }

  expect_failures = [var.kong_cidrs]
}

run "refused_https_egress_cidrs" {
  command = plan

  variables {
    https_egress_cidrs = ["everywhere"]
  }

  expect_failures = [var.https_egress_cidrs]
}

run "refused_component_variables" {
  command = plan

  variables {
    component_variables = { kong_admin_token = "secret" }
  }

  expect_failures = [var.component_variables]
}

run "refused_image" {
  command = plan

  variables {
    image = "registry.example/kong-cloudtrail:0.1.0"
  }

  expect_failures = [var.image]
}

run "refused_cpu_architecture" {
  command = plan

  variables {
    cpu_architecture = "RISCV"
  }

  expect_failures = [var.cpu_architecture]
}

run "refused_task_count" {
  command = plan

  variables {
    task_count = 0
  }

  expect_failures = [var.task_count]
}

run "refused_schedule_expression" {
  command = plan

  variables {
    schedule_expression = "hourly"
  }

  expect_failures = [var.schedule_expression]
}

run "refused_redis_engine" {
  command = plan

  variables {
    redis_engine = "memcached"
  }

  expect_failures = [var.redis_engine]
}

run "refused_redis_snapshot_days" {
  command = plan

  variables {
    redis_snapshot_days = 0
  }

  expect_failures = [var.redis_snapshot_days]
}

run "refused_log_retention_days" {
  command = plan

  variables {
    log_retention_days = 7
  }

  expect_failures = [var.log_retention_days]
}

run "refused_alarm_ok_within_minutes" {
  command = plan

  variables {
    alarm_ok_within_minutes = 7
  }

  expect_failures = [var.alarm_ok_within_minutes]
}

run "refused_vpc_endpoints" {
  command = plan

  variables {
    vpc_endpoints = ["sqs"]
  }

  expect_failures = [var.vpc_endpoints]
}

run "refused_kong_client_cert" {
  command = plan

  variables {
    kong_client_cert = "-----BEGIN CERTIFICATE-----"
  }

  expect_failures = [var.kong_client_cert]
}

run "refused_status_page_without_its_load_balancers_group" {
  command = plan

  variables {
    status_target_group_arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/status/0123456789abcdef"
  }

  expect_failures = [var.status_security_group_id]
}

run "refused_status_target_group" {
  command = plan

  variables {
    status_target_group_arn  = "status"
    status_security_group_id = "sg-0123456789abcdef0"
  }

  expect_failures = [var.status_target_group_arn]
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

run "refused_plain_text_to_kong" {
  command = plan

  variables {
    kong_admin_api = "http://kong-admin.example.internal:8001"
  }

  expect_failures = [var.allow_plaintext]
}

run "refused_endpoints_of_ecs_without_private_dns" {
  command = plan

  variables {
    vpc_endpoints = ["ecr.api"]
  }

  expect_failures = [var.vpc_endpoints_private_dns]
}

run "refused_long_resource_name" {
  command = plan

  variables {
    resource_name = "a-name-that-is-as-long-as-one-of-33"
  }

  expect_failures = [var.resource_name]
}

run "refused_a_topic_and_nobody" {
  command = plan

  variables {
    alarms_tell_nobody = true
  }

  expect_failures = [var.alarm_topic_arn]
}

run "refused_permissions_boundary_arn" {
  command = plan

  variables {
    permissions_boundary_arn = "boundary"
  }

  expect_failures = [var.permissions_boundary_arn]
}

run "refused_role_path" {
  command = plan

  variables {
    role_path = "applications"
  }

  expect_failures = [var.role_path]
}

run "refused_log_group_name" {
  command = plan

  variables {
    log_group_name = "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit"
  }

  expect_failures = [var.log_group_name]
}

run "refused_existing_cluster_arn" {
  command = plan

  variables {
    existing_cluster_arn = "applications"
  }

  expect_failures = [var.existing_cluster_arn]
}

run "refused_existing_redis_with_a_scheme" {
  command = plan

  variables {
    existing_redis = { address = "rediss://redis.example.internal" }
  }

  expect_failures = [var.existing_redis]
}

run "refused_existing_redis_with_the_password_itself" {
  command = plan

  variables {
    existing_redis = { address = "redis.example.internal", password_secret_arn = "the-password-itself" }
  }

  expect_failures = [var.existing_redis]
}

run "refused_existing_redis_without_tls" {
  command = plan

  variables {
    existing_redis = { address = "redis.example.internal", tls = false }
  }

  expect_failures = [var.existing_redis]
}

run "refused_existing_redis_with_half_a_user_for_the_page" {
  command = plan

  variables {
    existing_redis = { address = "redis.example.internal", status_user = "status" }
  }

  expect_failures = [var.existing_redis]
}

run "refused_existing_redis_and_a_snapshot" {
  command = plan

  variables {
    existing_redis      = { address = "redis.example.internal" }
    redis_snapshot_name = "kong-cloudtrail-final"
  }

  expect_failures = [var.existing_redis]
}

run "refused_existing_redis_in_a_block_that_is_none" {
  command = plan

  variables {
    existing_redis = { address = "redis.example.internal", cidrs = ["10.9.0.0"] }
  }

  expect_failures = [var.existing_redis]
}
