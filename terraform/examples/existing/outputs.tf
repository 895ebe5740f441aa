output "log_command" {
  description = "Shows the reports and the log of the last two hours, and follows them."
  value       = module.kong_cloudtrail.log_command
}

output "run_command" {
  description = "Makes one run now."
  value       = module.kong_cloudtrail.run_command
}

output "check_command" {
  description = "Tries whether a run would work. The log has the line."
  value       = module.kong_cloudtrail.check_command
}

output "verify_command" {
  description = "Compares all that Kong retains with the ledger. The log has the line."
  value       = module.kong_cloudtrail.verify_command
}

output "status_command" {
  description = "Tells into the log how things stand."
  value       = module.kong_cloudtrail.status_command
}

output "dead_letters_command" {
  description = "Lists the dead letters into the log."
  value       = module.kong_cloudtrail.dead_letters_command
}

output "verify_query" {
  description = "For CloudWatch Logs Insights."
  value       = module.kong_cloudtrail.verify_query
}

output "security_group_id" {
  description = "The tasks' security group, for the Admin API to let in."
  value       = module.kong_cloudtrail.security_group_id
}
