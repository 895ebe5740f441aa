//! The metric filters, on reports of the real code.
//!
//! What is evaluated is the part of CloudWatch's filter patterns for JSON that they use:
//! `{ ($.selector operator literal) && (... || ...) && ... }`, where a selector that leads nowhere, or a
//! number compared with null, is false
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>).

use std::collections::BTreeMap;

use kong_cloudtrail::report::{Outcome, Report};
use kong_cloudtrail::terms::Stream;
use serde_json::{Value, json};

use crate::files::{Module, members, plain, text};

struct Filter {
    pattern: String,
    metric: String,
    value: String,
}

fn filters() -> BTreeMap<String, Filter> {
    let module = Module::read("terraform");
    let filter = |(name, object)| {
        let members = members(object);
        let [pattern, metric, value] =
            ["pattern", "metric", "value"].map(|key| plain(members[key]));
        (name, Filter { pattern, metric, value })
    };
    let mut filters: BTreeMap<_, _> =
        members(module.local("metric_filters")).into_iter().map(filter).collect();
    // What Terraform makes of the pattern for each word of attention.
    let pattern = plain(module.local("attention_pattern"));
    for word in members(module.local("attention")).into_keys() {
        let metric = format!("attention-{word}");
        let filter = Filter {
            pattern: pattern.replace("<word>", &word),
            metric: metric.clone(),
            value: "1".to_owned(),
        };
        filters.insert(metric, filter);
    }
    filters
}

fn select<'v>(line: &'v Value, selector: &str) -> &'v Value {
    let path = selector.trim_start_matches('$').replace(['.', '['], "/").replace(']', "");
    line.pointer(&path).unwrap_or(&Value::Null)
}

fn holds(line: &Value, term: &str) -> bool {
    let words: Vec<&str> = term.split_whitespace().collect();
    let [selector, operator, literal] = words[..] else { panic!("{term}") };
    let found = select(line, selector);
    match operator {
        "=" if literal.starts_with('"') => found.as_str() == Some(literal.trim_matches('"')),
        "=" => found.as_u64().is_some_and(|number| number == literal.parse::<u64>().unwrap()),
        ">" => found.as_f64().is_some_and(|number| number > literal.parse().unwrap()),
        ">=" => found.as_f64().is_some_and(|number| number >= literal.parse().unwrap()),
        _ => panic!("{operator}"),
    }
}

impl Filter {
    fn matches(&self, line: &str) -> bool {
        let Ok(line) = serde_json::from_str(line) else { return false };
        let terms = self.pattern.strip_prefix("{ ").unwrap().strip_suffix(" }").unwrap();
        let bare = |term: &str| term.trim_start_matches('(').trim_end_matches(')').to_owned();
        let any = |terms: &str| terms.split(" || ").any(|term| holds(&line, &bare(term)));
        terms.split(" && ").all(any)
    }
}

/// What each metric gets from a line, a value for each filter that matches.
fn metrics(line: &str) -> BTreeMap<String, Vec<f64>> {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for filter in filters().into_values().filter(|filter| filter.matches(line)) {
        let line: Value = serde_json::from_str(line).unwrap();
        let value = match filter.value.strip_prefix('$') {
            Some(_) => select(&line, &filter.value).as_f64().unwrap(),
            None => filter.value.parse().unwrap(),
        };
        values.entry(filter.metric).or_default().push(value);
    }
    values
}

fn expected<const N: usize>(metrics: [(&str, &[f64]); N]) -> BTreeMap<String, Vec<f64>> {
    metrics.into_iter().map(|(name, values)| (name.to_owned(), values.to_vec())).collect()
}

#[test]
fn an_ok_run_counts_with_what_it_shipped_and_how_far_behind_it_is() {
    let mut report = Report::default();
    report.dead_letters = Some(0);
    for (stream, shipped, lag) in [(Stream::Requests, 1400, 4), (Stream::Objects, 120, 5)] {
        report.stream(stream).shipped = shipped;
        report.stream(stream).lag_secs = Some(lag);
    }
    report.generation = Some(77);
    let values = expected([
        ("OkRuns", &[1.0]),
        ("Progress", &[1.0]),
        ("Shipped", &[120.0, 1400.0]),
        ("LagSecs", &[5.0, 4.0]),
        ("DeadLetters", &[0.0]),
        ("Generation", &[77.0]),
    ]);
    assert_eq!(metrics(&report.line()), values);
}

#[test]
fn a_run_that_failed_before_anything_was_read_counts_as_failed_alone() {
    let mut report = Report::default();
    report.add(Outcome::Failed, "kong_admin_token: Kong refuses it".to_owned());
    assert_eq!(metrics(&report.line()), expected([("FailedRuns", &[1.0])]));
}

