# Optional ways to AWS's services inside the VPC.
#
# With private DNS an endpoint answers for its service to the whole VPC: whoever is there too goes through it and must get
# on, so it lets in the VPC and all principals of the account. Without, it has a name of its own, which the component
# alone is given, and lets in the tasks, for what they do and no more.
# https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html
# https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html

data "aws_region" "current" {}

locals {
  # The same attribute in every version of the provider.
  region = data.aws_region.current.id

  # Endpoints without private DNS, by the variable of the component that is told their names.
  own_endpoints = var.vpc_endpoints_private_dns ? {} : {
    for variable, service in {
      cloudtrail_endpoint              = "cloudtrail-data"
      aws_endpoint_url_cloudwatch_logs = "logs"
      aws_endpoint_url_sts             = "sts"
    } : variable => service if contains(var.vpc_endpoints, service)
  }
  endpoint_variables = { for variable, service in local.own_endpoints : variable => "https://${aws_vpc_endpoint.interface[service].dns_entry[0].dns_name}" }

  # What the task does by each. GetCallerIdentity knows no resource.
  task_rights = {
    cloudtrail-data = local.rights.cloudtrail
    logs            = local.rights.cloudwatch
    sts             = { actions = ["sts:GetCallerIdentity"], resources = ["*"] }
  }
}

data "aws_iam_policy_document" "endpoint" {
  for_each = var.vpc_endpoints

  dynamic "statement" {
    for_each = var.vpc_endpoints_private_dns ? [] : [local.task_rights[each.value]]
    content {
      sid       = "Task"
      actions   = statement.value.actions
      resources = statement.value.resources
      principals {
        type        = "*"
        identifiers = ["*"]
      }
      condition {
        test     = "ArnEquals"
        variable = "aws:PrincipalArn"
        values   = [aws_iam_role.task.arn]
      }
    }
  }

  # Nobody takes anything out with the credentials of another account.
  dynamic "statement" {
    for_each = var.vpc_endpoints_private_dns ? ["Account"] : []
    content {
      sid       = statement.value
      actions   = ["*"]
      resources = ["*"]
      principals {
        type        = "*"
        identifiers = ["*"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:PrincipalAccount"
        values   = [local.account]
      }
    }
  }

  # Calls that have no principal yet: roles for service accounts of a neighbouring cluster, for one.
  dynamic "statement" {
    for_each = var.vpc_endpoints_private_dns && each.value == "sts" ? ["SignIn"] : []
    content {
      sid       = statement.value
      actions   = ["sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"]
      resources = ["*"]
      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }
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

resource "aws_vpc_security_group_ingress_rule" "endpoints_neighbours" {
  count = length(var.vpc_endpoints) > 0 && var.vpc_endpoints_private_dns ? 1 : 0

  security_group_id = aws_security_group.endpoints[0].id
  description       = "Whoever else is in the VPC: the services' names lead here"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = data.aws_vpc.existing.cidr_block
  tags              = var.resource_tags
}

resource "aws_vpc_endpoint" "interface" {
  for_each = var.vpc_endpoints

  vpc_id              = var.existing_vpc
  service_name        = "com.amazonaws.${local.region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.existing_subnet_ids
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = var.vpc_endpoints_private_dns
  policy              = data.aws_iam_policy_document.endpoint[each.value].json
  tags                = merge(var.resource_tags, { Name = "${var.resource_name}-${each.value}" })
}

# A route table serves whole subnets, so neighbours use this endpoint too. It lets everybody read (ECR keeps layers in a
# bucket of its own, packages of Linux are public), and only principals of the account do anything else.
data "aws_iam_policy_document" "s3_endpoint" {
  #checkov:skip=CKV_AWS_108:A policy of an endpoint gives nobody a right, it bounds what goes through; neighbours read their own buckets by it
  #checkov:skip=CKV_AWS_356:The same; the buckets of neighbours are not known here
  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = ["*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "Account"
    actions   = ["s3:*"]
    resources = ["*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account]
    }
  }
}

resource "aws_vpc_endpoint" "s3" {
  count = length(var.s3_endpoint_route_table_ids) == 0 ? 0 : 1

  vpc_id            = var.existing_vpc
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.s3_endpoint_route_table_ids
  policy            = data.aws_iam_policy_document.s3_endpoint.json
  tags              = merge(var.resource_tags, { Name = "${var.resource_name}-s3" })
}
