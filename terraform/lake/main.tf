# For accounts that use CloudTrail Lake already: an event data store and a channel that leads to it.
# It has a state of its own, so that what holds the audit trail is not destroyed with what fills it.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.62.0, < 7.0.0"
    }
    # The aws provider has no channel.
    awscc = {
      source  = "hashicorp/awscc"
      version = ">= 1.0.0, < 2.0.0"
    }
  }
}

variable "resource_name" {
  description = "Names the event data store and the channel: 3 to 128 letters, digits and any of `. _ -`."
  type        = string
  default     = "kong-cloudtrail"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9._-]{3,128}$", var.resource_name))
    error_message = "resource_name is 3 to 128 letters, digits and any of . _ -"
  }
}

variable "resource_tags" {
  description = "Tags of both."
  type        = map(string)
  default     = { project = "kong-cloudtrail" }
  nullable    = false
}

variable "retention_days" {
  description = "How long events are kept, from when they came in: 7 to 3653 days."
  type        = number
  default     = 2557
  nullable    = false

  validation {
    condition     = var.retention_days >= 7 && var.retention_days <= 3653
    error_message = "retention_days is 7 to 3653."
  }
}

variable "kms_key_arn" {
  description = "Key for the event data store; AWS's own when null. It cannot be changed later."
  type        = string
  default     = null
}

variable "alarm_topic_arn" {
  description = "SNS topic that is told of calls that change what holds the trail. Needed, unless `alarms_tell_nobody` says otherwise."
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

module "watch" {
  source = "../watch"

  resource_name      = var.resource_name
  resource_tags      = var.resource_tags
  alarm_topic_arn    = var.alarm_topic_arn
  alarms_tell_nobody = var.alarms_tell_nobody
  kms_key_arn        = var.kms_key_arn
}

resource "aws_cloudtrail_event_data_store" "this" {
  name             = var.resource_name
  billing_mode     = "EXTENDABLE_RETENTION_PRICING"
  retention_period = var.retention_days
  kms_key_id       = var.kms_key_arn
  tags             = var.resource_tags

  # Events come from one account and region, through the channel.
  multi_region_enabled           = false
  organization_enabled           = false
  termination_protection_enabled = true

  advanced_event_selector {
    name = "Events from integrations"
    field_selector {
      field  = "eventCategory"
      equals = ["ActivityAuditLog"]
    }
  }
}

resource "awscc_cloudtrail_channel" "this" {
  name   = var.resource_name
  source = "Custom"
  destinations = [{
    type     = "EVENT_DATA_STORE"
    location = aws_cloudtrail_event_data_store.this.arn
  }]
  tags = [for key, value in var.resource_tags : { key = key, value = value }]
}

output "channel_arn" {
  description = "For `channel_arn` of the module above."
  value       = awscc_cloudtrail_channel.this.channel_arn
}

output "event_data_store_id" {
  description = "For `<event_data_store_id>` in queries."
  value       = element(split("/", aws_cloudtrail_event_data_store.this.arn), 1)
}
