# run_mode "scheduled": a task for each run. Runs that overlap take turns by the lease.

locals {
  schedules = var.run_mode == "scheduled" ? 1 : 0
}

# The role trusts the group, since AWS knows the schedule itself only once it is made
# (https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html).
resource "aws_scheduler_schedule_group" "this" {
  count = local.schedules

  name = var.resource_name
  tags = var.resource_tags
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:The key is the user's choice (kms_key_arn); the schedule holds no secret
  count = local.schedules

  name                = var.resource_name
  group_name          = aws_scheduler_schedule_group.this[0].name
  description         = "kong-cloudtrail: one run"
  schedule_expression = var.schedule_expression
  kms_key_arn         = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = local.cluster_arn
    role_arn = aws_iam_role.schedule[0].arn

    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.this.arn
      launch_type         = "FARGATE"
      platform_version    = "LATEST"
      propagate_tags      = "TASK_DEFINITION"

      network_configuration {
        subnets          = var.existing_subnet_ids
        security_groups  = [aws_security_group.task.id]
        assign_public_ip = var.assign_public_ip
      }
    }

    # What is still missing is shipped by the next run.
    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 900
    }
  }

  depends_on = [aws_iam_role_policy.schedule, aws_iam_role_policy.task, aws_iam_role_policy.execution]
}

data "aws_iam_policy_document" "assume_schedule" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule-group/${var.resource_name}"]
    }
  }
}

data "aws_iam_policy_document" "schedule" {
  statement {
    sid       = "Start"
    actions   = ["ecs:RunTask"]
    resources = [aws_ecs_task_definition.this.arn]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }

  statement {
    sid       = "GiveRoles"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.task.arn, aws_iam_role.execution.arn]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  # Scheduler reads the schedule as this role
  # (https://docs.aws.amazon.com/scheduler/latest/UserGuide/encryption-rest.html).
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]
    content {
      sid       = "Read"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
      condition {
        test     = "ArnEquals"
        variable = "kms:EncryptionContext:aws:scheduler:schedule:arn"
        values   = ["arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule/${var.resource_name}/${var.resource_name}"]
      }
    }
  }

  # RunTask copies the task definition's tags.
  statement {
    sid       = "Tag"
    actions   = ["ecs:TagResource"]
    resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task/${local.cluster_name}/*"]
    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }
}

resource "aws_iam_role" "schedule" {
  count = local.schedules

  name                 = "${var.resource_name}-schedule"
  description          = "kong-cloudtrail: has EventBridge Scheduler start its tasks"
  assume_role_policy   = data.aws_iam_policy_document.assume_schedule.json
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.resource_tags
}

resource "aws_iam_role_policy" "schedule" {
  count = local.schedules

  name   = "run-task"
  role   = aws_iam_role.schedule[0].id
  policy = data.aws_iam_policy_document.schedule.json
}
