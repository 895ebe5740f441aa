# run_mode "service": Spin's timer trigger, started again whenever it ends.

resource "aws_ecs_service" "this" {
  count = var.run_mode == "service" ? 1 : 0

  name             = var.resource_name
  cluster          = local.cluster_arn
  task_definition  = aws_ecs_task_definition.this.arn
  desired_count    = var.task_count
  launch_type      = "FARGATE"
  platform_version = "LATEST"
  propagate_tags   = "SERVICE"
  tags             = var.resource_tags

  # Old and new tasks may run side by side: the lease has one of them work at a time.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    #checkov:skip=CKV_AWS_333:A public address is the user's choice (assign_public_ip), off by default; nothing may come in
    subnets          = var.existing_subnet_ids
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = var.assign_public_ip
  }

  # A task reads its secrets when it starts.
  force_new_deployment = true
  triggers             = { redis_password = var.redis_password_version, ledger_key = var.ledger_key_version }

  depends_on = [aws_iam_role_policy.task, aws_iam_role_policy.execution, aws_elasticache_user.this]
}
