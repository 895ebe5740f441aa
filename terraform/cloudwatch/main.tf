# A log group for the audit trail, and the stream that kong-cloudtrail writes to.
# It has a state of its own, so that what holds the audit trail is not destroyed with what fills it.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # deletion_protection_enabled came with 6.25; the module above needs 6.62.
      version = ">= 6.62.0, < 7.0.0"
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:The key is the user's choice (kms_key_arn); without one AWS's own encrypts it
  #checkov:skip=CKV_AWS_338:Retention is the user's choice (retention_days), seven years by default
  name                        = var.log_group_name
  log_group_class             = var.log_group_class
  retention_in_days           = var.retention_days
  kms_key_id                  = var.kms_key_arn
  deletion_protection_enabled = var.deletion_protection

  tags = merge(var.resource_tags, {
    "cw:datasource:name" = var.data_source_name
    "cw:datasource:type" = var.data_source_type
  })
}

resource "aws_cloudwatch_log_stream" "this" {
  name           = var.log_stream
  log_group_name = aws_cloudwatch_log_group.this.name
}

module "watch" {
  source = "../watch"

  resource_name      = trim(replace(var.log_group_name, "/[^-_.A-Za-z0-9]+/", "-"), "-")
  resource_tags      = var.resource_tags
  alarm_topic_arn    = var.alarm_topic_arn
  alarms_tell_nobody = var.alarms_tell_nobody
  log_group_name     = var.log_group_name
  kms_key_arn        = var.kms_key_arn
}

locals {
  queries_folder = "${path.module}/../../docs/queries/cloudwatch"
  # CloudWatch discovers the fields of messages in the Standard class alone.
  queries = var.log_group_class == "STANDARD" ? fileset(local.queries_folder, "*.cwli") : toset([])
}

# The provider saves queries in Logs Insights QL alone.
resource "aws_cloudwatch_query_definition" "this" {
  for_each = local.queries

  name            = "kong-audit/${trimsuffix(each.value, ".cwli")}"
  log_group_names = [aws_cloudwatch_log_group.this.name]
  query_string    = file("${local.queries_folder}/${each.value}")
}
