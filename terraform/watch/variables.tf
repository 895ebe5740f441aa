variable "resource_name" {
  description = "Begins the names of what is created."
  type        = string
  nullable    = false
}

variable "resource_tags" {
  description = "Tags of what is created."
  type        = map(string)
  default     = { project = "kong-cloudtrail" }
  nullable    = false
}

variable "alarm_topic_arn" {
  description = "SNS topic that calls and alarms go to. Its policy must let `events.amazonaws.com` publish. Needed, unless `alarms_tell_nobody` says otherwise."
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

variable "log_group_name" {
  description = "The log group that is watched; CloudTrail Lake is watched when this and `bucket` are null."
  type        = string
  default     = null

  validation {
    condition     = var.log_group_name == null || can(regex("^[-._/#A-Za-z0-9]{1,512}$", var.log_group_name))
    error_message = "log_group_name is a log group's name, as in /kong/audit."
  }
}

variable "bucket" {
  description = "The bucket that is watched."
  type        = string
  default     = null

  validation {
    condition     = var.bucket == null || var.log_group_name == null
    error_message = "bucket and log_group_name are two places: watch each by a module of its own."
  }
}

variable "kms_key_arn" {
  description = "The key that the trail is encrypted with, where it is watched too."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn is a key's ARN, as in arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000."
  }
}
