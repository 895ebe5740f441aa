terraform {
  # Write-only arguments came with Terraform 1.11.
  required_version = ">= 1.11.0"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # auth_token_wo of aws_elasticache_replication_group keeps Redis' password out of the state.
      version = "~> 6.62"
    }
  }
}
