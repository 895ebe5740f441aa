# A secret text that goes from AWS to Secrets Manager, and on to Redis where it is a password, and into no plan and no
# state. A module of its own, since terraform test cannot pretend ephemeral resources.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.62.0, < 7.0.0"
    }
  }
}

variable "name" {
  description = "Name of the secret."
  type        = string
}

variable "purpose" {
  description = "What it is, for the secret's description."
  type        = string
}

variable "change_version" {
  description = "When it is raised, the text is made anew; the one before stays in the secret as `AWSPREVIOUS`."
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

ephemeral "aws_secretsmanager_random_password" "this" {
  password_length = 64
  # Letters and digits need no quoting anywhere.
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:Changed by its version, since Redis and the tasks must take part; a rotation Lambda would change one alone
  #checkov:skip=CKV_AWS_149:The key is the user's choice (kms_key_arn); without one AWS's own encrypts it
  name        = var.name
  description = "kong-cloudtrail: ${var.purpose}"
  kms_key_id  = var.kms_key_arn

  recovery_window_in_days = var.recovery_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.this.random_password
  secret_string_wo_version = var.change_version
}

# Read back, so that Redis gets the stored one also where an apply was interrupted between the two.
ephemeral "aws_secretsmanager_secret_version" "this" {
  secret_id = aws_secretsmanager_secret_version.this.secret_id
}

output "secret_arn" {
  description = "The secret."
  value       = aws_secretsmanager_secret.this.arn
}

output "text" {
  description = "The text, for a write-only argument."
  value       = ephemeral.aws_secretsmanager_secret_version.this.secret_string
  ephemeral   = true
}
