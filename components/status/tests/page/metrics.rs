//! The metrics, and who goes by their names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{SCENES, get};

fn metrics(scene: &str) -> String {
    get("/metrics", scene).body
}

/// The value of each sample.
fn samples(scene: &str) -> BTreeMap<String, f64> {
    let text = metrics(scene);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.strip_prefix("kong_cloudtrail_").unwrap().to_owned(), value.parse().unwrap())
    };
    samples.map(sample).collect()
}

/// The names of samples in any state, without labels.
fn names() -> BTreeSet<String> {
    let samples = SCENES.iter().flat_map(|(scene, _)| samples(scene));
    samples
        .map(|(name, _)| format!("kong_cloudtrail_{}", name.split('{').next().unwrap()))
        .collect()
}

fn text(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(name)).unwrap()
}

/// All names of that kind that stand in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("kong_cloudtrail_")).map(str::to_owned).collect()
}

#[test]
fn they_say_how_things_stand() {
    let now = super::scenes::NOW;
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let ago = |secs: i64| (now - secs) as f64;
    for (scene, sample, value) in [
        ("healthy", "healthy", 1.0),
        ("healthy", "value_readable{value=\"reports\"}", 1.0),
        ("healthy", "last_run_timestamp_seconds", ago(143)),
        ("healthy", "last_progress_timestamp_seconds", ago(143)),
        ("healthy", "last_run_outcome{outcome=\"ok\"}", 1.0),
        ("healthy", "last_run_outcome{outcome=\"failed\"}", 0.0),
        ("healthy", "lag_seconds{stream=\"objects\"}", 144.0),
        ("healthy", "watermark_timestamp_seconds{stream=\"requests\"}", ago(144)),
        ("healthy", "ledger_generation", 48_212.0),
        ("healthy", "dead_letters", 0.0),
        ("healthy", "runs_total{outcome=\"ok\"}", 338.0),
        ("healthy", "runs_total{outcome=\"partial\"}", 0.0),
        ("failing", "healthy", 0.0),
        ("failing", "last_run_outcome{outcome=\"failed\"}", 1.0),
        ("failing", "runs_total{outcome=\"failed\"}", 3.0),
        ("failing", "last_run_timestamp_seconds", ago(143)),
        ("failing", "last_progress_timestamp_seconds", ago(1043)),
        ("failing", "last_run_duration_seconds", 30.555),
        ("dead-letters", "dead_letters", 2.0),
        ("dead-letters", "attention_timestamp_seconds{word=\"notes-changed\"}", ago(1043)),
        ("forged", "healthy", 0.0),
        ("forged", "value_readable{value=\"reports\"}", 0.0),
        ("forged", "value_readable{value=\"head\"}", 1.0),
        ("empty", "healthy", 0.0),
        (
            "hostile",
            "last_run_entries{stream=\"requests\",what=\"pending\"}",
            9.223_372_036_854_776e18,
        ),
    ] {
        assert_eq!(samples(scene).get(sample), Some(&value), "{scene}: {sample}");
    }
}

#[test]
fn what_is_not_known_is_left_out() {
    for (scene, names) in [
        (
            "empty",
            ["last_run_timestamp_seconds", "last_progress_timestamp_seconds", "ledger_generation"],
        ),
        (
            "forged",
            [
                "last_run_timestamp_seconds",
                "runs_total{outcome=\"ok\"}",
                "last_run_outcome{outcome=\"ok\"}",
            ],
        ),
    ] {
        let samples = samples(scene);
        for name in names {
            assert!(!samples.contains_key(name), "{scene}: {name}");
        }
    }
}

#[test]
fn the_text_has_the_form_of_openmetrics() {
    for (scene, _) in SCENES {
        let text = metrics(scene);
        assert!(text.ends_with("# EOF\n"), "{scene}");
        assert_eq!(text.matches("# EOF").count(), 1, "{scene}");
        for unit in text.lines().filter_map(|line| line.strip_prefix("# UNIT ")) {
            let (name, unit) = unit.split_once(' ').unwrap();
            assert!(name.ends_with(&format!("_{unit}")), "{scene}: {name}");
        }
    }
    let content_type = get("/metrics", "healthy").content_type;
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"));
}

#[test]
fn the_page_of_documentation_tells_each_of_them_and_no_other() {
    let page = text("docs/status.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `kong_cloudtrail_"));
    let told: BTreeSet<_> = rows
        .map(|row| format!("kong_cloudtrail_{}", row.split(['`', '{']).next().unwrap()))
        .collect();
    assert_eq!(told, names());
}

#[test]
fn the_rules_for_prometheus_go_by_names_that_are_there() {
    let rules = text("deploy/prometheus/kong-cloudtrail.rules.yaml");
    let used = named(&rules);
    assert!(used.len() > 5, "{used:?}");
    let known = names();
    let unknown: Vec<_> = used.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
