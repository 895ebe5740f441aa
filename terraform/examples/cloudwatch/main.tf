# To a log group of CloudWatch Logs, on a schedule. Values go into terraform.tfvars; terraform.tfvars.example has some.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.62.0, < 7.0.0"
    }
  }
}

provider "aws" {
  region = var.aws_region
}

module "kong_cloudtrail" {
  source = "../.."

  run_mode            = "scheduled"
  schedule_expression = "rate(1 hour)"
  resource_name       = var.resource_name
  resource_tags       = var.resource_tags
  existing_vpc        = var.existing_vpc
  existing_subnet_ids = var.existing_subnet_ids
  security_group      = var.security_group
  image               = var.image
  destination         = "cloudwatch"
  log_group_arn       = var.log_group_arn

  kong_admin_api              = var.kong_admin_api
  kong_admin_token_secret_arn = var.kong_admin_token_secret_arn
  kong_root_ca                = var.kong_root_ca_file == null ? null : file(var.kong_root_ca_file)
  alarm_topic_arn             = var.alarm_topic_arn
}
