# What tasks may reach: Kong, Redis, and HTTPS. Name resolution needs no rule, since security groups
# do not filter what goes to the VPC's own resolver, nor ECS's credential endpoint
# (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html).

data "aws_vpc" "existing" {
  id = var.existing_vpc
}

locals {
  kong_scheme = startswith(var.kong_admin_api, "https:") ? "https" : "http"
  kong_port   = tonumber(try(regex(":([0-9]+)$", var.kong_admin_api)[0], local.kong_scheme == "https" ? 443 : 80))
  # Blocks where the Admin API may be, unless a security group says it.
  kong_cidrs = var.kong_security_group_id == null ? coalesce(var.kong_cidrs, [data.aws_vpc.existing.cidr_block]) : []
}

resource "aws_security_group" "task" {
  name        = coalesce(var.security_group, var.resource_name)
  description = "kong-cloudtrail: to Kong, Redis and AWS"
  vpc_id      = var.existing_vpc
  tags        = var.resource_tags
}

resource "aws_vpc_security_group_egress_rule" "kong" {
  for_each = toset(local.kong_cidrs)

  security_group_id = aws_security_group.task.id
  description       = "Kong's Admin API"
  ip_protocol       = "tcp"
  from_port         = local.kong_port
  to_port           = local.kong_port
  cidr_ipv4         = each.value
  tags              = var.resource_tags
}

resource "aws_vpc_security_group_egress_rule" "kong_group" {
  count = var.kong_security_group_id == null ? 0 : 1

  security_group_id            = aws_security_group.task.id
  description                  = "Kong's Admin API"
  ip_protocol                  = "tcp"
  from_port                    = local.kong_port
  to_port                      = local.kong_port
  referenced_security_group_id = var.kong_security_group_id
  tags                         = var.resource_tags
}

resource "aws_vpc_security_group_ingress_rule" "kong_group" {
  count = var.kong_security_group_id == null ? 0 : 1

  security_group_id            = var.kong_security_group_id
  description                  = "kong-cloudtrail"
  ip_protocol                  = "tcp"
  from_port                    = local.kong_port
  to_port                      = local.kong_port
  referenced_security_group_id = aws_security_group.task.id
  tags                         = var.resource_tags
}

resource "aws_vpc_security_group_egress_rule" "redis" {
  count = local.redis_has_group ? 1 : 0

  security_group_id            = aws_security_group.task.id
  description                  = "Redis"
  ip_protocol                  = "tcp"
  from_port                    = local.redis_port
  to_port                      = local.redis_port
  referenced_security_group_id = local.redis_group
  tags                         = var.resource_tags
}

resource "aws_vpc_security_group_egress_rule" "redis_blocks" {
  for_each = local.redis_cidrs

  security_group_id = aws_security_group.task.id
  description       = "Redis"
  ip_protocol       = "tcp"
  from_port         = local.redis_port
  to_port           = local.redis_port
  cidr_ipv4         = each.value
  tags              = var.resource_tags
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = var.https_egress_cidrs

  security_group_id = aws_security_group.task.id
  description       = "AWS services"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.value
  tags              = var.resource_tags
}
