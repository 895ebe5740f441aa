# For accounts that use CloudTrail Lake already: an event data store and a channel that leads to it.
# It has a state of its own, so that what holds the audit trail is not destroyed with what fills it.

terraform {
  required_version = ">= 1.11.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.62"
    }
    # The aws provider has no channel.
    awscc = {
      source  = "hashicorp/awscc"
      version = "~> 1.0"
    }
  }
}

variable "resource_name" {
  description = "Names the event data store and the channel: 3 to 128 letters, digits and any of . _ -"
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
