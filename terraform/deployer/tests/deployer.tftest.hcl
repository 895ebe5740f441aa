# terraform test, with a provider that only pretends: no account is needed.

mock_provider "aws" {
  source = "../tests/mocks"
}

variables {
  existing_vpc = "vpc-0123456789abcdef0"
}

run "both_policies_are_short_enough_for_iam_with_the_longest_names" {
  variables {
    resource_name            = "kong-cloudtrail-of-the-longest-n"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundaries/applications-of-the-platform-team"
    kms_key_arn              = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  }

  assert {
    condition     = alltrue([for policy in values(output.policies) : length(policy) > 1500])
    error_message = "and long enough to have something in it"
  }
}

run "no_action_is_a_wildcard" {
  assert {
    condition     = alltrue([for action in flatten(flatten(values(local.statements))[*].Action) : !strcontains(action, "*")])
    error_message = "each is named"
  }

  # What AWS lets nobody narrow, and the network interfaces of ElastiCache's calls.
  assert {
    condition = flatten([for statement in flatten(values(local.statements)) : [for action in statement.Action : action if !can(regex(":(Describe|List|Get)", action))] if statement.Resource == ["*"]]) == [
      "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "route53:AssociateVPCWithHostedZone", "ecs:DeregisterTaskDefinition",
    ]
    error_message = "on everything it reads, and does little else"
  }
}

run "what_is_not_deployed_needs_no_rights" {
  variables {
    parts = ["schedule"]
  }

  assert {
    condition = alltrue([
      for word in ["elasticache:", "ecs:CreateCluster", "ecs:CreateService", "ec2:CreateVpcEndpoint"] : !strcontains(join("", values(output.policies)), "\"${word}")
    ]) && strcontains(output.policies.tasks, "\"scheduler:CreateSchedule\"")
    error_message = "of Redis, a cluster, a service and endpoints nothing is left"
  }
}

run "with_a_boundary_roles_are_made_and_changed_under_it_alone" {
  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition = alltrue([
      for action in ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"] : alltrue([
        for statement in flatten(values(local.statements)) : try(statement.Condition.StringEquals["iam:PermissionsBoundary"], null) == "arn:aws:iam::123456789012:policy/boundary" if contains(statement.Action, action)
      ])
    ])
    error_message = "by a condition"
  }

  assert {
    condition     = !strcontains(output.policies.tasks, "iam:DeleteRolePermissionsBoundary")
    error_message = "and nobody takes it off"
  }
}

run "security_groups_are_changed_in_the_vpc_alone" {
  assert {
    condition = alltrue([
      for statement in flatten(values(local.statements)) : try(statement.Condition.ArnEquals["ec2:Vpc"], null) == "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-0123456789abcdef0"
      if contains(statement.Action, "ec2:RevokeSecurityGroupIngress") || contains(statement.Action, "ec2:DeleteSecurityGroup")
    ])
    error_message = "by a condition"
  }
}

run "roles_are_passed_to_tasks_and_schedules_alone" {
  assert {
    condition = [for statement in flatten(values(local.statements)) : statement.Condition.StringEquals["iam:PassedToService"] if contains(statement.Action, "iam:PassRole")] == [
      ["ecs-tasks.amazonaws.com", "scheduler.amazonaws.com"],
    ]
    error_message = "and to nothing else"
  }
}

run "refused_parts" {
  command = plan

  variables {
    parts = ["lambda"]
  }

  expect_failures = [var.parts]
}
