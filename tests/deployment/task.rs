//! What the task is given is what the image and the component take.

use std::collections::{BTreeMap, BTreeSet};

use hcl::Expression;
use kong_cloudtrail::variables::STATUS_VARIABLES;

use crate::files::{Module, component_variables, members, plain, text};

/// The names that are given as environment variables and secrets.
fn given(module: &Module) -> BTreeSet<String> {
    let text = ["task.tf", "iam.tf"].map(|file| module.files[file].as_str()).concat();
    let words = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    let prefixes = ["SPIN_VARIABLE_", "REDIS_", "KONG_"];
    let named = words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)));
    // The prefix alone is that of names which are made from component_variables.
    named.filter(|name| *name != "SPIN_VARIABLE_").map(str::to_owned).collect()
}

/// The component's variables that say where events go, by destination.
fn targets(module: &Module) -> BTreeMap<String, BTreeSet<String>> {
    let names = |target: &Expression| members(target).into_keys().collect();
    let targets = members(module.local("target")).into_iter();
    targets.map(|(destination, target)| (destination, names(target))).collect()
}

fn settable(module: &Module) -> BTreeSet<String> {
    let Expression::Array(names) = module.local("component_variables") else { panic!("a list") };
    names.iter().map(plain).collect()
}

#[test]
fn every_variable_that_a_task_is_given_is_the_components_or_the_entrypoints() {
    let component = component_variables();
    let entrypoint = text("crates/entrypoint/src/settings.rs");
    let given = given(&Module::read("terraform"));
    assert!(given.contains("SPIN_VARIABLE_KONG_ADMIN_API") && given.contains("REDIS_PASSWORD"));
    for name in given {
        match name.strip_prefix("SPIN_VARIABLE_") {
            Some(variable) => {
                let variable = variable.to_lowercase();
                let of_status = STATUS_VARIABLES.iter().any(|status| status.name == variable);
                assert!(of_status || component.contains_key(&variable), "{name}");
            }
            None => assert!(entrypoint.contains(&format!("\"{name}\"")), "{name}"),
        }
    }
}

#[test]
fn where_events_go_is_told_in_the_components_variables() {
    let component = component_variables();
    let targets = targets(&Module::read("terraform"));
    assert_eq!(targets.keys().collect::<Vec<_>>(), ["cloudtrail", "cloudwatch", "s3"]);
    for (destination, names) in targets {
        // A component without a choice of destinations knows the first alone.
        let known = destination == "cloudtrail" || component.contains_key("destination");
        assert!(!known || names.iter().all(|name| component.contains_key(name)), "{names:?}");
    }
}

#[test]
fn what_the_entrypoint_hands_on_of_aws_is_a_variable_of_the_component() {
    let component = component_variables();
    let settings = text("crates/entrypoint/src/settings.rs");
    let (_, rest) = settings.split_once("const FROM_AWS").unwrap();
    let (table, _) = rest.split_once("];").unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.trim_start().starts_with('('))
        .map(|line| line.split('"').skip(1).step_by(2).collect())
        .collect();
    assert!(rows.len() > 5);
    for row in rows {
        assert!(component.contains_key(row[1]), "{} for {}", row[1], row[0]);
    }
}

#[test]
fn a_secret_is_given_by_reference_and_never_as_text() {
    let module = Module::read("terraform");
    let component = component_variables();
    let settable = settable(&module);
    for (variable, _) in component.iter().filter(|(_, secret)| **secret) {
        assert!(!settable.contains(variable), "{variable} would stand in the task definition");
        let name = format!("SPIN_VARIABLE_{}", variable.to_uppercase());
        assert!(!module.files["task.tf"].contains(&name), "{name}");
    }
    for name in ["REDIS_PASSWORD", "KONG_CLIENT_KEY"] {
        assert!(!module.files["task.tf"].contains(name), "{name}");
    }
}

#[test]
fn each_variable_of_the_component_can_be_set_or_has_an_input_or_comes_from_the_role() {
    let module = Module::read("terraform");
    let component = component_variables();
    let settable = settable(&module);
    let mut own: BTreeSet<String> = targets(&module).into_values().flatten().collect();
    let others = [
        "allow_plaintext",
        "destination",
        "kong_admin_api",
        "kong_admin_token",
        "ledger_key",
        "ledger_key_previous",
    ];
    own.extend(others.map(str::to_owned));
    for name in &settable {
        assert!(component.contains_key(name) && !own.contains(name), "{name}");
    }
    for name in component.keys() {
        // What begins so comes from ECS and the entrypoint, as the task does.
        let from_aws = name.starts_with("aws_") || name == "task";
        assert!(settable.contains(name) || own.contains(name) || from_aws, "{name}");
    }
}

