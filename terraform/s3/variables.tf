variable "bucket" {
  description = "Names the bucket, which is for this alone."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket is 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "bucket_prefix" {
  description = "What the names of objects begin with: `bucket_prefix` of the module above."
  type        = string
  default     = "kong-audit"
  nullable    = false

  validation {
    condition     = can(regex("^[-_.A-Za-z0-9]+(/[-_.A-Za-z0-9]+)*$", var.bucket_prefix))
    error_message = "bucket_prefix is letters, digits and any of . _ - in folders, without / at its ends."
  }
}

variable "ledger" {
  description = "The ledger whose objects the table is of: `ledger` of the component."
  type        = string
  default     = "default"
  nullable    = false
}

variable "lock_mode" {
  description = "`COMPLIANCE`, which nobody can undo, or `GOVERNANCE`, for trials."
  type        = string
  default     = "COMPLIANCE"
  nullable    = false

  validation {
    condition     = contains(["COMPLIANCE", "GOVERNANCE"], var.lock_mode)
    error_message = "lock_mode is COMPLIANCE or GOVERNANCE."
  }
}

variable "retention_days" {
  description = "How many days nobody can change or delete an object, from when it is written."
  type        = number
  default     = 2557
  nullable    = false

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 36500 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days is 1 to 36500."
  }
}

variable "kms_key_arn" {
  description = "Key for the bucket and for the results of queries; S3's own when null. Its policy must let who writes have data keys, and who queries decrypt."
  type        = string
  default     = null
}

variable "writer_role_arns" {
  description = "Roles of other accounts that may write below `bucket_prefix`, such as `task_role_arn` of the module above."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.writer_role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", arn))])
    error_message = "writer_role_arns holds ARNs of roles."
  }
}

variable "database" {
  description = "Names the database of Glue that the table `events` is in, and the workgroup of Athena."
  type        = string
  default     = "kong_audit"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9_]{1,128}$", var.database))
    error_message = "database is 1 to 128 lower-case letters, digits and _."
  }
}

variable "query_results" {
  description = "Where Athena puts the results of queries, in another bucket, as in `s3://my-athena-results/kong-audit/`. A workgroup is made for it; none when null."
  type        = string
  default     = null

  validation {
    condition     = var.query_results == null || can(regex("^s3://[a-z0-9.-]+/(.*/)?$", var.query_results)) && !startswith(coalesce(var.query_results, "s3://"), "s3://${var.bucket}/")
    error_message = "query_results is a folder of another bucket, as in s3://my-athena-results/kong-audit/: in this one results could be neither changed nor deleted."
  }
}

variable "resource_tags" {
  description = "Tags of what is created."
  type        = map(string)
  default     = { project = "kong-cloudtrail" }
  nullable    = false
}

variable "alarm_topic_arn" {
  description = "SNS topic that is told of calls that change what holds the trail: the [watch](../watch/README.md). Needed, unless `alarms_tell_nobody` says otherwise."
  type        = string
  default     = null

  validation {
    condition     = var.alarms_tell_nobody ? var.alarm_topic_arn == null : can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn is a topic's ARN, as in arn:aws:sns:us-east-1:123456789012:on-call. Where nobody is to be told, leave it out and set alarms_tell_nobody = true."
  }
}

variable "alarms_tell_nobody" {
  description = "Whether alarms go nowhere: they are made, and whoever wants to know looks."
  type        = bool
  default     = false
  nullable    = false
}
