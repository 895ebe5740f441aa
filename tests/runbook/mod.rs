//! The runbook, `docs/operations.md`, has every word that somebody can be told: outcomes, notes and attention, the codes
//! of log lines, the host's own lines, rows of `check`, and the findings of `status`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kong_cloudtrail::status::{Finding, Urgency};
use kong_cloudtrail::terms::Stream;

use super::documents::{path, rows, section, text};
use super::words_of;

fn operations() -> String {
    text("docs/operations.md")
}

/// The names in the first column of the table that is headed so.
fn told(header: &str) -> BTreeSet<String> {
    let page = operations();
    let (_, rest) = page.split_once(&format!("\n| {header} | ")).unwrap();
    rows(rest.split("\n\n").next().unwrap()).into_keys().collect()
}

#[test]
fn every_outcome_and_word_of_a_report_is_in_it_and_no_other() {
    assert_eq!(told("`outcome`"), words_of("src/report.rs", "Outcome"));
    assert_eq!(told("word in `attention`"), words_of("src/report.rs", "Attention"));
    assert_eq!(told("word in `notes`"), words_of("src/report.rs", "Note"));
}

/// A line of level warn or error cannot be made without one of these: the logger takes no other.
#[test]
fn every_code_of_a_log_line_is_in_it_and_no_other() {
    let page = operations();
    let log = section(&page, "Log lines");
    let told: BTreeSet<_> = rows(log).into_keys().filter(|name| name != "code").collect();
    let component = words_of("src/log.rs", "Code");
    let entrypoint = words_of("crates/entrypoint/src/main.rs", "Code");
    assert!(component.contains("died-before") && entrypoint.contains("spin-trapped"));
    let hosts = told.iter().filter(|row| row.contains([' ', ':']));
    let hosts: BTreeSet<_> = hosts.cloned().collect();
    let all: BTreeSet<_> = component.union(&entrypoint).cloned().collect();
    assert_eq!(told.difference(&hosts).cloned().collect::<BTreeSet<_>>(), all);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// What stands between the quotes that come next, line breaks and blanks folded.
fn literal(source: &str) -> String {
    let (_, rest) = source.split_once('"').unwrap();
    let end = rest.match_indices('"').find(|(at, _)| !rest[..*at].ends_with('\\')).unwrap().0;
    rest[..end].replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What of a text stays whatever is put into it.
fn fixed_parts(text: &str) -> Vec<String> {
    let outside = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
    outside.map(|part| part.trim().to_owned()).filter(|part| part.len() > 3).collect()
}

#[test]
fn every_line_of_the_host_is_in_it() {
    let page = operations();
    let mut lines = 0;
    for file in ["crates/application/src", "crates/host/src", "crates/cli/src"]
        .into_iter()
        .flat_map(|folder| sources(&path(folder)))
    {
        let source = std::fs::read_to_string(&file).unwrap();
        for level in ["warn", "error"] {
            for rest in source.split(&format!("tracing::{level}!(")).skip(1) {
                let line = literal(rest);
                let parts = fixed_parts(&line);
                let row = page
                    .lines()
                    .find(|row| parts.iter().take(2).all(|part| row.contains(part.as_str())));
                assert!(row.is_some() && !parts.is_empty(), "{}: {line}", file.display());
                lines += 1;
            }
        }
    }
    assert!(lines > 10, "{lines}");
}

#[test]
fn every_row_of_a_check_is_in_it() {
    let told = told("row of `check`");
    let folder = path("src/check");
    let mut names = BTreeSet::new();
    for file in sources(&folder).into_iter().filter(|file| !file.ends_with("tests.rs")) {
        let source = std::fs::read_to_string(&file).unwrap();
        for mark in [": (&str, &str) =", "rows.add(\n", "rows.add("] {
            for rest in source.split(mark).skip(1) {
                let rest = rest.trim_start().trim_start_matches('(').trim_start();
                if rest.starts_with('"') {
                    names.insert(literal(rest));
                }
            }
        }
    }
    // What the operator's program adds.
    let added = std::fs::read_to_string(path("crates/cli/src/evidence.rs")).unwrap();
    let (_, name) = added.split_once("EVICTION: &str = ").unwrap();
    names.insert(literal(name));
    assert!(names.contains("configuration") && names.len() > 10, "{names:?}");
    assert_eq!(told, names);
}

/// One of each.
fn findings() -> Vec<Finding> {
    let text = String::new;
    let all = vec![
        Finding::Unreadable(text()),
        Finding::NoRun,
        Finding::Lease(text()),
        Finding::HeadLost,
        Finding::LettersLost(1),
        Finding::Stale(None, 900),
        Finding::Failing(1, None),
        Finding::Partial(Urgency::Note, None),
        Finding::Strange(text(), None),
        Finding::Behind(Stream::Requests, 1),
        Finding::DeadLetters(1),
        Finding::Happened(Urgency::Note, text(), 1),
        Finding::ClocksDiffer(1),
        Finding::Died(text(), None, 900),
    ];
    // A finding that is new needs its place above.
    let number = |finding: &Finding| match finding {
        Finding::Unreadable(_) => 0,
        Finding::NoRun => 1,
        Finding::Lease(_) => 2,
        Finding::HeadLost => 3,
        Finding::LettersLost(_) => 4,
        Finding::Stale(..) => 5,
        Finding::Failing(..) => 6,
        Finding::Partial(..) => 7,
        Finding::Strange(..) => 8,
        Finding::Behind(..) => 9,
        Finding::DeadLetters(_) => 10,
        Finding::Happened(..) => 11,
        Finding::ClocksDiffer(_) => 12,
        Finding::Died(..) => 13,
    };
    assert!(all.iter().map(number).eq(0..14));
    all
}

#[test]
fn every_finding_of_status_has_its_section() {
    let page = operations();
    let headings: BTreeSet<_> = page
        .lines()
        .filter(|line| line.starts_with("##"))
        .map(|line| line.trim_start_matches('#').trim())
        .collect();
    for finding in findings() {
        assert!(headings.contains(finding.title()), "{}", finding.title());
    }
}
