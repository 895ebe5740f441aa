# Stands in for ../../redis-password in the tests: terraform test cannot pretend ephemeral resources.
# `cargo xtask test` puts it in that place in a copy.

variable "name" {
  description = "Name of the secret."
  type        = string
}

variable "change_version" {
  description = "When it is raised, the password is made anew."
  type        = number
}

variable "kms_key_arn" {
  description = "Key for the secret; AWS's own when null."
  type        = string
}

variable "tags" {
  description = "Tags of the secret."
  type        = map(string)
}

variable "pretended" {
  description = "Only an ephemeral value may leave by an ephemeral output."
  type        = string
  default     = "pretended"
  ephemeral   = true
}

output "secret_arn" {
  description = "The secret."
  value       = "arn:aws:secretsmanager:us-east-1:123456789012:secret:${var.name}"
}

output "password" {
  description = "The password, for a write-only argument."
  value       = var.pretended
  ephemeral   = true
}
