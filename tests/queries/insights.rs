//! That the queries in Logs Insights QL keep to what AWS's pages say of the language. No parser of it can be had
//! here, so this proves no more than its rules: commands, functions and fields that exist, and what may follow
//! `dedup`.

use std::collections::BTreeSet;

use kong_cloudtrail::terms::Stream;
use serde_json::json;

use super::log_group::{FIELDS, SYSTEM_FIELDS, discovered};
use super::trail::TRAIL;
use super::{Place, awkward_text, derived_twice, events, request};

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html>
const COMMANDS: [&str; 6] = ["dedup", "fields", "filter", "limit", "sort", "stats"];
const FUNCTIONS: [&str; 10] = [
    "coalesce",
    "concat",
    "count",
    "count_distinct",
    "ispresent",
    "max",
    "min",
    "replace",
    "substr",
    "sum",
];
const KEYWORDS: [&str; 8] = ["and", "or", "not", "like", "as", "by", "asc", "desc"];
/// Most characters of `queryString` of `StartQuery`, and of a saved query.
const LIMIT: usize = 10_000;

fn text(name: &str) -> String {
    std::fs::read_to_string(Place::LogGroup.folder().join(format!("{name}.cwli"))).unwrap()
}

/// The commands of a query with what they are given, without comments.
fn commands(name: &str) -> Vec<(String, String)> {
    let text = text(name);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let query = lines.collect::<Vec<_>>().join(" ");
    let command = |part: &str| {
        let (command, given) = part.trim().split_once(' ').unwrap();
        (command.to_owned(), given.to_owned())
    };
    query.split('|').map(command).collect()
}

/// What is given to a command, its strings taken out, as words; a function's name keeps its parenthesis.
fn words(given: &str) -> Vec<String> {
    let given = given.replace(r#"\""#, "");
    let strings = given.split('"').collect::<Vec<_>>();
    assert!(strings.len() % 2 == 1, "a string does not end: {given}");
    let outside = strings.into_iter().step_by(2).collect::<Vec<_>>().join(" ");
    let split = |c: char| c.is_whitespace() || "),<>=*".contains(c);
    let words = outside.replace('(', "( ");
    words.split(split).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn every_query() -> Vec<String> {
    Place::LogGroup.names("cwli")
}

#[test]
fn every_command_and_function_is_one_of_the_language() {
    for name in every_query() {
        assert!(text(&name).chars().count() < LIMIT, "{name}");
        for (command, given) in commands(&name) {
            assert!(COMMANDS.contains(&command.as_str()), "{name}: {command}");
            for word in words(&given) {
                let Some(function) = word.strip_suffix('(') else { continue };
                assert!(function.is_empty() || FUNCTIONS.contains(&function), "{name}: {function}");
            }
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Dedup.html>
#[test]
fn dedup_goes_by_what_was_sorted_and_is_followed_by_limit_alone() {
    for name in every_query() {
        let commands = commands(&name);
        let names: Vec<_> = commands.iter().map(|(command, _)| command.as_str()).collect();
        let Some(at) = names.iter().position(|command| *command == "dedup") else {
            // Rows are of groups, each of which is there once.
            assert!(names.contains(&"stats"), "{name} shows repeats");
            continue;
        };
        assert!(names[at + 1..].iter().all(|command| *command == "limit"), "{name}");
        assert_eq!(names[at - 1], "sort", "{name}");
        // So the row that is kept is that of the first event that came in, as a whole.
        assert_eq!(commands[at - 1].1, "@ingestionTime asc", "{name}");
    }
}

#[test]
fn every_field_is_one_that_events_have_or_that_the_query_names_itself() {
    for name in every_query() {
        let mut known: BTreeSet<String> =
            FIELDS.iter().chain(&SYSTEM_FIELDS).map(|field| (*field).to_owned()).collect();
        for (_, given) in commands(&name) {
            let words = words(&given);
            let aliases =
                words.windows(2).filter(|pair| pair[0] == "as").map(|pair| pair[1].clone());
            known.extend(aliases);
            for word in words.iter().filter(|word| !word.ends_with('(')) {
                let number = word.parse::<u32>().is_ok();
                assert!(
                    number || KEYWORDS.contains(&word.as_str()) || known.contains(word),
                    "{name}: {word}"
                );
            }
        }
    }
}

#[test]
fn the_fields_that_queries_name_are_there_in_events() {
    let large = request("r1", json!({"payload": awkward_text(300_000)}));
    let entries = [(Stream::Requests, &TRAIL.requests), (Stream::Objects, &TRAIL.objects)];
    let trail = entries
        .into_iter()
        .flat_map(|(stream, entries)| entries.iter().flat_map(move |entry| events(stream, entry)));
    let mut met = BTreeSet::new();
    let derived = derived_twice("{}").concat();
    for event in trail.chain(events(Stream::Requests, &large)).chain(derived) {
        met.extend(discovered(&event.data).into_keys());
    }
    let missing: Vec<_> =
        FIELDS.iter().filter(|field| **field != "id" && !met.contains(**field)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn each_is_asked_for_this_source_and_a_span_of_event_times_first() {
    for name in every_query() {
        let (command, given) = commands(&name).remove(0);
        let span =
            r#"eventSource = "kong-gateway" and eventTime >= "<from>" and eventTime < "<to>""#;
        assert_eq!((command.as_str(), given.as_str()), ("filter", span), "{name}");
    }
}
