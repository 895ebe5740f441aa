# terraform test, with a provider that only pretends: no account is needed.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { id = "my-kong-trail", arn = "arn:aws:s3:::my-kong-trail", region = "us-east-1" }
  }
}

variables {
  bucket          = "my-kong-trail"
  alarm_topic_arn = "arn:aws:sns:us-east-1:123456789012:on-call"
}

run "by_default_nobody_can_undo_what_is_written_for_seven_years" {
  assert {
    condition     = aws_s3_bucket.this.object_lock_enabled && aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "a lock needs versions"
  }

  assert {
    condition     = aws_s3_bucket_object_lock_configuration.this.rule[0].default_retention[0].mode == "COMPLIANCE" && aws_s3_bucket_object_lock_configuration.this.rule[0].default_retention[0].days == 2557
    error_message = "seven years, in compliance mode"
  }

  assert {
    condition     = alltrue([for name in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] : aws_s3_bucket_public_access_block.this[name]])
    error_message = "nothing is public"
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "whoever writes, the owner of the bucket owns it"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "without a key S3's own"
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : length(rule.expiration) == 0 && length(rule.noncurrent_version_expiration) == 0])
    error_message = "nothing expires"
  }

  assert {
    condition     = length(aws_athena_workgroup.this) == 0
    error_message = "no workgroup without a place for results"
  }
}

run "the_policy_denies_what_would_change_or_hide_an_object" {
  command = plan

  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.bucket.statement : statement.effect == "Deny"])
    error_message = "it gives no right"
  }

  assert {
    condition = alltrue([
      for action in ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:PutObjectLegalHold", "s3:BypassGovernanceRetention", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"] :
      anytrue([for statement in data.aws_iam_policy_document.bucket.statement : contains(statement.actions, action) && length(statement.condition) == 0])
    ])
    error_message = "to everybody, under no condition"
  }

  assert {
    condition = anytrue([
      for statement in data.aws_iam_policy_document.bucket.statement :
      statement.actions == toset(["s3:PutObject"]) && anytrue([for condition in statement.condition : condition.test == "Null" && condition.variable == "s3:if-none-match" && condition.values == tolist(["true"])])
    ])
    error_message = "a put without If-None-Match"
  }

  assert {
    condition = anytrue([
      for statement in data.aws_iam_policy_document.bucket.statement :
      statement.actions == toset(["s3:*"]) && anytrue([for condition in statement.condition : condition.variable == "aws:SecureTransport" && condition.values == tolist(["false"])])
    ])
    error_message = "anything without TLS"
  }
}

run "a_role_of_another_account_may_write_below_the_prefix" {
  command = plan

  variables {
    bucket_prefix    = "audit/kong"
    writer_role_arns = ["arn:aws:iam::210987654321:role/kong-cloudtrail-task"]
  }

  assert {
    condition = [
      for statement in data.aws_iam_policy_document.bucket.statement : [statement.sid, jsonencode(statement.actions)] if statement.effect != "Deny"
    ] == [["WritersOfOtherAccounts", "[\"s3:PutObject\"]"]]
    error_message = "that alone"
  }
}

run "the_table_finds_its_partitions_by_the_names_of_objects" {
  variables {
    ledger = "production"
  }

  assert {
    condition     = aws_glue_catalog_table.this.parameters["storage.location.template"] == "s3://my-kong-trail/kong-audit/production/stream=$${stream}/date=$${date}/"
    error_message = "as objects are named"
  }

  assert {
    condition     = join(",", concat(aws_glue_catalog_table.this.partition_keys[*].name, aws_glue_catalog_table.this.storage_descriptor[0].columns[*].name)) == "stream,date,line"
    error_message = "the columns"
  }

  assert {
    condition     = output.table == "kong_audit.events"
    error_message = "for queries"
  }
}

run "with_a_key_objects_and_results_are_encrypted_by_it" {
  variables {
    kms_key_arn   = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    query_results = "s3://my-athena-results/kong-audit/"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn && one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    error_message = "objects"
  }

  assert {
    condition     = aws_athena_workgroup.this[0].configuration[0].result_configuration[0].encryption_configuration[0].kms_key_arn == var.kms_key_arn && output.workgroup == "kong_audit"
    error_message = "results"
  }
}

run "calls_that_change_the_bucket_are_told" {
  assert {
    condition     = module.watch.alarm_names == ["my-kong-trail-key-changed", "my-kong-trail-trail-changed", "my-kong-trail-watch-changed"]
    error_message = "by names made of the bucket's"
  }
}

run "a_trial_may_have_a_lock_that_can_be_bypassed" {
  variables {
    lock_mode      = "GOVERNANCE"
    retention_days = 1
  }

  assert {
    condition     = aws_s3_bucket_object_lock_configuration.this.rule[0].default_retention[0].mode == "GOVERNANCE" && aws_s3_bucket_object_lock_configuration.this.rule[0].default_retention[0].days == 1
    error_message = "a day of governance"
  }
}

run "refused_bucket" {
  command = plan

  variables {
    bucket = "my.kong.trail"
  }

  expect_failures = [var.bucket]
}

run "refused_bucket_prefix" {
  command = plan

  variables {
    bucket_prefix = "kong-audit/"
  }

  expect_failures = [var.bucket_prefix]
}

run "refused_lock_mode" {
  command = plan

  variables {
    lock_mode = "NONE"
  }

  expect_failures = [var.lock_mode]
}

run "refused_retention_days" {
  command = plan

  variables {
    retention_days = 0
  }

  expect_failures = [var.retention_days]
}

run "refused_writer_role_arns" {
  command = plan

  variables {
    writer_role_arns = ["*"]
  }

  expect_failures = [var.writer_role_arns]
}

run "refused_database" {
  command = plan

  variables {
    database = "kong-audit"
  }

  expect_failures = [var.database]
}

run "refused_query_results_in_the_bucket_itself" {
  command = plan

  variables {
    query_results = "s3://my-kong-trail/results/"
  }

  expect_failures = [var.query_results]
}
