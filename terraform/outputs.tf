output "log_command" {
  description = "Shows the reports and the log of the last two hours, and follows them."
  value       = "aws logs tail ${aws_cloudwatch_log_group.this.name} --since 2h --follow --format short --region ${local.region}"
}

output "run_command" {
  description = "Makes one run now, in either mode."
  value       = "aws ecs run-task ${local.run_task_arguments} --overrides '${jsonencode({ containerOverrides = [{ name = local.container, command = ["run"] }] })}'"
}

output "check_command" {
  description = "Tries whether a run would work. The log has the line, which says what was tried and found."
  value       = "aws ecs run-task ${local.run_task_arguments} --overrides '${jsonencode({ containerOverrides = [{ name = local.container, command = ["check"] }] })}'"
}

output "verify_command" {
  description = "Compares all that Kong retains with the ledger. The log has the line with the table."
  value       = "aws ecs run-task ${local.run_task_arguments} --overrides '${jsonencode({ containerOverrides = [{ name = local.container, command = ["verify"] }] })}'"
}

output "status_command" {
  description = "Tells into the log how things stand, as a line of JSON: `outcome` is `well`, `attention` or `unknown`."
  value       = "aws ecs run-task ${local.run_task_arguments} --overrides '${jsonencode({ containerOverrides = [{ name = local.container, command = ["status"] }] })}'"
}

output "dead_letters_command" {
  description = "Lists the dead letters into the log. `show`, `replay` and `drop` go the same way."
  value       = "aws ecs run-task ${local.run_task_arguments} --overrides '${jsonencode({ containerOverrides = [{ name = local.container, command = ["dead-letters", "list"] }] })}'"
}

output "verify_query" {
  description = "The latest events of this Kong. With `cloudwatch` for CloudWatch Logs Insights. With `s3` for Athena, with the table's name in place of `<trail>` and a day such as `2026-02-01` in place of `<from>`. With `cloudtrail` for the editor of CloudTrail Lake, with the id of the channel's event data store in place of `<event_data_store_id>`, and a time in UTC such as `2026-02-01 00:00:00` in place of `<from>`."
  value       = local.verify_queries[var.destination]
}

output "security_group_id" {
  description = "The tasks' security group, for the Admin API to let in."
  value       = aws_security_group.task.id
}

output "task_role_arn" {
  description = "The role that sends audit events, for the channel's resource policy where the channel is another account's."
  value       = aws_iam_role.task.arn
}

output "cluster_arn" {
  description = "The ECS cluster."
  value       = local.cluster_arn
}

output "log_group_name" {
  description = "The log group of the reports."
  value       = aws_cloudwatch_log_group.this.name
}

output "ledger_key_secret_arn" {
  description = "The secret that holds the ledger's key, for `kong-cloudtrail` on another machine; null without a key."
  value       = var.ledger_key == "none" ? null : local.ledger_key
}

output "redis_secret_arn" {
  description = "The secret that holds the password by which the tasks log in to Redis; null where there is none."
  value       = lookup(local.redis_secrets, "shipper", null)
}

locals {
  event_source = lookup(var.component_variables, "event_source", "kong-gateway")

  verify_queries = {
    cloudtrail = <<-SQL
      SELECT eventdata.eventtime, eventdata.eventname, eventdata.useridentity.principalid, eventdata.uid
      FROM <event_data_store_id>
      WHERE eventcategory = 'ActivityAuditLog'
          AND eventdata.eventsource = '${local.event_source}'
          AND eventtime >= '<from>'
      ORDER BY eventdata.eventtime DESC
      LIMIT 20
    SQL
    s3         = <<-SQL
      SELECT
          json_extract_scalar(line, '$.eventTime') AS event_time,
          json_extract_scalar(line, '$.eventName') AS event_name,
          json_extract_scalar(line, '$.userIdentity.principalId') AS principal_id,
          json_extract_scalar(line, '$.id') AS id
      FROM <trail>
      WHERE json_extract_scalar(line, '$.eventSource') = '${local.event_source}'
          AND "date" >= '<from>'
      ORDER BY event_time DESC
      LIMIT 20
    SQL
    cloudwatch = <<-CWLI
      filter eventSource = "${local.event_source}"
      | fields eventTime, eventName, userIdentity.principalId, id
      | sort eventTime desc
      | limit 20
    CWLI
  }

  run_task_arguments = join(" ", [
    "--region ${local.region}",
    "--cluster ${local.cluster_name}",
    "--task-definition ${aws_ecs_task_definition.this.family}",
    "--launch-type FARGATE",
    "--network-configuration '${jsonencode({
      awsvpcConfiguration = {
        subnets        = var.existing_subnet_ids
        securityGroups = [aws_security_group.task.id]
        assignPublicIp = var.assign_public_ip ? "ENABLED" : "DISABLED"
      }
    })}'",
  ])
}
