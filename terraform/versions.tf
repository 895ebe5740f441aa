terraform {
  # Write-only arguments came with Terraform 1.11.
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # passwords_wo of aws_elasticache_user keeps Redis' passwords out of the state.
      version = ">= 6.62.0, < 7.0.0"
    }
  }
}
