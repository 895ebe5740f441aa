# An example of a service control policy. It is made here and attached nowhere: that is for the organization's
# management account, by which it is not bound itself.

locals {
  # Some actions are on the group by its ARN, others by the ARN with a star for its streams.
  group_and_streams = [aws_cloudwatch_log_group.this.arn, "${aws_cloudwatch_log_group.this.arn}:*"]

  denied = merge(
    {
      KeepTheLogGroup = {
        actions = [
          "logs:DeleteLogGroup",
          "logs:DeleteLogStream",
          "logs:PutLogGroupDeletionProtection",
          "logs:PutRetentionPolicy",
        ]
        resources = local.group_and_streams
      }
      # Both change what a query shows of an event.
      KeepTheEvents = {
        actions   = ["logs:PutDataProtectionPolicy", "logs:PutTransformer"]
        resources = local.group_and_streams
      }
      # An account-level retention policy overrides the group's; these actions know no resource.
      KeepTheAccountsPolicies = {
        actions   = ["logs:DeleteAccountPolicy", "logs:PutAccountPolicy"]
        resources = ["*"]
      }
    },
    # Without its key nobody can read the group.
    var.kms_key_arn == null ? {} : {
      KeepTheKey = {
        actions   = ["kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]
        resources = [var.kms_key_arn]
      }
    },
  )
}

data "aws_iam_policy_document" "protection" {
  dynamic "statement" {
    for_each = local.denied
    content {
      sid       = statement.key
      effect    = "Deny"
      actions   = statement.value.actions
      resources = statement.value.resources

      dynamic "condition" {
        for_each = length(var.exempt_principal_arns) == 0 ? [] : [var.exempt_principal_arns]
        content {
          test     = "ArnNotLike"
          variable = "aws:PrincipalArn"
          values   = condition.value
        }
      }
    }
  }
}
