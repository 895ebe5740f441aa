variable "log_group_name" {
  description = "Names the log group."
  type        = string
  default     = "/kong/audit"
  nullable    = false

  validation {
    condition     = can(regex("^[-._/#A-Za-z0-9]{1,512}$", var.log_group_name)) && !startswith(var.log_group_name, "aws/")
    error_message = "log_group_name is 1 to 512 letters, digits and any of . _ - / # and does not begin with aws/."
  }
}

variable "log_stream" {
  description = "Names the stream that kong-cloudtrail writes to."
  type        = string
  default     = "kong-cloudtrail"
  nullable    = false

  validation {
    condition     = can(regex("^[^:*]{1,512}$", var.log_stream))
    error_message = "log_stream is 1 to 512 characters without : and *."
  }
}

variable "resource_tags" {
  description = "Tags of the log group, beside those of its data source."
  type        = map(string)
  default     = { project = "kong-cloudtrail" }
  nullable    = false
}

variable "retention_days" {
  description = "How long events are kept, from 14 days; 0 keeps them for ever."
  type        = number
  default     = 2557
  nullable    = false

  validation {
    condition     = contains([0, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.retention_days)
    error_message = "retention_days is 0, for ever, or a span that CloudWatch Logs knows, from 14: 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653. A log group refuses events older than its retention, and events are up to 13 days old."
  }
}

variable "kms_key_arn" {
  description = "Key for the log group; AWS's own when null. Its policy must let CloudWatch Logs use it."
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the log group. Turn it off first where the log group is to be destroyed."
  type        = bool
  default     = true
  nullable    = false
}

variable "log_group_class" {
  description = "`STANDARD`, or `INFREQUENT_ACCESS`, which is cheaper and knows neither SQL nor the fields that the queries name. It cannot be changed later."
  type        = string
  default     = "STANDARD"
  nullable    = false

  validation {
    condition     = contains(["STANDARD", "INFREQUENT_ACCESS"], var.log_group_class)
    error_message = "log_group_class is STANDARD or INFREQUENT_ACCESS."
  }
}

variable "data_source_name" {
  description = "The data source that CloudWatch shows the events under."
  type        = string
  default     = "kong"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9_]{1,64}$", var.data_source_name)) && !can(regex("^(aws|amazon)", var.data_source_name))
    error_message = "data_source_name is 1 to 64 lower-case letters, digits and _ and begins with neither aws nor amazon."
  }
}

variable "data_source_type" {
  description = "The type of that data source."
  type        = string
  default     = "audit"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9_]{1,64}$", var.data_source_type))
    error_message = "data_source_type is 1 to 64 lower-case letters, digits and _."
  }
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

variable "exempt_principal_arns" {
  description = "Who may still change the log group under the service control policy, such as the role that applies this; patterns with * are taken. Nobody when empty."
  type        = set(string)
  default     = []
  nullable    = false
}
