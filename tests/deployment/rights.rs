//! What a task may do, and what it may reach.

use std::collections::{BTreeMap, BTreeSet};

use hcl::{Body, Expression};

use crate::files::{Module, argument, members, path, plain, text, written};

fn statements(policy: &Body) -> Vec<&Body> {
    policy
        .blocks()
        .filter(|block| block.identifier() == "statement")
        .map(hcl::Block::body)
        .collect()
}

#[test]
fn the_component_may_send_to_its_destination_and_nothing_else() {
    let module = Module::read("terraform");
    let expected = BTreeMap::from([
        ("cloudtrail", [r#"["cloudtrail-data:PutAuditEvents"]"#, "[var.channel_arn]"]),
        (
            "cloudwatch",
            [
                r#"["logs:PutLogEvents"]"#,
                r#"["${local.log_group_arn}:log-stream:${var.log_stream}"]"#,
            ],
        ),
        (
            "s3",
            [
                r#"["s3:PutObject"]"#,
                r#"["${coalesce(var.bucket_arn, "none")}/${var.bucket_prefix}/*"]"#,
            ],
        ),
    ]);
    let rights = members(module.local("rights"));
    let right = |right: &Expression| {
        let right = members(right);
        ["actions", "resources"].map(|name| plain(right[name]))
    };
    assert_eq!(rights.len(), expected.len());
    for (destination, expected) in expected {
        assert_eq!(right(rights[destination]), expected, "{destination}");
    }
    let statements = statements(module.data("aws_iam_policy_document", "task"));
    let [statement] = statements[..] else { panic!("one statement") };
    for name in ["actions", "resources"] {
        let given = argument(statement, name).unwrap();
        assert_eq!(given, format!("local.rights[var.destination].{name}"));
    }
    assert_eq!(argument(statement, "effect"), None, "allow is the default");

    let policies = module.resources("aws_iam_role_policy");
    let of_task =
        |policy: &&Body| argument(policy, "role").unwrap().starts_with("aws_iam_role.task.");
    assert_eq!(policies.values().copied().filter(of_task).count(), 1);
    assert!(module.resources("aws_iam_role_policy_attachment").is_empty());
    for (name, role) in module.resources("aws_iam_role") {
        for open in ["managed_policy_arns", "inline_policy"] {
            assert_eq!(argument(role, open), None, "{name}");
        }
    }
}

#[test]
fn no_action_is_a_wildcard_and_only_the_registry_login_has_no_resource() {
    let module = Module::read("terraform");
    let text = module.files["iam.tf"].clone() + &module.files["schedule.tf"];
    let actions = text.lines().filter_map(|line| line.trim().strip_prefix("actions"));
    assert!(actions.clone().count() > 5);
    for line in actions {
        assert!(!line.contains('*'), "{line}");
    }
    assert_eq!(text.matches("resources = [\"*\"]").count(), 1);
}

/// What a role may be assumed for is said by account and by source.
#[test]
fn every_role_is_trusted_to_this_accounts_own_tasks_and_schedules_alone() {
    let module = Module::read("terraform");
    for (name, source) in [("assume_task", "ArnLike"), ("assume_schedule", "ArnEquals")] {
        let statements = statements(module.data("aws_iam_policy_document", name));
        let [statement] = statements[..] else { panic!("one statement") };
        let conditions = statement.blocks().filter(|block| block.identifier() == "condition");
        let conditions: BTreeSet<_> = conditions
            .map(|condition| {
                ["test", "variable"].map(|name| argument(condition.body(), name).unwrap())
            })
            .collect();
        let pair = |test: &str, variable: &str| [test.to_owned(), variable.to_owned()];
        let expected = BTreeSet::from([
            pair("StringEquals", "aws:SourceAccount"),
            pair(source, "aws:SourceArn"),
        ]);
        assert_eq!(conditions, expected, "{name}");
    }
}

#[test]
fn every_endpoint_has_a_policy() {
    for (name, endpoint) in Module::read("terraform").resources("aws_vpc_endpoint") {
        assert!(argument(endpoint, "policy").is_some(), "{name}");
    }
}

#[test]
fn tasks_may_reach_kong_redis_and_https_and_nothing_comes_in_but_to_the_status_page() {
    let module = Module::read("terraform");
    let rules = module.resources("aws_vpc_security_group_egress_rule");
    let ports: BTreeMap<&str, [Option<String>; 3]> = rules
        .iter()
        .map(|(name, rule)| {
            let group = if name.starts_with("status_") { "status[0]" } else { "task" };
            let group = format!("aws_security_group.{group}.id");
            assert_eq!(argument(rule, "security_group_id"), Some(group), "{name}");
            (*name, ["ip_protocol", "from_port", "to_port"].map(|name| argument(rule, name)))
        })
        .collect();
    let tcp = |port: &str| ["tcp", port, port].map(|text| Some(text.to_owned()));
    let expected = BTreeMap::from([
        ("kong", tcp("local.kong_port")),
        ("kong_group", tcp("local.kong_port")),
        ("redis", tcp("local.redis_port")),
        ("redis_blocks", tcp("local.redis_port")),
        ("https", tcp("443")),
        ("status_redis", tcp("local.redis_port")),
        ("status_redis_blocks", tcp("local.redis_port")),
        ("status_https", tcp("443")),
    ]);
    assert_eq!(ports, expected);

    for (name, rule) in module.resources("aws_vpc_security_group_ingress_rule") {
        let into = argument(rule, "security_group_id").unwrap();
        assert!(!into.contains("aws_security_group.task"), "{name}");
        let from = argument(rule, "referenced_security_group_id");
        if name == "endpoints_neighbours" {
            assert_eq!(
                argument(rule, "cidr_ipv4").as_deref(),
                Some("data.aws_vpc.existing.cidr_block")
            );
            continue;
        }
        let expected = match name {
            "status" => "var.status_security_group_id",
            "redis_from_status" => "aws_security_group.status[0].id",
            _ => "aws_security_group.task.id",
        };
        assert_eq!(from.as_deref(), Some(expected), "{name}");
    }
    for (name, group) in module.resources("aws_security_group") {
        assert_eq!(group.blocks().count(), 0, "{name} has rules of its own");
    }
}

#[test]
fn redis_is_encrypted_locked_kept_in_two_zones_and_forgets_nothing() {
    let module = Module::read("terraform");
    let redis = module.resources("aws_elasticache_replication_group")["redis"];
    for name in [
        "at_rest_encryption_enabled",
        "transit_encryption_enabled",
        "multi_az_enabled",
        "automatic_failover_enabled",
    ] {
        assert_eq!(argument(redis, name).as_deref(), Some("true"), "{name}");
    }
    assert_eq!(argument(redis, "num_cache_clusters").as_deref(), Some("2"));
    assert_eq!(argument(redis, "auth_token"), None, "one password for every command");
    assert!(argument(redis, "user_group_ids").is_some());
    for (name, user) in module.resources("aws_elasticache_user") {
        assert_eq!(argument(user, "passwords"), None, "it would be in the state");
        let locked =
            argument(user, "access_string").is_some_and(|access| access.starts_with("off "));
        assert!(locked || argument(user, "passwords_wo").is_some(), "{name}");
    }
    let parameters = module.resources("aws_elasticache_parameter_group")["redis"];
    let parameter = parameters.blocks().next().unwrap().body();
    let pair = ["name", "value"].map(|name| argument(parameter, name).unwrap());
    assert_eq!(pair, ["maxmemory-policy", "noeviction"]);
}

/// The commands that a rule of access allows.
fn allowed(access: &str) -> BTreeSet<&str> {
    let words = access.split([' ', '`', '"']).filter(|word| word.starts_with('+'));
    words.collect()
}

/// `tests/tls` ships and records everything as a user of a real Redis who has them and no others.
#[test]
fn the_user_of_redis_has_the_commands_that_were_tried() {
    let terraform = Module::read("terraform").text();
    let given = |user: &str| -> String {
        let (_, access) = terraform.split_once(&format!("{user} = \"on ~")).unwrap();
        access.split_once('"').unwrap().0.to_owned()
    };
    let shipper = given("shipper");
    assert!(shipper.contains("-@all"));
    let tried = text("tests/tls/redis.rs");
    let (_, tried) = tried.split_once("const USER: &str").unwrap();
    let tried = tried.split_once(';').unwrap().0.replace('\\', " ");
    assert_eq!(allowed(&shipper), allowed(&tried));
    let status = given("status");
    assert_eq!(allowed(&status), BTreeSet::from(["+get", "+ping"]));

    // Wherever the documents have such a list, it is one of these.
    let mut lists = 0;
    for entry in std::fs::read_dir(path("docs")).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(page) = std::fs::read_to_string(&entry) else { continue };
        for list in page.split(['`', '\n', '|', ',', ';']).filter(|part| part.contains("+get")) {
            let told = allowed(list);
            assert!(
                told == allowed(&shipper) || told == allowed(&status),
                "{}: {list}",
                entry.display()
            );
            lists += 1;
        }
    }
    assert!(lists >= 5, "{lists}");
}

/// Data sources that the provider answers itself, or that need no right.
const FREE: [&str; 4] =
    ["aws_caller_identity", "aws_iam_policy_document", "aws_partition", "aws_region"];

#[test]
fn the_deployer_has_actions_for_every_type_of_the_module_and_for_no_other() {
    let mut types = BTreeSet::new();
    for folder in ["terraform", "terraform/made-secret"] {
        let module = Module::read(folder);
        for (kind, prefix) in [("resource", ""), ("data", "data."), ("ephemeral", "ephemeral.")] {
            let named = module.blocks(kind).map(|block| block.labels()[0].as_str());
            let calls = named.filter(|name| kind != "data" || !FREE.contains(name));
            types.extend(calls.map(|name| format!("{prefix}{name}")));
        }
    }
    let deployer = Module::read("terraform/deployer");
    let rights = members(deployer.local("rights"));
    // What is no type is told in words.
    let given = rights.keys().filter(|name| !name.contains(' ')).cloned().collect();
    assert_eq!(types, given);
    for (name, right) in rights {
        assert!(written(right).contains("actions = "), "{name} has no action");
    }
}

#[test]
fn passwords_are_ephemeral_all_the_way() {
    let module = Module::read("terraform/made-secret");
    let output = module.blocks("output").find(|output| output.labels()[0].as_str() == "text");
    assert_eq!(argument(output.unwrap().body(), "ephemeral").as_deref(), Some("true"));
    let written = module.resources("aws_secretsmanager_secret_version")["this"];
    assert_eq!(argument(written, "secret_string"), None, "it would be in the state");
    assert!(argument(written, "secret_string_wo").unwrap().starts_with("ephemeral."));
    let kinds: BTreeSet<String> = Module::read("terraform")
        .blocks("data")
        .map(|block| block.labels()[0].as_str().to_owned())
        .collect();
    assert!(!kinds.contains("aws_secretsmanager_secret_version"), "it would be in the state");
}

#[test]
fn a_task_has_one_writable_place_and_no_privileges() {
    let module = Module::read("terraform");
    let task = module.resources("aws_ecs_task_definition")["this"];
    let containers = task.attributes().find(|argument| argument.key() == "container_definitions");
    let Expression::FuncCall(encoded) = containers.unwrap().expr() else { panic!("jsonencode") };
    let Expression::Array(containers) = &encoded.args[0] else { panic!("a list") };
    let [container] = &containers[..] else { panic!("one container") };
    let container = members(container);
    assert_eq!(plain(container["readonlyRootFilesystem"]), "true");
    assert_eq!(plain(container["privileged"]), "false");
    assert!(plain(container["linuxParameters"]).contains(r#"drop = ["ALL"]"#));
    let Expression::Array(mounts) = container["mountPoints"] else { panic!("a list") };
    assert_eq!(mounts.len(), 1);
    assert_eq!(task.blocks().filter(|block| block.identifier() == "volume").count(), 1);
}

#[test]
fn the_audit_trails_log_group_is_protected_and_its_policy_only_denies() {
    let module = Module::read("terraform/cloudwatch");
    let group = module.resources("aws_cloudwatch_log_group")["this"];
    assert_eq!(
        argument(group, "deletion_protection_enabled").as_deref(),
        Some("var.deletion_protection")
    );
    let tags = argument(group, "tags").unwrap();
    assert!(["cw:datasource:name", "cw:datasource:type"].iter().all(|tag| tags.contains(tag)));

    let policy = module.data("aws_iam_policy_document", "protection");
    let statement = policy.blocks().next().unwrap().body();
    let content = statement.blocks().find(|block| block.identifier() == "content").unwrap().body();
    assert_eq!(argument(content, "effect").as_deref(), Some("Deny"));
    let denied = written(module.local("denied"));
    for action in [
        "logs:DeleteLogGroup",
        "logs:DeleteLogStream",
        "logs:PutLogGroupDeletionProtection",
        "logs:PutRetentionPolicy",
        "logs:PutAccountPolicy",
    ] {
        assert!(denied.contains(&format!("\"{action}\"")), "{action}");
    }
    // What kong-cloudtrail itself does is denied to nobody.
    assert!(!denied.contains("PutLogEvents") && !denied.contains("logs:*"));
}

#[test]
fn the_log_group_takes_no_retention_shorter_than_what_is_sent_to_it() {
    let module = Module::read("terraform/cloudwatch");
    let retention =
        module.blocks("variable").find(|block| block.labels()[0].as_str() == "retention_days");
    let validation = retention.unwrap().body().blocks().next().unwrap().body();
    let condition = argument(validation, "condition").unwrap();
    let (_, list) = condition.split_once('[').unwrap();
    let (list, _) = list.split_once(']').unwrap();
    let days: Vec<u32> = list.split(',').map(|days| days.trim().parse().unwrap()).collect();
    assert!(days.contains(&0) && days.contains(&14), "{days:?}");
    assert!(days.iter().all(|days| *days == 0 || *days >= 14), "{days:?}");
}

/// What `terraform test` cannot see: that the policy is the bucket's, and that each part names the bucket itself.
#[test]
fn the_buckets_policy_only_denies_and_object_lock_is_on() {
    let module = Module::read("terraform/s3");
    let bucket = module.resources("aws_s3_bucket")["this"];
    assert_eq!(argument(bucket, "object_lock_enabled").as_deref(), Some("true"));
    assert_eq!(argument(bucket, "force_destroy"), None);
    for part in ["versioning", "object_lock_configuration", "public_access_block", "policy"] {
        let of = argument(module.resources(&format!("aws_s3_bucket_{part}"))["this"], "bucket");
        assert_eq!(of.as_deref(), Some("aws_s3_bucket.this.id"), "{part}");
    }
    let denied = written(module.local("denied"));
    for action in [
        "s3:BypassGovernanceRetention",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutObjectRetention",
    ] {
        assert!(denied.contains(&format!("\"{action}\"")), "{action}");
    }
    assert!(denied.contains(r#"variable = "s3:if-none-match""#));
}
