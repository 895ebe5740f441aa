# Names that Kong's Lambda has too mean the same here: existing_vpc, existing_subnet_ids,
# security_group, channel_arn, image, resource_name, resource_tags. The region is the provider's.

variable "run_mode" {
  description = "`service`: tasks that run all the time and make a run every five minutes; `scheduled`: a task for each run, started by EventBridge Scheduler."
  type        = string
  default     = "service"
  nullable    = false

  validation {
    condition     = contains(["service", "scheduled"], var.run_mode)
    error_message = "run_mode is service or scheduled."
  }
}

variable "resource_name" {
  description = "Names what is created: 2 to 32 lower-case letters, digits and single hyphens, beginning with a letter, as ElastiCache wants it."
  type        = string
  default     = "kong-cloudtrail"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.resource_name)) && length(var.resource_name) <= 32
    error_message = "resource_name is 2 to 32 lower-case letters, digits and single hyphens, begins with a letter and ends with no hyphen."
  }
}

variable "resource_tags" {
  description = "Tags of everything that is created."
  type        = map(string)
  default     = { project = "kong-cloudtrail" }
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the roles that are created; none when null."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn is a policy's ARN, as in arn:aws:iam::123456789012:policy/boundary."
  }
}

variable "role_path" {
  description = "Path of the roles that are created. Their names begin with `resource_name`."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.role_path))
    error_message = "role_path begins and ends with a slash, as in /applications/."
  }
}

variable "existing_vpc" {
  description = "Id of the VPC that Kong's control plane is in or can be reached from."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-z]+$", var.existing_vpc))
    error_message = "existing_vpc is the VPC's id, as in vpc-0123456789abcdef0."
  }
}

variable "existing_subnet_ids" {
  description = "Subnets for the tasks and for a Redis that is made, which wants two availability zones, with a way to AWS's services: NAT, VPC endpoints, or an internet gateway together with `assign_public_ip`."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(distinct(var.existing_subnet_ids)) >= (var.existing_redis == null ? 2 : 1)
    error_message = "existing_subnet_ids needs two subnets, in two availability zones, since Redis has two nodes; with existing_redis one will do."
  }
}

variable "existing_cluster_arn" {
  description = "ECS cluster for the tasks, of the same region; one is made when null."
  type        = string
  default     = null

  validation {
    condition     = var.existing_cluster_arn == null || can(regex("^arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[-_A-Za-z0-9]+$", var.existing_cluster_arn))
    error_message = "existing_cluster_arn is a cluster's ARN, as in arn:aws:ecs:us-east-1:123456789012:cluster/applications."
  }
}

variable "security_group" {
  description = "Name of the tasks' security group, which is created; `resource_name` when null."
  type        = string
  default     = null
}

variable "assign_public_ip" {
  description = "Whether tasks get a public address, for subnets whose only way out is an internet gateway."
  type        = bool
  default     = false
  nullable    = false
}

variable "https_egress_cidrs" {
  description = "Where tasks may open HTTPS connections, for AWS's services: ECR, Secrets Manager, CloudWatch Logs, CloudTrail or STS. Narrow it where all of these have VPC endpoints."
  type        = set(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.https_egress_cidrs : can(cidrnetmask(cidr))])
    error_message = "https_egress_cidrs holds IPv4 blocks, as in 10.0.0.0/16."
  }
}

variable "vpc_endpoints" {
  description = "Interface endpoints to create in the VPC, by service: `secretsmanager`, `logs`, `ecr.api`, `ecr.dkr`, `cloudtrail-data`, and `sts`, which the destination `cloudwatch` needs. Which of them a region has is told by `aws ec2 describe-vpc-endpoint-services`. A ledger belongs to its endpoint: see `vpc_endpoints_private_dns` before the first run."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(setsubtract(var.vpc_endpoints, ["secretsmanager", "logs", "ecr.api", "ecr.dkr", "cloudtrail-data", "sts"])) == 0
    error_message = "vpc_endpoints knows secretsmanager, logs, ecr.api, ecr.dkr, cloudtrail-data and sts."
  }
}

