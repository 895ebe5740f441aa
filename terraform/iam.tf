data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  # Where the image lies in ECR: [account, region, repository]. Elsewhere no rights are needed.
  ecr = try(regex("^([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.amazonaws\\.com(?:\\.cn)?/([^:@]+)", var.image), null)
  # Secrets that are given to a task when it starts.
  secrets = merge(
    { for user, arn in local.redis_secrets : "REDIS_PASSWORD" => arn if user == "shipper" },
    var.kong_admin_token_secret_arn == null ? {} : { SPIN_VARIABLE_KONG_ADMIN_TOKEN = var.kong_admin_token_secret_arn },
    { for key in [local.ledger_key] : "SPIN_VARIABLE_LEDGER_KEY" => key if var.ledger_key != "none" },
    local.ledger_key_previous == null ? {} : { SPIN_VARIABLE_LEDGER_KEY_PREVIOUS = local.ledger_key_previous },
    var.kong_client_key_secret_arn == null ? {} : { KONG_CLIENT_KEY = var.kong_client_key_secret_arn },
  )
  # The key that the ledger is authenticated with. A secret keeps its former text by this name, which ECS takes behind its ARN
  # (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html).
  former     = "::AWSPREVIOUS:"
  ledger_key = var.ledger_key == "made" ? module.ledger_key[0].secret_arn : var.ledger_key_secret_arn
  ledger_key_previous = (
    var.ledger_key == "made" && var.ledger_key_version > 1 && var.ledger_key_previous_secret_arn == null
    ? "${module.ledger_key[0].secret_arn}${local.former}"
    : var.ledger_key_previous_secret_arn
  )
  # What the component may do, by destination.
  rights = {
    cloudtrail = { sid = "PutAuditEvents", actions = ["cloudtrail-data:PutAuditEvents"], resources = [var.channel_arn] }
    cloudwatch = { sid = "PutLogEvents", actions = ["logs:PutLogEvents"], resources = ["${local.log_group_arn}:log-stream:${var.log_stream}"] }
    s3         = { sid = "PutObject", actions = ["s3:PutObject"], resources = ["${coalesce(var.bucket_arn, "none")}/${var.bucket_prefix}/*"] }
  }
  bucket        = var.bucket_arn == null ? "" : reverse(split(":", var.bucket_arn))[0]
  bucket_region = coalesce(var.bucket_region, local.region)
  # With or without the star for its streams.
  log_group_arn = var.log_group_arn == null ? "" : trimsuffix(var.log_group_arn, ":*")
  kms_keys      = concat(var.kms_key_arn == null ? [] : [var.kms_key_arn], var.secrets_kms_key_arns)
}

# Whoever holds it can have entries left out unseen: the tasks alone get it. Without it the ledger cannot be read.
module "ledger_key" {
  source = "./made-secret"
  count  = var.ledger_key == "made" ? 1 : 0

  name           = "${var.resource_name}/ledger-key"
  purpose        = "key of the ledger"
  recovery_days  = 30
  change_version = var.ledger_key_version
  kms_key_arn    = var.kms_key_arn
  tags           = var.resource_tags
}

data "aws_iam_policy_document" "assume_task" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:ecs:${local.region}:${local.account}:*"]
    }
  }
}

data "aws_iam_policy_document" "task" {
  statement {
    sid       = local.rights[var.destination].sid
    actions   = local.rights[var.destination].actions
    resources = local.rights[var.destination].resources
  }

  # Of the bucket's key, through S3 alone.
  dynamic "statement" {
    for_each = var.destination == "s3" && var.bucket_kms_key_arn != null ? [var.bucket_kms_key_arn] : []
    content {
      sid       = "DataKey"
      actions   = ["kms:GenerateDataKey"]
      resources = [statement.value]
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["s3.${local.bucket_region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}

resource "aws_iam_role" "task" {
  name                 = "${var.resource_name}-task"
  description          = "kong-cloudtrail: sends audit events to their destination"
  assume_role_policy   = data.aws_iam_policy_document.assume_task.json
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.resource_tags
}

resource "aws_iam_role_policy" "task" {
  name   = "send-audit-events"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.task.json

  lifecycle {
    precondition {
      condition     = var.destination != "cloudwatch" || strcontains(local.log_group_arn, ":${local.account}:")
      error_message = "log_group_arn is of another account. PutLogEvents names no account and writes to the caller's own."
    }

    precondition {
      condition     = var.destination != "s3" || startswith(coalesce(var.bucket_arn, "none"), "arn:${local.partition}:")
      error_message = "bucket_arn is of another partition. No credentials of this one are good there."
    }
  }
}

# What ECS may do to start a task: the image, the secrets, the log.
data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  statement {
    sid       = "Secrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = distinct([for arn in concat(values(local.secrets), values(local.status_secrets)) : trimsuffix(arn, local.former)])
  }

  dynamic "statement" {
    for_each = length(local.kms_keys) == 0 ? [] : [local.kms_keys]
    content {
      sid       = "SecretsKeys"
      actions   = ["kms:Decrypt"]
      resources = statement.value
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }

  dynamic "statement" {
    for_each = local.ecr == null ? [] : [local.ecr]
    content {
      sid       = "Image"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = ["arn:${local.partition}:ecr:${statement.value[1]}:${statement.value[0]}:repository/${statement.value[2]}"]
    }
  }

  dynamic "statement" {
    for_each = local.ecr == null ? [] : [local.ecr]
    content {
      sid     = "Registry"
      actions = ["ecr:GetAuthorizationToken"]
      # This action knows no resource.
      resources = ["*"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name                 = "${var.resource_name}-execution"
  description          = "kong-cloudtrail: has ECS start its tasks"
  assume_role_policy   = data.aws_iam_policy_document.assume_task.json
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.resource_tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "start-tasks"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}
