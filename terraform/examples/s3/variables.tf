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
  description = "Subnets in at least two availability zones, with a way to AWS's services."
  type        = list(string)
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

variable "bucket_arn" {
  description = "The bucket that events go to, from terraform/s3."
  type        = string
}

variable "bucket_prefix" {
  description = "What the names of objects begin with, as in terraform/s3."
  type        = string
  default     = "kong-audit"
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
