locals {
  # Variables of spin.toml that component_variables may set. The others have inputs of their own, or
  # are credentials, which come from the task's role.
  component_variables = [
    "adopt_lambda_keys", "allow_outbound", "audit_streams", "cloudtrail_endpoint", "event_source", "external_id", "full_secs",
    "kong_admin_path", "kong_admin_token_header", "lease_secs", "ledger", "log_level", "lookback_secs", "max_calls_per_sec", "max_in_flight", "overlap_secs", "page_size",
    "reconcile_secs", "run_budget_secs", "use_dualstack_endpoint", "use_fips_endpoint",
  ]

  # Where events go, by destination: the component's variables.
  target = {
    cloudtrail = { channel_arn = var.channel_arn }
    cloudwatch = { log_group_arn = var.log_group_arn, log_stream = var.log_stream }
    s3         = { bucket = local.bucket, bucket_region = local.bucket_region, bucket_prefix = var.bucket_prefix, account_id = coalesce(var.bucket_account_id, local.account) }
  }

  variables = merge(
    local.endpoint_variables,
    var.component_variables,
    { destination = var.destination },
    local.target[var.destination],
    var.allow_plaintext ? { allow_plaintext = "true" } : {},
  )

  environment = merge(
    { for name, value in local.variables : "SPIN_VARIABLE_${upper(name)}" => value },
    {
      SPIN_VARIABLE_KONG_ADMIN_API = var.kong_admin_api
      REDIS_URL                    = local.redis_urls["shipper"]
      # For `status`: how long there may be no progress.
      SPIN_VARIABLE_STALE_AFTER_SECS = tostring(local.alarm_ok_within_minutes * 60)
    },
    var.kong_root_ca == null ? {} : { KONG_CA = var.kong_root_ca },
    var.kong_client_cert == null ? {} : { KONG_CLIENT_CERT = var.kong_client_cert },
  )

  container = "kong-cloudtrail"
  volume    = "state"
}

locals {
  cluster_arn  = var.existing_cluster_arn == null ? aws_ecs_cluster.this[0].arn : var.existing_cluster_arn
  cluster_name = var.existing_cluster_arn == null ? var.resource_name : split("/", var.existing_cluster_arn)[1]
}

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:The alarms watch the reports, which say more than a task's CPU and memory; Container Insights is billed by the metric
  count = var.existing_cluster_arn == null ? 1 : 0

  name = var.resource_name
  tags = var.resource_tags
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.resource_name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  tags                     = var.resource_tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  # The one place that is written to; it ends with the task.
  volume {
    name = local.volume
  }

  container_definitions = jsonencode([{
    name      = local.container
    image     = var.image
    essential = true
    command   = [var.run_mode == "service" ? "service" : "run"]

    environment = [for name, value in local.environment : { name = name, value = value }]
    secrets     = [for name, arn in local.secrets : { name = name, valueFrom = arn }]

    user                   = "10001"
    privileged             = false
    readonlyRootFilesystem = true
    mountPoints            = [{ sourceVolume = local.volume, containerPath = "/var/lib/kong-cloudtrail", readOnly = false }]
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }

    stopTimeout = 30
    healthCheck = {
      command     = ["CMD", "kong-cloudtrail-entrypoint", "healthy"]
      interval    = 60
      timeout     = 5
      retries     = 3
      startPeriod = 60
    }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = var.run_mode
        # A log that is slow must not hold up the run; that no report came is an alarm.
        mode            = "non-blocking"
        max-buffer-size = "25m"
      }
    }
  }])
}
