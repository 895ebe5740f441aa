# Stands in for ../../made-secret in the tests: terraform test cannot pretend ephemeral resources.
# `cargo xtask test` puts it in that place in a copy.

variable "name" {
  description = "Name of the secret."
  type        = string
}

variable "purpose" {
  description = "What it is, for the secret's description."
  type        = string
}

variable "change_version" {
  description = "When it is raised, the text is made anew."
  type        = number
}

variable "recovery_days" {
  description = "How long the secret can be had back after it is destroyed."
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

output "text" {
  description = "The text, for a write-only argument."
  value       = var.pretended
  ephemeral   = true
}
