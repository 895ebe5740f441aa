# The status page behind a load balancer that is there already; its target group decides whether there is one.

locals {
  has_status_page = var.status_target_group_arn != null
  status          = "${var.resource_name}-status"
  status_port     = 8080
  # The page reads, and so needs these alone.
  status_secrets = merge(
    { for name, arn in local.secrets : name => arn if startswith(name, "SPIN_VARIABLE_LEDGER_KEY") },
    { for user, arn in local.redis_secrets : "REDIS_PASSWORD" => arn if user == "status" },
  )
  status_environment = merge(
    {
      REDIS_URL                      = local.redis_urls["status"]
      SPIN_VARIABLE_LEDGER           = local.ledger
      SPIN_VARIABLE_STALE_AFTER_SECS = tostring(local.alarm_ok_within_minutes * 60)
    },
    # For the entrypoint, which else sends no password without TLS.
    local.redis_scheme == "redis" ? { SPIN_VARIABLE_ALLOW_PLAINTEXT = "true" } : {},
  )
}

resource "aws_security_group" "status" {
  count = local.has_status_page ? 1 : 0

  name        = local.status
  description = "kong-cloudtrail: the status page, from the load balancer alone"
  vpc_id      = var.existing_vpc
  tags        = var.resource_tags
}

resource "aws_vpc_security_group_ingress_rule" "status" {
  count = local.has_status_page ? 1 : 0

  security_group_id            = aws_security_group.status[0].id
  description                  = "The load balancer"
  ip_protocol                  = "tcp"
  from_port                    = local.status_port
  to_port                      = local.status_port
  referenced_security_group_id = var.status_security_group_id
  tags                         = var.resource_tags
}

resource "aws_vpc_security_group_egress_rule" "status_redis" {
  count = local.has_status_page && local.redis_has_group ? 1 : 0

  security_group_id            = aws_security_group.status[0].id
  description                  = "Redis"
  ip_protocol                  = "tcp"
  from_port                    = local.redis_port
  to_port                      = local.redis_port
  referenced_security_group_id = local.redis_group
  tags                         = var.resource_tags
}

resource "aws_vpc_security_group_egress_rule" "status_redis_blocks" {
  for_each = local.has_status_page ? local.redis_cidrs : []

  security_group_id = aws_security_group.status[0].id
  description       = "Redis"
  ip_protocol       = "tcp"
  from_port         = local.redis_port
  to_port           = local.redis_port
  cidr_ipv4         = each.value
  tags              = var.resource_tags
}

resource "aws_vpc_security_group_egress_rule" "status_https" {
  for_each = local.has_status_page ? var.https_egress_cidrs : []

  security_group_id = aws_security_group.status[0].id
  description       = "AWS services, to start a task"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.value
  tags              = var.resource_tags
}

resource "aws_vpc_security_group_ingress_rule" "redis_from_status" {
  count = local.has_status_page && local.redis_has_group ? 1 : 0

  security_group_id            = local.redis_group
  description                  = "kong-cloudtrail's status page"
  ip_protocol                  = "tcp"
  from_port                    = local.redis_port
  to_port                      = local.redis_port
  referenced_security_group_id = aws_security_group.status[0].id
  tags                         = var.resource_tags
}

# Without a task role: the page has no rights on AWS.
resource "aws_ecs_task_definition" "status" {
  count = local.has_status_page ? 1 : 0

  family                   = local.status
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
  tags                     = var.resource_tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  volume {
    name = local.volume
  }

  container_definitions = jsonencode([{
    name      = local.status
    image     = var.image
    essential = true
    command   = ["page"]

    environment  = [for name, value in local.status_environment : { name = name, value = value }]
    secrets      = [for name, arn in local.status_secrets : { name = name, valueFrom = arn }]
    portMappings = [{ containerPort = local.status_port, protocol = "tcp" }]

    user                   = "10001"
    privileged             = false
    readonlyRootFilesystem = true
    mountPoints            = [{ sourceVolume = local.volume, containerPath = "/var/lib/kong-cloudtrail", readOnly = false }]
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "status"
        mode                  = "non-blocking"
        max-buffer-size       = "1m"
      }
    }
  }])
}

resource "aws_ecs_service" "status" {
  count = local.has_status_page ? 1 : 0

  name                              = local.status
  cluster                           = local.cluster_arn
  task_definition                   = aws_ecs_task_definition.status[0].arn
  desired_count                     = 1
  launch_type                       = "FARGATE"
  platform_version                  = "LATEST"
  propagate_tags                    = "SERVICE"
  health_check_grace_period_seconds = 60
  tags                              = var.resource_tags

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  load_balancer {
    target_group_arn = var.status_target_group_arn
    container_name   = local.status
    container_port   = local.status_port
  }

  network_configuration {
    #checkov:skip=CKV_AWS_333:A public address is the user's choice (assign_public_ip), off by default; the load balancer alone may come in
    subnets          = var.existing_subnet_ids
    security_groups  = [aws_security_group.status[0].id]
    assign_public_ip = var.assign_public_ip
  }

  # A task reads its secrets when it starts.
  force_new_deployment = true
  triggers             = { redis_password = var.redis_password_version, ledger_key = var.ledger_key_version }

  depends_on = [aws_iam_role_policy.execution, aws_elasticache_user.this]
}
