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

module "redis_password" {
  source = "./redis-password"

  name           = "${var.resource_name}/redis"
  change_version = var.redis_auth_token_version
  kms_key_arn    = var.kms_key_arn
  tags           = var.resource_tags
}

resource "aws_elasticache_replication_group" "redis" {
  #checkov:skip=CKV_AWS_31:The password is given in auth_token_wo, which the scanner does not know
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

  auth_token_wo         = module.redis_password.password
  auth_token_wo_version = var.redis_auth_token_version
  # The former password stays good until the next change, so that running tasks go on.
  auth_token_update_strategy = "ROTATE"

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
