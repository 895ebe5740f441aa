variable "bucket" {
  description = "Names the bucket, which is for this alone."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket is 3 to 63 lower-case letters, digits and hyphens."
  }
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
  description = "How many days nobody can change or delete what is written."
  type        = number
  default     = 2557
  nullable    = false

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 36500
    error_message = "retention_days is 1 to 36500."
  }
}

variable "kms_key_arn" {
  description = "Key for the bucket; S3's own when null. Its policy must let the task's role have data keys."
  type        = string
  default     = null
}

variable "resource_tags" {
  description = "Tags of the bucket."
  type        = map(string)
  default     = { project = "kong-cloudtrail" }
  nullable    = false
}
