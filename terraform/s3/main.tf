# A bucket for the audit trail, in which nobody can change or delete what is written, and a table over it for Athena.
# It has a state of its own, so that what holds the audit trail is not destroyed with what fills it.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.62.0, < 7.0.0"
    }
  }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:Access logs are the user's choice, and go to a bucket of their own
  #checkov:skip=CKV_AWS_144:Copies in another region are the user's choice
  #checkov:skip=CKV_AWS_145:The key is the user's choice (kms_key_arn); without one S3's own encrypts it
  #checkov:skip=CKV2_AWS_62:Nobody waits for events of the bucket
  bucket              = var.bucket
  object_lock_enabled = true
  tags                = var.resource_tags
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

# In compliance mode nobody can delete what is written or shorten its retention, the root user included
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html).
resource "aws_s3_bucket_object_lock_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    default_retention {
      mode = var.lock_mode
      days = var.retention_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

# The policy refuses uploads in parts. What of them there is all the same goes; objects stay.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

module "watch" {
  source = "../watch"

  resource_name      = var.bucket
  resource_tags      = var.resource_tags
  alarm_topic_arn    = var.alarm_topic_arn
  alarms_tell_nobody = var.alarms_tell_nobody
  bucket             = var.bucket
  kms_key_arn        = var.kms_key_arn
}
