# What nobody may do with the bucket, whatever rights they have elsewhere. Rights are given where the principals are, but for
# those of other accounts, which need them here too.

locals {
  objects = "${aws_s3_bucket.this.arn}/*"

  denied = {
    # A lock keeps versions. This keeps one from being hidden: by a newer one, since a put over a name that is taken needs to go
    # without the header, and uploads in parts and copies know no such header before their end
    # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html).
    WriteOnce = {
      actions   = ["s3:PutObject"]
      resources = [local.objects]
      condition = { test = "Null", variable = "s3:if-none-match", values = ["true"] }
    }
    # And by a delete marker. One that a lifecycle rule sets is denied by no policy
    # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html): the watch tells of such a rule.
    DeleteNothing = {
      actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
      resources = [local.objects]
      condition = null
    }
    # Both again, by replication from another bucket: it puts and deletes by actions of its own
    # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html).
    ReplicateNothing = {
      actions   = ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"]
      resources = [local.objects]
      condition = null
    }
    # Retention is the bucket's. Its mode in governance can be bypassed by nobody either, while this stands.
    KeepTheRetention = {
      actions   = ["s3:BypassGovernanceRetention", "s3:PutObjectLegalHold", "s3:PutObjectRetention"]
      resources = [local.objects]
      condition = null
    }
    OnlyByTls = {
      actions   = ["s3:*"]
      resources = [aws_s3_bucket.this.arn, local.objects]
      condition = { test = "Bool", variable = "aws:SecureTransport", values = ["false"] }
    }
  }
}

data "aws_iam_policy_document" "bucket" {
  dynamic "statement" {
    for_each = local.denied
    content {
      sid       = statement.key
      effect    = "Deny"
      actions   = statement.value.actions
      resources = statement.value.resources

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      dynamic "condition" {
        for_each = statement.value.condition == null ? [] : [statement.value.condition]
        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }

  dynamic "statement" {
    for_each = length(var.writer_role_arns) == 0 ? [] : [var.writer_role_arns]
    content {
      sid       = "WritersOfOtherAccounts"
      actions   = ["s3:PutObject"]
      resources = ["${aws_s3_bucket.this.arn}/${var.bucket_prefix}/*"]

      principals {
        type        = "AWS"
        identifiers = statement.value
      }
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.bucket.json

  depends_on = [aws_s3_bucket_public_access_block.this]
}