variable "vpc_endpoints_private_dns" {
  description = "Whether these endpoints take the services' own names in the whole VPC. Then what else is in the VPC uses them too, and is let in. Without it they serve kong-cloudtrail alone, by names of their own: `cloudtrail-data`, or `logs` and `sts`."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = var.vpc_endpoints_private_dns || length(setsubtract(var.vpc_endpoints, lookup({ cloudwatch = ["logs", "sts"], s3 = [] }, var.destination, ["cloudtrail-data"]))) == 0
    error_message = "Without vpc_endpoints_private_dns = true the endpoints are for the destination alone: cloudtrail-data, or logs and sts; to s3 leads s3_endpoint_route_table_ids. ECS reaches its services by their own names."
  }
}

variable "s3_endpoint_route_table_ids" {
  description = "Route tables for a gateway endpoint of S3, where ECR keeps the layers of images, and where the destination `s3` is; none is created when empty. It serves buckets of the same region."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "destination" {
  description = "Where events go: `cloudtrail`, which needs `channel_arn`, `cloudwatch`, which needs `log_group_arn`, or `s3`, which needs `bucket_arn`."
  type        = string
  default     = "cloudtrail"
  nullable    = false

  validation {
    condition     = contains(["cloudtrail", "cloudwatch", "s3"], var.destination)
    error_message = "destination is cloudtrail, cloudwatch or s3."
  }
}

variable "channel_arn" {
  description = "The CloudTrail channel that events go to. It may be of another region or account."
  type        = string
  default     = null

  validation {
    condition     = var.destination != "cloudtrail" || can(regex("^arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:[0-9]{12}:channel/[0-9a-f-]{36}$", var.channel_arn))
    error_message = "channel_arn is a channel's ARN, as in arn:aws:cloudtrail:us-east-1:123456789012:channel/00000000-0000-0000-0000-000000000000."
  }
}

variable "log_group_arn" {
  description = "The log group that events go to, from `terraform/cloudwatch`. It is of this account, and may be of another region."
  type        = string
  default     = null

  validation {
    condition     = var.destination != "cloudwatch" || can(regex("^arn:aws[a-z-]*:logs:[a-z0-9-]+:[0-9]{12}:log-group:[-._/#A-Za-z0-9]{1,512}(:\\*)?$", var.log_group_arn))
    error_message = "log_group_arn is a log group's ARN, as in arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit."
  }
}

variable "log_stream" {
  description = "The stream of that log group."
  type        = string
  default     = "kong-cloudtrail"
  nullable    = false
}

variable "bucket_arn" {
  description = "The bucket that events go to, from `terraform/s3`. It may be of another region or account."
  type        = string
  default     = null

  validation {
    condition     = var.destination != "s3" || can(regex("^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_arn))
    error_message = "bucket_arn is a bucket's ARN, as in arn:aws:s3:::my-kong-trail."
  }
}

variable "bucket_region" {
  description = "The bucket's region; the provider's when null."
  type        = string
  default     = null
}

variable "bucket_account_id" {
  description = "The account that owns the bucket; this one when null. A bucket of any other takes nothing."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_account_id == null || can(regex("^[0-9]{12}$", var.bucket_account_id))
    error_message = "bucket_account_id is the 12 digits of an account."
  }
}

variable "bucket_prefix" {
  description = "What the names of objects begin with."
  type        = string
  default     = "kong-audit"
  nullable    = false

  validation {
    condition     = can(regex("^[-_.A-Za-z0-9]+(/[-_.A-Za-z0-9]+)*$", var.bucket_prefix))
    error_message = "bucket_prefix is letters, digits and any of . _ - in folders, without / at its ends."
  }
}

variable "bucket_kms_key_arn" {
  description = "The bucket's key, where it has one of yours: the task's role may have data keys of it."
  type        = string
  default     = null
}

variable "kong_admin_api" {
  description = "Kong's Admin API: scheme, host and port, no path."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https?://(\\[[0-9a-fA-F:]+\\]|[^][:/?#@ ]+)(:[0-9]{1,5})?$", var.kong_admin_api))
    error_message = "kong_admin_api is scheme, host and port, as in https://kong-admin.example.internal:8444; a path goes into component_variables as kong_admin_path."
  }
}

variable "allow_plaintext" {
  description = "Whether `kong_admin_api` may be `http://`, and `existing_redis` without TLS. Then Kong's token and the audit log, or Redis' password and the ledger, can be read on their way. Each report says so."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = var.allow_plaintext || startswith(var.kong_admin_api, "https://")
    error_message = "kong_admin_api is http://, so Kong's token and the audit log could be read on their way: give the Admin API a certificate, or set allow_plaintext = true."
  }
}

