# The ledger: what was shipped, and up to where. What it loses is shipped again.

locals {
  makes_redis = var.existing_redis == null
  redis_port  = local.makes_redis ? 6379 : var.existing_redis.port
  redis_versions = {
    valkey = { version = "7.2", family = "valkey7" }
    redis  = { version = "7.1", family = "redis7" }
  }
  redis = local.redis_versions[var.redis_engine]

  # The security group that Redis is in, or the blocks where it may be.
  redis_has_group = local.makes_redis || try(var.existing_redis.security_group_id, null) != null
  redis_group     = local.makes_redis ? one(aws_security_group.redis[*].id) : var.existing_redis.security_group_id
  redis_cidrs     = local.redis_has_group ? toset([]) : coalesce(var.existing_redis.cidrs, toset([data.aws_vpc.existing.cidr_block]))

  # For the tasks and for the status page: the name, the secret with the password, and where Redis is.
  redis_names = local.makes_redis ? { shipper = "shipper", status = "status" } : {
    shipper = var.existing_redis.user
    status  = var.existing_redis.status_user == null ? var.existing_redis.user : var.existing_redis.status_user
  }
  redis_secrets = local.makes_redis ? tomap({ for user, password in module.redis_password : user => password.secret_arn }) : tomap({
    for user, arn in {
      shipper = var.existing_redis.password_secret_arn
      status  = var.existing_redis.status_user == null ? var.existing_redis.password_secret_arn : var.existing_redis.status_password_secret_arn
    } : user => arn if arn != null
  })
  redis_scheme = local.makes_redis || try(var.existing_redis.tls, true) ? "rediss" : "redis"
  redis_host   = local.makes_redis ? one(aws_elasticache_replication_group.redis[*].primary_endpoint_address) : var.existing_redis.address
  redis_urls = {
    for user, name in local.redis_names : user => join("", [local.redis_scheme, "://", name == null ? "" : "${urlencode(name)}@", local.redis_host, ":", local.redis_port])
  }
}

resource "aws_elasticache_subnet_group" "redis" {
  count = local.makes_redis ? 1 : 0

  name       = var.resource_name
  subnet_ids = var.existing_subnet_ids
  tags       = var.resource_tags
}

resource "aws_security_group" "redis" {
  count = local.makes_redis ? 1 : 0

  name        = "${var.resource_name}-redis"
  description = "kong-cloudtrail: the ledger"
  vpc_id      = var.existing_vpc
  tags        = var.resource_tags
}

resource "aws_vpc_security_group_ingress_rule" "redis" {
  count = local.redis_has_group ? 1 : 0

  security_group_id            = local.redis_group
  description                  = "kong-cloudtrail's tasks"
  ip_protocol                  = "tcp"
  from_port                    = local.redis_port
  to_port                      = local.redis_port
  referenced_security_group_id = aws_security_group.task.id
  tags                         = var.resource_tags
}

resource "aws_elasticache_parameter_group" "redis" {
  count = local.makes_redis ? 1 : 0

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
  redis_users = local.makes_redis ? merge(
    { shipper = "on ~kong-cloudtrail:${local.ledger}:* ${local.adopted_keys}-@all +get +set +mset +del +watch +unwatch +multi +exec +ping" },
    local.has_status_page ? { status = "on ~kong-cloudtrail:${local.ledger}:* -@all +get +ping" } : {},
  ) : {}
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
  count = local.makes_redis && var.redis_engine == "redis" ? 1 : 0

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
  count = local.makes_redis ? 1 : 0

  user_group_id = var.resource_name
  engine        = var.redis_engine
  user_ids      = concat(values(aws_elasticache_user.this)[*].user_id, aws_elasticache_user.default[*].user_id)
  tags          = var.resource_tags
}

resource "aws_elasticache_replication_group" "redis" {
  count = local.makes_redis ? 1 : 0

  #checkov:skip=CKV_AWS_31:Users have passwords (user_group_ids); a token would be one password for every command
  #checkov:skip=CKV_AWS_191:The key is the user's choice (kms_key_arn); without one AWS's own encrypts it
  replication_group_id = var.resource_name
  description          = "kong-cloudtrail: the ledger"
  engine               = var.redis_engine
  engine_version       = local.redis.version
  node_type            = var.redis_node_type
  parameter_group_name = aws_elasticache_parameter_group.redis[0].name
  port                 = local.redis_port
  subnet_group_name    = aws_elasticache_subnet_group.redis[0].name
  security_group_ids   = [aws_security_group.redis[0].id]

  num_cache_clusters         = 2
  multi_az_enabled           = true
  automatic_failover_enabled = true

  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"

  user_group_ids = [aws_elasticache_user_group.this[0].user_group_id]

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
