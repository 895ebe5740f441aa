# What whoever deploys the module above may do: two policies of IAM, written here and attached nowhere. Somebody with more
# rights attaches them. What holds the audit trail (../cloudwatch, ../s3, ../lake) is left out on purpose: whoever deploys
# what fills the trail need not be able to take it away.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.62.0, < 7.0.0"
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  # What an ARN of this account and region has between the service and the resource.
  here = "${data.aws_region.current.id}:${local.account}"

  any   = ["*"]
  redis = ["arn:${local.partition}:elasticache:${local.here}:*:${var.resource_name}*"]
  # Some actions are on the group by its ARN, others by the ARN with a star for its streams.
  logs      = [for end in ["", ":*"] : "arn:${local.partition}:logs:${local.here}:log-group:${coalesce(var.log_group_name, "/ecs/${var.resource_name}")}${end}"]
  alarms    = ["arn:${local.partition}:cloudwatch:${local.here}:alarm:${var.resource_name}-*"]
  roles     = ["arn:${local.partition}:iam::${local.account}:role${var.role_path}${var.resource_name}-*"]
  secrets   = ["arn:${local.partition}:secretsmanager:${local.here}:secret:${var.resource_name}/*"]
  groups    = ["arn:${local.partition}:ec2:${local.here}:security-group/*"]
  rules     = ["arn:${local.partition}:ec2:${local.here}:security-group-rule/*"]
  endpoints = ["arn:${local.partition}:ec2:${local.here}:vpc-endpoint/*"]
  services  = [for name in [var.resource_name, "${var.resource_name}-status"] : "arn:${local.partition}:ecs:${local.here}:service/*/${name}"]
  tasks     = [for name in [var.resource_name, "${var.resource_name}-status"] : "arn:${local.partition}:ecs:${local.here}:task-definition/${name}:*"]

  vpc        = "arn:${local.partition}:ec2:${local.here}:vpc/${var.existing_vpc}"
  in_the_vpc = { ArnEquals = { "ec2:Vpc" = local.vpc } }
  bounded    = var.permissions_boundary_arn == null ? null : { StringEquals = { "iam:PermissionsBoundary" = var.permissions_boundary_arn } }

  # Rights by what they are for: a type of resource, or a data source or an ephemeral resource that calls AWS. A type has a
  # list, one for each set of resources and conditions. `part` is the part of the module that has it, where it is not the
  # whole. Actions, and which of them know a resource: https://docs.aws.amazon.com/service-authorization/latest/reference/
  rights = {
    aws_cloudwatch_event_rule = [{
      actions   = ["events:DeleteRule", "events:DescribeRule", "events:ListTagsForResource", "events:PutRule", "events:TagResource", "events:UntagResource"]
      resources = ["arn:${local.partition}:events:${local.here}:rule/${var.resource_name}-*"]
    }]
    aws_cloudwatch_log_group = [
      {
        actions   = ["logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DeleteRetentionPolicy", "logs:DisassociateKmsKey", "logs:ListTagsForResource", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource"]
        resources = local.logs
      },
      { actions = ["logs:DescribeLogGroups"], resources = local.any },
    ]
    aws_cloudwatch_log_metric_filter = [{
      actions   = ["logs:DeleteMetricFilter", "logs:DescribeMetricFilters", "logs:PutMetricFilter"]
      resources = local.logs
    }]
    aws_cloudwatch_metric_alarm = [{
      actions   = ["cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource"]
      resources = local.alarms
    }]
    aws_ecs_cluster = [{
      part      = "cluster"
      actions   = ["ecs:CreateCluster", "ecs:DeleteCluster", "ecs:DescribeClusters", "ecs:ListTagsForResource", "ecs:TagResource", "ecs:UntagResource", "ecs:UpdateCluster"]
      resources = ["arn:${local.partition}:ecs:${local.here}:cluster/${var.resource_name}"]
    }]
    aws_ecs_service = [{
      part      = "service"
      actions   = ["ecs:CreateService", "ecs:DeleteService", "ecs:DescribeServices", "ecs:ListTagsForResource", "ecs:TagResource", "ecs:UntagResource", "ecs:UpdateService"]
      resources = local.services
    }]
    aws_ecs_task_definition = [
      { actions = ["ecs:ListTagsForResource", "ecs:RegisterTaskDefinition", "ecs:TagResource", "ecs:UntagResource"], resources = local.tasks },
      { actions = ["ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition"], resources = local.any },
    ]
    aws_elasticache_parameter_group = [{
      part      = "redis"
      actions   = ["elasticache:CreateCacheParameterGroup", "elasticache:DeleteCacheParameterGroup", "elasticache:DescribeCacheParameterGroups", "elasticache:DescribeCacheParameters", "elasticache:ModifyCacheParameterGroup", "elasticache:ResetCacheParameterGroup"]
      resources = local.redis
    }]
    aws_elasticache_replication_group = [
      {
        part      = "redis"
        actions   = ["elasticache:AddTagsToResource", "elasticache:CreateReplicationGroup", "elasticache:CreateSnapshot", "elasticache:DeleteReplicationGroup", "elasticache:DescribeCacheClusters", "elasticache:DescribeReplicationGroups", "elasticache:ListTagsForResource", "elasticache:ModifyReplicationGroup", "elasticache:RemoveTagsFromResource"]
        resources = local.redis
      },
      # redis_snapshot_name may be any.
      { part = "redis", actions = ["elasticache:CreateReplicationGroup"], resources = ["arn:${local.partition}:elasticache:${local.here}:snapshot:*"] },
      # What AWS lists as needed beside the three calls that make, change and delete nodes.
      { part = "redis", actions = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DescribeVpcs"], resources = local.any },
    ]
    aws_elasticache_subnet_group = [{
      part      = "redis"
      actions   = ["elasticache:CreateCacheSubnetGroup", "elasticache:DeleteCacheSubnetGroup", "elasticache:DescribeCacheSubnetGroups", "elasticache:ModifyCacheSubnetGroup"]
      resources = local.redis
    }]
    aws_elasticache_user = [{
      part      = "redis"
      actions   = ["elasticache:CreateUser", "elasticache:DeleteUser", "elasticache:DescribeUsers", "elasticache:ModifyUser"]
      resources = local.redis
    }]
    aws_elasticache_user_group = [{
      part      = "redis"
      actions   = ["elasticache:CreateUserGroup", "elasticache:DeleteUserGroup", "elasticache:DescribeUserGroups", "elasticache:ModifyUserGroup"]
      resources = local.redis
    }]
    aws_iam_role = [
      { actions = concat(["iam:CreateRole", "iam:UpdateAssumeRolePolicy"], local.bounded == null ? [] : ["iam:PutRolePermissionsBoundary"]), resources = local.roles, condition = local.bounded },
      {
        actions   = ["iam:DeleteRole", "iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies", "iam:TagRole", "iam:UntagRole", "iam:UpdateRoleDescription"]
        resources = local.roles
      },
      {
        actions   = ["iam:PassRole"]
        resources = local.roles
        condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "scheduler.amazonaws.com"] } }
      },
    ]
    aws_iam_role_policy = [
      { actions = ["iam:DeleteRolePolicy", "iam:PutRolePolicy"], resources = local.roles, condition = local.bounded },
      { actions = ["iam:GetRolePolicy"], resources = local.roles },
    ]
    aws_scheduler_schedule = [{
      part      = "schedule"
      actions   = ["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule"]
      resources = ["arn:${local.partition}:scheduler:${local.here}:schedule/${var.resource_name}/${var.resource_name}"]
    }]
    aws_scheduler_schedule_group = [{
      part      = "schedule"
      actions   = ["scheduler:CreateScheduleGroup", "scheduler:DeleteScheduleGroup", "scheduler:GetScheduleGroup", "scheduler:ListTagsForResource", "scheduler:TagResource", "scheduler:UntagResource"]
      resources = ["arn:${local.partition}:scheduler:${local.here}:schedule-group/${var.resource_name}"]
    }]
    aws_secretsmanager_secret = [{
      actions   = ["secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy", "secretsmanager:TagResource", "secretsmanager:UntagResource", "secretsmanager:UpdateSecret"]
      resources = local.secrets
    }]
    aws_secretsmanager_secret_version = [{
      actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"]
      resources = local.secrets
    }]
    aws_security_group = [
      { actions = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups"], resources = local.any },
      { actions = ["ec2:DeleteSecurityGroup", "ec2:RevokeSecurityGroupEgress"], resources = local.groups, condition = local.in_the_vpc },
      # A group that is still to be made has no VPC to go by, so the VPC is the resource.
      { actions = ["ec2:CreateSecurityGroup"], resources = concat(local.groups, [local.vpc]) },
      { actions = ["ec2:CreateTags", "ec2:DeleteTags"], resources = concat(local.groups, local.rules, local.endpoints) },
    ]
    aws_vpc_endpoint = [
      { part = "endpoints", actions = ["ec2:CreateVpcEndpoint", "ec2:DeleteVpcEndpoints", "ec2:ModifyVpcEndpoint"], resources = local.endpoints },
      {
        part    = "endpoints"
        actions = ["ec2:CreateVpcEndpoint", "ec2:ModifyVpcEndpoint"]
        resources = concat(local.groups, [local.vpc], [
          for kind in ["route-table", "subnet"] : "arn:${local.partition}:ec2:${local.here}:${kind}/*"
        ])
      },
      { part = "endpoints", actions = ["ec2:DescribePrefixLists", "ec2:DescribeSubnets", "ec2:DescribeVpcEndpoints", "ec2:DescribeVpcs", "route53:AssociateVPCWithHostedZone"], resources = local.any },
    ]
    aws_vpc_security_group_egress_rule = [
      { actions = ["ec2:AuthorizeSecurityGroupEgress", "ec2:ModifySecurityGroupRules", "ec2:RevokeSecurityGroupEgress"], resources = local.groups, condition = local.in_the_vpc },
      { actions = ["ec2:AuthorizeSecurityGroupEgress", "ec2:ModifySecurityGroupRules"], resources = local.rules },
      { actions = ["ec2:DescribeSecurityGroupRules"], resources = local.any },
    ]
    aws_vpc_security_group_ingress_rule = [
      { actions = ["ec2:AuthorizeSecurityGroupIngress", "ec2:ModifySecurityGroupRules", "ec2:RevokeSecurityGroupIngress"], resources = local.groups, condition = local.in_the_vpc },
      { actions = ["ec2:AuthorizeSecurityGroupIngress", "ec2:ModifySecurityGroupRules"], resources = local.rules },
      { actions = ["ec2:DescribeSecurityGroupRules"], resources = local.any },
    ]

    "data.aws_vpc"                                 = [{ actions = ["ec2:DescribeRouteTables", "ec2:DescribeVpcAttribute", "ec2:DescribeVpcs"], resources = local.any }]
    "ephemeral.aws_secretsmanager_random_password" = [{ actions = ["secretsmanager:GetRandomPassword"], resources = local.any }]
    "ephemeral.aws_secretsmanager_secret_version"  = [{ actions = ["secretsmanager:GetSecretValue"], resources = local.secrets }]

    # Where nobody in the account has used ECS or ElastiCache before, they make roles of their own.
    "the services' own roles" = [{
      actions   = ["iam:CreateServiceLinkedRole"]
      resources = [for service in ["ecs", "elasticache"] : "arn:${local.partition}:iam::${local.account}:role/aws-service-role/${service}.amazonaws.com/*"]
    }]
    "the key of kms_key_arn" = var.kms_key_arn == null ? [] : [{
      actions   = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
      resources = [var.kms_key_arn]
    }]
  }

  # Two documents, since IAM takes no policy of more than 6144 characters; and a statement for each set of resources and
  # conditions, for the same reason.
  chosen = [
    for right in flatten(values(local.rights)) : {
      document = can(regex("^(ec2|elasticache):", right.actions[0])) ? "network" : "tasks"
      on       = jsonencode([right.resources, try(right.condition, null)])
      actions  = right.actions
    } if contains(setunion(var.parts, [""]), try(right.part, ""))
  ]
  statements = {
    for document in ["network", "tasks"] : document => [
      for on in sort(distinct([for right in local.chosen : right.on if right.document == document])) : merge(
        {
          Effect   = "Allow"
          Action   = sort(distinct(flatten([for right in local.chosen : right.actions if right.on == on && right.document == document])))
          Resource = jsondecode(on)[0]
        },
        { for name, condition in { Condition = jsondecode(on)[1] } : name => condition if condition != null },
      )
    ]
  }
  policies = { for document, statements in local.statements : document => jsonencode({ Version = "2012-10-17", Statement = statements }) }
}
