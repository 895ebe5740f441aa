variable "resource_name" {
  description = "The same as the module's: what is deployed has names that begin with it."
  type        = string
  default     = "kong-cloudtrail"
  nullable    = false
}

variable "existing_vpc" {
  description = "The same as the module's: security groups are made and changed in this VPC alone."
  type        = string
  nullable    = false
}

variable "role_path" {
  description = "The same as the module's."
  type        = string
  default     = "/"
  nullable    = false
}

variable "log_group_name" {
  description = "The same as the module's."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "The same as the module's."
  type        = string
  default     = null
}

variable "permissions_boundary_arn" {
  description = "The same as the module's. With it the deployer makes roles under this boundary alone. Without it the deployer can give a role, and so itself, any right."
  type        = string
  default     = null
}

variable "parts" {
  description = "What of the module is deployed: `cluster` and `redis` where they are made, `service` or `schedule` by `run_mode`, `service` also for the status page, `endpoints` for VPC endpoints."
  type        = set(string)
  default     = ["cluster", "endpoints", "redis", "schedule", "service"]
  nullable    = false

  validation {
    condition     = length(setsubtract(var.parts, ["cluster", "endpoints", "redis", "schedule", "service"])) == 0
    error_message = "parts knows cluster, endpoints, redis, schedule and service."
  }
}