variable "kong_cidrs" {
  description = "Where the Admin API's addresses are; the VPC's own block when null."
  type        = set(string)
  default     = null

  validation {
    condition     = alltrue([for cidr in coalesce(var.kong_cidrs, []) : can(cidrnetmask(cidr))])
    error_message = "kong_cidrs holds IPv4 blocks, as in 10.0.0.0/16."
  }
}

variable "kong_security_group_id" {
  description = "Security group of the Admin API. When given, tasks may reach that group in place of `kong_cidrs`, and it gets a rule that lets them in."
  type        = string
  default     = null
}

variable "kong_admin_token_secret_arn" {
  description = "Secret in Secrets Manager whose whole text is the Admin API's token; null where Kong enforces no RBAC."
  type        = string
  default     = null

  validation {
    condition     = var.kong_admin_token_secret_arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:", var.kong_admin_token_secret_arn))
    error_message = "kong_admin_token_secret_arn is a secret's ARN. The token itself does not go into Terraform."
  }
}

variable "kong_root_ca" {
  description = "Certificate authority of the Admin API as PEM text, where it is a private one; null trusts the public authorities."
  type        = string
  default     = null

  validation {
    condition     = var.kong_root_ca == null || can(regex("-----BEGIN CERTIFICATE-----", var.kong_root_ca))
    error_message = "kong_root_ca is PEM text: file(\"kong-ca.pem\"), not the file's name."
  }
}

variable "kong_client_cert" {
  description = "Client certificate for the Admin API as PEM text; goes with `kong_client_key_secret_arn`."
  type        = string
  default     = null

  validation {
    condition     = (var.kong_client_cert == null) == (var.kong_client_key_secret_arn == null)
    error_message = "kong_client_cert and kong_client_key_secret_arn go together: set both or none."
  }
}

variable "kong_client_key_secret_arn" {
  description = "Secret in Secrets Manager whose whole text is the client certificate's private key, as PEM."
  type        = string
  default     = null
}

variable "ledger_key" {
  description = "Where the key comes from that authenticates what the ledger holds: `made`, by AWS's generator and into a secret of its own; `given`, by `ledger_key_secret_arn`; `none`, where whoever can write to Redis may have entries left out unseen."
  type        = string
  default     = "made"
  nullable    = false

  validation {
    condition     = contains(["made", "given", "none"], var.ledger_key)
    error_message = "ledger_key is made, given or none."
  }
}

variable "ledger_key_version" {
  description = "Raise it to have another key made; the tasks get both, and their first run writes the ledger with the new one."
  type        = number
  default     = 1
  nullable    = false
}

variable "ledger_key_secret_arn" {
  description = "For `given`: secret in Secrets Manager whose whole text is the key, at least 32 characters."
  type        = string
  default     = null

  validation {
    condition     = var.ledger_key == "given" ? can(regex("^arn:aws[a-z-]*:secretsmanager:", var.ledger_key_secret_arn)) : var.ledger_key_secret_arn == null
    error_message = "ledger_key_secret_arn is a secret's ARN, and goes with ledger_key = \"given\". The key itself does not go into Terraform."
  }
}

variable "ledger_key_previous_secret_arn" {
  description = "While a key is changed that was `given`, or that takes the place of another: secret whose whole text is the key before it, or the word `unkeyed` where there was none."
  type        = string
  default     = null

  validation {
    condition     = var.ledger_key_previous_secret_arn == null || (var.ledger_key != "none" && can(regex("^arn:aws[a-z-]*:secretsmanager:", var.ledger_key_previous_secret_arn)))
    error_message = "ledger_key_previous_secret_arn is a secret's ARN, and goes with a key: made or given."
  }
}