#[test]
fn refused_entries_and_dead_letters_count_whatever_the_stream() {
    for stream in Stream::ALL {
        let mut report = Report::default();
        report.dead_letters = Some(7);
        report.stream(stream).rejected = 3;
        report.outcome = Outcome::Partial;
        let values =
            expected([("Rejected", &[3.0]), ("DeadLetters", &[7.0]), ("Progress", &[0.0])]);
        assert_eq!(metrics(&report.line()), values);
    }
}

#[test]
fn a_partial_run_gets_on_if_it_shipped_anything() {
    let mut report = Report::default();
    report.outcome = Outcome::Partial;
    assert_eq!(metrics(&report.line()), expected([("Progress", &[0.0])]));
    for stream in Stream::ALL {
        let mut report = Report::default();
        report.outcome = Outcome::Partial;
        report.stream(stream).shipped = 2;
        let values = expected([("Progress", &[1.0]), ("Shipped", &[2.0])]);
        assert_eq!(metrics(&report.line()), values);
    }
}

#[test]
fn each_word_of_attention_counts_at_whatever_place_it_stands() {
    let words: Vec<String> =
        members(Module::read("terraform").local("attention")).into_keys().collect();
    let mut line: Value = serde_json::from_str(&Report::default().line()).unwrap();
    line["outcome"] = json!("skipped");
    line["attention"] = json!(words);
    let counted: Vec<String> = metrics(&line.to_string()).into_keys().collect();
    let expected: Vec<String> = words.iter().map(|word| format!("attention-{word}")).collect();
    assert_eq!(counted, expected);
    for word in &words {
        line["attention"] = json!([word]);
        let one = (format!("attention-{word}"), vec![1.0]);
        assert_eq!(metrics(&line.to_string()), BTreeMap::from([one]));
    }
}

/// An alarm goes by each word that the code may say.
#[test]
fn every_word_of_attention_has_its_alarm() {
    let code = text("src/report.rs");
    let (_, rest) = code.split_once("pub enum Attention {").unwrap();
    let variants = rest.split_once("\n}").unwrap().0.lines().map(str::trim);
    let kebab = |name: &str| {
        let small = |c: char| c.is_uppercase().then_some('-').into_iter().chain(c.to_lowercase());
        name.chars().flat_map(small).skip(1).collect::<String>()
    };
    let words: Vec<String> = variants
        .filter(|line| !line.starts_with("//") && !line.is_empty())
        .map(|line| kebab(line.trim_end_matches(',')))
        .collect();
    assert!(words.contains(&"store-lost".to_owned()), "{words:?}");
    let module = Module::read("terraform");
    let alarms = members(module.local("attention"));
    for word in words {
        assert!(alarms.contains_key(&word), "{word} has no alarm");
    }
}

#[test]
fn no_alarm_goes_by_what_stands_or_by_lines() {
    for (name, filter) in filters() {
        assert!(!filter.pattern.contains("$.notes"), "{name}");
        assert!(filter.pattern.starts_with(r#"{ ($.event = "run") && "#), "{name}");
    }
}

#[test]
fn a_skipped_run_is_neither_ok_nor_failed() {
    let mut report = Report::default();
    report.outcome = Outcome::Skipped;
    assert_eq!(metrics(&report.line()), expected([]));
}

#[test]
fn lines_that_are_no_reports_count_nothing() {
    let mut like_a_report: Value = serde_json::from_str(&Report::default().line()).unwrap();
    like_a_report["event"] = json!("log");
    for line in [
        &like_a_report.to_string(),
        r#"{"event":"log","level":"error","message":"{\"event\":\"run\",\"outcome\":\"ok\"}"}"#,
        "Storing default key-value data to Redis at ledger.example:6379.",
    ] {
        assert_eq!(metrics(line), expected([]), "{line}");
    }
}

#[test]
fn every_selector_is_a_field_of_the_report() {
    let report: Value = serde_json::from_str(&Report::default().line()).unwrap();
    for (name, filter) in filters() {
        let texts = [&filter.pattern, &filter.value];
        let words = texts.into_iter().flat_map(|text| text.split(['(', ' ', ')']));
        for selector in words.filter(|word| word.starts_with("$.")) {
            // A list is there, whatever it holds.
            let field = selector.split('[').next().unwrap();
            let pointer = field[1..].replace('.', "/");
            assert!(report.pointer(&pointer).is_some(), "{name}: {selector}");
        }
    }
}
