variable "aws_region" {
  description = "Region of the VPC."
  type        = string
}

variable "resource_name" {
  description = "Names what is created."
  type        = string
  default     = "kong-cloudtrail"
}

variable "resource_tags" {
  description = "Tags of everything that is created."
  type        = map(string)
  default     = { project = "kong-cloudtrail" }
}

variable "existing_vpc" {
  description = "Id of the VPC of Kong's control plane."
  type        = string
}

variable "existing_subnet_ids" {
  description = "Subnets with a way to AWS's services."
  type        = list(string)
}

variable "existing_cluster_arn" {
  description = "ECS cluster for the tasks."
  type        = string
}

variable "existing_redis" {
  description = "Redis or Valkey for the ledger. docs/operations.md says what its user must be allowed."
  type = object({
    address             = string
    port                = optional(number)
    tls                 = optional(bool)
    user                = optional(string)
    password_secret_arn = optional(string)
    security_group_id   = optional(string)
    cidrs               = optional(set(string))
  })
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the roles that are created."
  type        = string
}

variable "role_path" {
  description = "Path of the roles."
  type        = string
  default     = "/"
}

variable "log_group_name" {
  description = "Name of the log group of the reports."
  type        = string
  default     = null
}

variable "security_group" {
  description = "Name of the tasks' security group, which is created."
  type        = string
  default     = null
}

variable "image" {
  description = "The image that Containerfile builds, with its digest."
  type        = string
}

variable "log_group_arn" {
  description = "The log group that events go to, from terraform/cloudwatch."
  type        = string
}

variable "kong_admin_api" {
  description = "Kong's Admin API: scheme, host and port."
  type        = string
}

variable "kong_admin_token_secret_arn" {
  description = "Secret that holds the Admin API's token; null where Kong enforces no RBAC."
  type        = string
  default     = null
}

variable "kong_root_ca_file" {
  description = "File with the certificate authority of the Admin API, where it is a private one."
  type        = string
  default     = null
}

variable "alarm_topic_arn" {
  description = "SNS topic that alarms go to."
  type        = string
}
