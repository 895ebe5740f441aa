# Optional ways to AWS's services inside the VPC.

data "aws_region" "current" {}

locals {
  # The same attribute in every version of the provider.
  region = data.aws_region.current.id
}

resource "aws_security_group" "endpoints" {
  count = length(var.vpc_endpoints) == 0 ? 0 : 1

  name        = "${var.resource_name}-endpoints"
  description = "kong-cloudtrail: VPC endpoints"
  vpc_id      = var.existing_vpc
  tags        = var.resource_tags
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count = length(var.vpc_endpoints) == 0 ? 0 : 1

  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "kong-cloudtrail's tasks"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.task.id
  tags                         = var.resource_tags
}

resource "aws_vpc_endpoint" "interface" {
  for_each = var.vpc_endpoints

  vpc_id              = var.existing_vpc
  service_name        = "com.amazonaws.${local.region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.existing_subnet_ids
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = true
  tags                = merge(var.resource_tags, { Name = "${var.resource_name}-${each.value}" })
}

resource "aws_vpc_endpoint" "s3" {
  count = length(var.s3_endpoint_route_table_ids) == 0 ? 0 : 1

  vpc_id            = var.existing_vpc
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.s3_endpoint_route_table_ids
  tags              = merge(var.resource_tags, { Name = "${var.resource_name}-s3" })
}
