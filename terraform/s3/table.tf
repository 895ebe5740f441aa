# A table for Athena, whose partitions follow from the names of objects: none has to be added
# (https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html).

locals {
  location = "s3://${aws_s3_bucket.this.bucket}/${var.bucket_prefix}/${var.ledger}"
}

resource "aws_glue_catalog_database" "this" {
  name        = var.database
  description = "The audit trail of Kong Gateway, from kong-cloudtrail."
  tags        = var.resource_tags
}

resource "aws_glue_catalog_table" "this" {
  name          = "events"
  database_name = aws_glue_catalog_database.this.name
  description   = "One event a line. docs/queries/athena has the queries."
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                        = "TRUE"
    "projection.enabled"            = "true"
    "projection.stream.type"        = "enum"
    "projection.stream.values"      = "requests,objects"
    "projection.date.type"          = "date"
    "projection.date.format"        = "yyyy-MM-dd"
    "projection.date.range"         = "2015-01-01,NOW+2DAYS"
    "projection.date.interval"      = "1"
    "projection.date.interval.unit" = "DAYS"
    "storage.location.template"     = "${local.location}/stream=$${stream}/date=$${date}/"
  }

  partition_keys {
    name = "stream"
    type = "string"
  }

  # The UTC day of eventTime.
  partition_keys {
    name = "date"
    type = "string"
  }

  storage_descriptor {
    location      = "${local.location}/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"

    # A line as it is. No SerDe for JSON changes the case of a name, the digits of a number or the order of members, and none fails
    # for a line that is no JSON.
    columns {
      name = "line"
      type = "string"
    }

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
      parameters            = { "serialization.last.column.takes.rest" = "true" }
    }
  }
}

resource "aws_athena_workgroup" "this" {
  count = var.query_results == null ? 0 : 1

  name          = var.database
  description   = "Queries of the audit trail of Kong Gateway."
  force_destroy = true
  tags          = var.resource_tags

  configuration {
    enforce_workgroup_configuration = true

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location = var.query_results

      encryption_configuration {
        encryption_option = var.kms_key_arn == null ? "SSE_S3" : "SSE_KMS"
        kms_key_arn       = var.kms_key_arn
      }
    }
  }
}