variable "component_variables" {
  description = "Further variables of the component by their names in spin.toml, as in `{ ledger = \"production\" }`."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.component_variables), local.component_variables)) == 0
    error_message = "component_variables knows ${join(", ", local.component_variables)}."
  }
}

variable "image" {
  description = "The image that Containerfile builds, with its registry and digest, as in `registry.example/kong-cloudtrail@sha256:...`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@ ]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image needs a digest, as in registry.example/kong-cloudtrail@sha256:0123...: a tag may lead to another image at the next start. docker buildx imagetools inspect tells the digest of a tag."
  }
}

variable "cpu_architecture" {
  description = "What the image was built for: `X86_64` or `ARM64`."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture is X86_64 or ARM64."
  }
}

variable "cpu" {
  description = "CPU units of a task; 1024 are one core."
  type        = number
  default     = 512
  nullable    = false
}

variable "memory" {
  description = "Memory of a task in MiB; Fargate takes certain pairs of `cpu` and `memory` only."
  type        = number
  default     = 1024
  nullable    = false
}

variable "task_count" {
  description = "Tasks in service mode. The lease has one of them work at a time; a second one takes over faster than a new task starts."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.task_count >= 1 && floor(var.task_count) == var.task_count
    error_message = "task_count is a whole number from 1 up."
  }
}

variable "schedule_expression" {
  description = "When a task starts in scheduled mode, in EventBridge Scheduler's form."
  type        = string
  default     = "rate(1 hour)"
  nullable    = false

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.schedule_expression))
    error_message = "schedule_expression is rate(...) or cron(...), as in rate(1 hour)."
  }
}

