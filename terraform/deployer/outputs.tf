output "policies" {
  description = "The policies as JSON, for `aws iam create-policy --policy-document`: `network` for security groups, endpoints and ElastiCache, `tasks` for all else. The deployer needs both."
  value       = local.policies

  precondition {
    condition     = alltrue([for policy in values(local.policies) : length(policy) <= 6144])
    error_message = "IAM takes no policy of more than 6144 characters: name fewer parts."
  }
}
