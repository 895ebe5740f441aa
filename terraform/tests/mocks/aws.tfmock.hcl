# What the pretended provider answers.

mock_data "aws_vpc" {
  defaults = { cidr_block = "10.0.0.0/16" }
}
mock_data "aws_region" {
  defaults = { id = "us-east-1" }
}
mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}
mock_data "aws_partition" {
  defaults = { partition = "aws" }
}
mock_data "aws_iam_policy_document" {
  defaults = { json = "{}" }
}
mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/kong-cloudtrail" }
}
mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/kong-cloudtrail:1" }
}
mock_resource "aws_ecs_cluster" {
  defaults = { arn = "arn:aws:ecs:us-east-1:123456789012:cluster/kong-cloudtrail" }
}
mock_resource "aws_vpc_endpoint" {
  defaults = { dns_entry = [{ dns_name = "vpce-0.example.vpce.amazonaws.com", hosted_zone_id = "Z0" }] }
}
mock_resource "aws_elasticache_replication_group" {
  defaults = { primary_endpoint_address = "master.ledger.example" }
}