variable "existing_redis" {
  description = "Redis or Valkey for the ledger; one is made in ElastiCache when null, and the `redis_*` inputs are for that one. The passwords are the whole text of secrets in Secrets Manager. The status page reads as `status_user`, or as `user` where there is none. `security_group_id` is Redis' own, which gets a rule that lets the tasks in; without it they may reach `cidrs`, or the VPC's block. [docs/operations.md](../docs/operations.md#redis) says what the users must be allowed."
  type = object({
    address                    = string
    port                       = optional(number, 6379)
    tls                        = optional(bool, true)
    user                       = optional(string)
    password_secret_arn        = optional(string)
    status_user                = optional(string)
    status_password_secret_arn = optional(string)
    security_group_id          = optional(string)
    cidrs                      = optional(set(string))
  })
  default = null

  validation {
    condition     = var.existing_redis == null || can(regex("^[-.A-Za-z0-9]+$", var.existing_redis.address))
    error_message = "existing_redis.address is a name or an IPv4 address, as in redis.example.internal; port and user have members of their own."
  }

  validation {
    condition     = var.existing_redis == null || alltrue([for arn in try([var.existing_redis.password_secret_arn, var.existing_redis.status_password_secret_arn], []) : arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:", arn))])
    error_message = "existing_redis.password_secret_arn and status_password_secret_arn are ARNs of secrets. A password itself does not go into Terraform."
  }

  validation {
    condition     = try(var.existing_redis.tls, true) || var.allow_plaintext
    error_message = "existing_redis.tls is false, so the password and the ledger could be read on their way: give Redis a certificate, or set allow_plaintext = true."
  }

  validation {
    condition     = try((var.existing_redis.status_user == null) == (var.existing_redis.status_password_secret_arn == null), true)
    error_message = "existing_redis.status_user and status_password_secret_arn go together: set both or none."
  }

  validation {
    condition     = alltrue([for cidr in coalesce(try(var.existing_redis.cidrs, null), []) : can(cidrnetmask(cidr))])
    error_message = "existing_redis.cidrs holds IPv4 blocks, as in 10.0.0.0/16."
  }

  validation {
    condition     = var.existing_redis == null || var.redis_snapshot_name == null
    error_message = "redis_snapshot_name fills a Redis that is made, and existing_redis has none made: leave one of them out."
  }
}

variable "redis_engine" {
  description = "What ElastiCache runs: `valkey` (7.2) or `redis` (7.1). Neither was tried on AWS; the tests run with Redis 7.0."
  type        = string
  default     = "valkey"
  nullable    = false

  validation {
    condition     = contains(["valkey", "redis"], var.redis_engine)
    error_message = "redis_engine is valkey or redis."
  }
}

variable "redis_node_type" {
  description = "Type of Redis' two nodes. The ledger takes 16 to 21 bytes for each entry that Kong retains."
  type        = string
  default     = "cache.t4g.small"
  nullable    = false
}

variable "redis_snapshot_name" {
  description = "Snapshot that Redis is filled from when it is made: a former ledger's, or that of the Redis of Kong's Lambda. Later changes of it do nothing."
  type        = string
  default     = null
}

variable "redis_snapshot_days" {
  description = "How many days Redis' daily snapshots are kept."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.redis_snapshot_days >= 1 && var.redis_snapshot_days <= 35
    error_message = "redis_snapshot_days is 1 to 35."
  }
}

variable "redis_password_version" {
  description = "Raise it to have new passwords for Redis made, stored and taken up by the tasks. With `existing_redis` tasks are started that read the given ones anew."
  type        = number
  default     = 1
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key for Redis, its password, the log group and the schedule; AWS's own keys when null. Its policy must let CloudWatch Logs use it."
  type        = string
  default     = null
}

variable "secrets_kms_key_arns" {
  description = "Further keys that the given secrets are encrypted with, for tasks to be started with them."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "log_group_name" {
  description = "Name of the log group of the reports, which is created; `/ecs/` and `resource_name` when null."
  type        = string
  default     = null

  validation {
    condition     = var.log_group_name == null || can(regex("^[-._/#A-Za-z0-9]{1,512}$", var.log_group_name))
    error_message = "log_group_name is 1 to 512 letters, digits and any of . _ - / #."
  }
}

variable "log_retention_days" {
  description = "How long the reports and the log are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is a span that CloudWatch Logs knows, from 30: 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "status_target_group_arn" {
  description = "Target group of an existing load balancer for the status page, of type `ip` and protocol HTTP, its health check at `/.well-known/spin/health`; there is no page when null. The page has no login of its own: the listener is to have one."
  type        = string
  default     = null

  validation {
    condition     = var.status_target_group_arn == null || can(regex("^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/", var.status_target_group_arn))
    error_message = "status_target_group_arn is a target group's ARN, as in arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/status/0123456789abcdef."
  }
}

variable "status_security_group_id" {
  description = "Security group of that load balancer, which alone may reach the status page; goes with `status_target_group_arn`."
  type        = string
  default     = null

  validation {
    condition     = (var.status_security_group_id == null) == (var.status_target_group_arn == null)
    error_message = "status_security_group_id and status_target_group_arn go together: set both or none."
  }
}

variable "alarm_topic_arn" {
  description = "SNS topic that alarms go to. Needed, unless `alarms_tell_nobody` says otherwise."
  type        = string
  default     = null

  validation {
    condition     = var.alarms_tell_nobody ? var.alarm_topic_arn == null : can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn is a topic's ARN, as in arn:aws:sns:us-east-1:123456789012:on-call. Where nobody is to be told, leave it out and set alarms_tell_nobody = true."
  }
}

variable "alarms_tell_nobody" {
  description = "Whether alarms go nowhere: they are made, and whoever wants to know looks."
  type        = bool
  default     = false
  nullable    = false
}

variable "alarm_lag_secs" {
  description = "The `lag_secs` of a report above which an alarm goes off."
  type        = number
  default     = 3600
  nullable    = false
}

variable "alarm_ok_within_minutes" {
  description = "How long there may be no `ok` run before an alarm goes off, a multiple of 5 up to a day; when null 15 for a service, and 130 for the schedule, whose default is hourly."
  type        = number
  default     = null

  validation {
    condition     = var.alarm_ok_within_minutes == null || try(var.alarm_ok_within_minutes % 5 == 0 && var.alarm_ok_within_minutes >= 10 && var.alarm_ok_within_minutes <= 1440, false)
    error_message = "alarm_ok_within_minutes is a multiple of 5 from 10 to 1440."
  }
}
