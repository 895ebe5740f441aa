# The ledger: what was shipped, and up to where. What it loses is shipped again.

locals {
  redis_port = 6379
  redis_versions = {
    valkey = { version = "7.2", family = "valkey7" }
    redis  = { version = "7.1", family = "redis7" }
  }
  redis = local.redis_versions[var.redis_engine]
}

resource "aws_elasticache_subnet_group" "redis" {
  name       = var.resource_name
  subnet_ids = var.existing_subnet_ids
  tags       = var.resource_tags
}

resource "aws_security_group" "redis" {
  name        = "${var.resource_name}-redis"
  description = "kong-cloudtrail: the ledger"
  vpc_id      = var.existing_vpc
  tags        = var.resource_tags
}

resource "aws_vpc_security_group_ingress_rule" "redis" {
  security_group_id            = aws_security_group.redis.id
  description                  = "kong-cloudtrail's tasks"
  ip_protocol                  = "tcp"
  from_port                    = local.redis_port
  to_port                      = local.redis_port
  referenced_security_group_id = aws_security_group.task.id
  tags                         = var.resource_tags
}

resource "aws_elasticache_parameter_group" "redis" {
  name        = var.resource_name
  family      = local.redis.family
  description = "kong-cloudtrail: a full ledger refuses writes and forgets nothing"
  tags        = var.resource_tags

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

locals {
  ledger = lookup(var.component_variables, "ledger", "default")
  # Keys of the Lambda have no prefix. They are only read, and no page of ElastiCache's is sure of %R~ for that.
  adopted_keys = lookup(var.component_variables, "adopt_lambda_keys", "false") == "true" ? "~* " : ""

  # Who may do what. PING is Spin's, to see whether its connection lives; the rest is what the ledger is read and
  # written with (docs/operations.md, Redis).
  # https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html
  redis_users = merge(
    { shipper = "on ~kong-cloudtrail:${local.ledger}:* ${local.adopted_keys}-@all +get +set +mset +del +watch +unwatch +multi +exec +ping" },
    local.has_status_page ? { status = "on ~kong-cloudtrail:${local.ledger}:* -@all +get +ping" } : {},
  )
}

module "redis_password" {
  source   = "./made-secret"
  for_each = local.redis_users

  name    = "${var.resource_name}/redis/${each.key}"
  purpose = "password of Redis' user ${each.key}"
  # It is worth nothing without its Redis.
  recovery_days  = 7
  change_version = var.redis_password_version
  kms_key_arn    = var.kms_key_arn
  tags           = var.resource_tags
}

resource "aws_elasticache_user" "this" {
  for_each = local.redis_users

  user_id       = "${var.resource_name}-${each.key}"
  user_name     = each.key
  engine        = var.redis_engine
  access_string = each.value
  tags          = var.resource_tags

  passwords_wo         = module.redis_password[each.key].text
  passwords_wo_version = var.redis_password_version
}

# A group for Redis must have a user of this name, by which clients without one are let in; this one lets nobody in. A
# group for Valkey takes no user without a password, and needs none.
resource "aws_elasticache_user" "default" {
  count = var.redis_engine == "redis" ? 1 : 0

  user_id       = "${var.resource_name}-default"
  user_name     = "default"
  engine        = var.redis_engine
  access_string = "off ~* -@all"
  tags          = var.resource_tags

  authentication_mode {
    type = "no-password-required"
  }
}

resource "aws_elasticache_user_group" "this" {
  user_group_id = var.resource_name
  engine        = var.redis_engine
  user_ids      = concat(values(aws_elasticache_user.this)[*].user_id, aws_elasticache_user.default[*].user_id)
  tags          = var.resource_tags
}

resource "aws_elasticache_replication_group" "redis" {
  #checkov:skip=CKV_AWS_31:Users have passwords (user_group_ids); a token would be one password for every command
  #checkov:skip=CKV_AWS_191:The key is the user's choice (kms_key_arn); without one AWS's own encrypts it
  replication_group_id = var.resource_name
  description          = "kong-cloudtrail: the ledger"
  engine               = var.redis_engine
  engine_version       = local.redis.version
  node_type            = var.redis_node_type
  parameter_group_name = aws_elasticache_parameter_group.redis.name
  port                 = local.redis_port
  subnet_group_name    = aws_elasticache_subnet_group.redis.name
  security_group_ids   = [aws_security_group.redis.id]

  num_cache_clusters         = 2
  multi_az_enabled           = true
  automatic_failover_enabled = true

  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"

  user_group_ids = [aws_elasticache_user_group.this.user_group_id]

  snapshot_name              = var.redis_snapshot_name
  snapshot_retention_limit   = var.redis_snapshot_days
  final_snapshot_identifier  = "${var.resource_name}-final"
  auto_minor_version_upgrade = true
  apply_immediately          = true
  tags                       = var.resource_tags

  lifecycle {
    # It says what a new one begins with. Another name is no reason to throw the ledger away.
    ignore_changes = [snapshot_name]
  }
}