/// The arguments of a Containerfile's instruction in its last stage.
fn instruction(name: &str) -> String {
    let file = text("Containerfile");
    let stage = file.rsplit("\nFROM ").next().unwrap().replace("\\\n", " ");
    let line =
        stage.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).map(str::to_owned);
    line.unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_task_runs_the_image_as_it_is_made() {
    let task = &Module::read("terraform").files["task.tf"];
    assert!(task.contains(&format!("user                   = \"{}\"", instruction("USER"))));
    let volume: Vec<String> = serde_json::from_str(&instruction("VOLUME")).unwrap();
    assert!(task.contains(&format!("containerPath = \"{}\"", volume[0])));
    let entrypoint: Vec<String> = serde_json::from_str(&instruction("ENTRYPOINT")).unwrap();
    assert!(task.contains(&format!("[\"CMD\", \"{}\", \"healthy\"]", entrypoint[0])));
    assert!(
        instruction("HEALTHCHECK").ends_with("CMD [\"kong-cloudtrail-entrypoint\", \"healthy\"]")
    );
    let settings = text("crates/entrypoint/src/settings.rs");
    assert!(settings.contains(&format!("\"STATE_DIR\", \"{}\"", volume[0])));
    assert!(settings.contains(&format!("\"APPLICATION_DIR\", \"{}\"", instruction("WORKDIR"))));
}

#[test]
fn the_image_has_the_component_where_the_manifests_look_for_it() {
    for (manifest, component) in [("spin.toml", "kong-cloudtrail"), ("spin-status.toml", "status")]
    {
        let manifest: toml::Table = text(manifest).parse().unwrap();
        let source = manifest["component"][component]["source"].as_str().unwrap();
        let (folder, file) = source.rsplit_once('/').unwrap();
        let copied =
            format!("COPY --from=build /src/{folder}/{file} /opt/kong-cloudtrail/{folder}/");
        assert!(text("Containerfile").contains(&copied), "{component}");
    }
    for name in ["spin.toml", "spin-command.toml", "spin-status.toml"] {
        assert!(text("Containerfile").contains(&format!("/src/{name} ")), "{name}");
    }
}

#[test]
fn the_watch_over_the_reports_allows_an_interval_and_a_run() {
    let manifest: toml::Table = text("spin.toml").parse().unwrap();
    let interval = manifest["trigger"]["timer"][0]["interval_secs"].as_integer().unwrap();
    let budget = manifest["variables"]["run_budget_secs"]["default"].as_str().unwrap();
    let settings = text("crates/entrypoint/src/settings.rs");
    assert!(settings.contains(&format!("INTERVAL_SECS: u64 = {interval};")));
    assert!(settings.contains(&format!("RUN_BUDGET_SECS: u64 = {budget};")));
}

#[test]
fn alarms_look_at_metrics_that_filters_make() {
    let module = Module::read("terraform");
    let metric = |object: &Expression| plain(members(object)["metric"]);
    let made: BTreeSet<String> =
        members(module.local("metric_filters")).into_values().map(metric).collect();
    for (alarm, object) in members(module.local("alarms")) {
        assert!(made.contains(&metric(object)), "{alarm}");
    }
}

#[test]
fn operations_says_what_to_do_about_every_alarm() {
    let operations = text("docs/operations.md");
    let module = Module::read("terraform");
    let words = members(module.local("attention")).into_keys();
    let watch = Module::read("terraform/watch");
    let watched = members(watch.local("descriptions")).into_keys();
    let alarms = members(module.local("alarms")).into_keys();
    let alarms = alarms.chain(words.map(|word| format!("attention-{word}"))).chain(watched);
    for alarm in alarms.chain(["generation-fell".to_owned()]) {
        assert!(operations.contains(&format!("| `{alarm}` |")), "{alarm}");
    }
}

/// The text of a file by lines that name an image, an action or a program to be fetched.
fn named(file: &str, before: &str) -> Vec<String> {
    let text = text(file);
    let rest = text.lines().filter_map(|line| line.split_once(before)).map(|(_, rest)| rest.trim());
    rest.map(str::to_owned).collect()
}

#[test]
fn images_are_named_by_digest_and_actions_by_commit() {
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    for image in named("Containerfile", "_IMAGE=") {
        let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
        assert!(digest.is_some_and(|digest| is_hex(digest, 64)), "{image}");
    }
    for from in named("Containerfile", "FROM ") {
        assert!(from.starts_with("${"), "{from} is none of the arguments");
    }
    assert_eq!(named("deploy/kubernetes/Containerfile", "FROM "), ["scratch"]);
    let actions = named(".github/workflows/ci.yml", "uses: ");
    assert!(actions.len() > 5);
    for action in actions {
        let (_, commit) = action.split_once('@').unwrap();
        let (commit, version) = commit.split_once(" # v").unwrap_or_else(|| panic!("{action}"));
        assert!(is_hex(commit, 40) && !version.is_empty(), "{action}");
    }
}
