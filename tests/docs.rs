//! What the documents state is what the code does: the README's example of a report has the fields of a
//! report, every link leads somewhere, and the runbook leaves nothing out. Its table of variables is held by `tests/variables.rs`.
#![allow(clippy::unwrap_used)]

mod documents;
#[path = "runbook/mod.rs"]
mod runbook;

use std::collections::BTreeSet;

use documents::{path, rows, section, text};
use kong_cloudtrail::report::Report;
use serde_json::Value;

/// Names of members at every depth.
fn names(value: &Value) -> BTreeSet<String> {
    let Some(members) = value.as_object() else { return BTreeSet::new() };
    members
        .iter()
        .flat_map(|(name, value)| [BTreeSet::from([name.clone()]), names(value)])
        .flatten()
        .collect()
}

#[test]
fn the_example_of_a_report_has_the_fields_of_a_report_and_each_is_explained() {
    let readme = text("README.md");
    let section = section(&readme, "The report");
    let example = section.lines().find(|line| line.starts_with('{')).unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let report: Value = serde_json::from_str(&Report::default().line()).unwrap();
    let fields = names(&report);
    assert_eq!(names(&example), fields);

    let explained = rows(section);
    for field in fields {
        let aside = ["event", "requests", "objects", "kong", "destination", "kv", "retries"];
        let named = explained.contains_key(&field)
            || aside.contains(&field.as_str()) && section.contains(&format!("`{field}`"))
            || section.contains(&format!("`\"{field}\":"));
        assert!(named, "{field} is not explained");
    }
}

/// The words that the variants of an enum are printed as, the cases of which have no fields.
fn words_of(file: &str, of: &str) -> BTreeSet<String> {
    let source = text(file);
    let (_, rest) = source.split_once(&format!("enum {of} {{\n")).unwrap();
    let (body, _) = rest.split_once("\n}\n").unwrap();
    let variants = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    let word = |variant: &str| {
        let letters = variant.char_indices().flat_map(|(at, letter)| {
            let dash = (at > 0 && letter.is_uppercase()).then_some('-');
            dash.into_iter().chain(letter.to_lowercase())
        });
        letters.collect()
    };
    variants.map(word).collect()
}

#[test]
fn each_word_of_notes_and_attention_is_explained_and_no_other() {
    assert!(words_of("src/report.rs", "Note").contains("endpoint-overridden"));
    let readme = text("README.md");
    for (list, of) in [("notes", "Note"), ("attention", "Attention")] {
        let (_, rest) = readme.split_once(&format!("\n| in `{list}` | ")).unwrap();
        let table = rest.split("\n\n").next().unwrap();
        let told: BTreeSet<String> = rows(table).into_keys().collect();
        assert_eq!(told, words_of("src/report.rs", of));
    }
}

/// What somebody can do, and the last cell of its row: what shows it.
fn threats(model: &str) -> Vec<(&str, &str)> {
    let (_, rest) = model.split_once("\n## What they can do\n").unwrap();
    let (tables, _) = rest.split_once("\n## What is accepted\n").unwrap();
    let rows = tables.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim));
    let ends = cells.map(|mut cells| (cells.next().unwrap(), cells.next_back().unwrap()));
    ends.filter(|(what, _)| *what != "what they do").collect()
}

#[test]
fn whatever_somebody_can_do_is_shown_by_something_and_each_word_of_a_report_shows_something() {
    let model = text("docs/threat-model.md");
    let threats = threats(&model);
    assert!(threats.len() > 50, "{}", threats.len());
    for (what, shows) in &threats {
        assert!(!shows.is_empty(), "nothing shows this: {what}");
    }
    let named = |word: &String| model.contains(&format!("`{word}`"));
    let faults = ["died-before"].map(str::to_owned);
    let words = |of| words_of("src/report.rs", of);
    for word in words("Note").union(&words("Attention")).filter(|word| !faults.contains(word)) {
        assert!(named(word), "{word} shows nothing");
    }
}

#[test]
fn every_link_within_the_repository_leads_to_a_file() {
    for document in [
        "README.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "deploy/kubernetes/README.md",
        "docs/architecture.md",
        "docs/auditor.md",
        "docs/check-and-verify.md",
        "deploy/image/README.md",
        "deploy/image/timer-trigger/README.md",
        "docs/cloudwatch.md",
        "docs/credentials.md",
        "docs/decisions/README.md",
        "docs/deploying.md",
        "docs/event-mapping.md",
        "docs/guarantees.md",
        "docs/migrating.md",
        "docs/operations.md",
        "docs/s3.md",
        "docs/queries/README.md",
        "docs/queries/cloudwatch/README.md",
        "docs/status.md",
        "docs/threat-model.md",
        "docs/tls.md",
        "terraform/README.md",
        "terraform/cloudwatch/README.md",
        "terraform/deployer/README.md",
        "terraform/lake/README.md",
        "terraform/s3/README.md",
        "terraform/watch/README.md",
    ] {
        let folder = path(document).parent().unwrap().to_owned();
        let document_text = text(document);
        let targets = document_text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() { path(document) } else { folder.join(file) };
            assert!(linked.is_file(), "{document} links to {target}");
            if !heading.is_empty() {
                let anchors = std::fs::read_to_string(&linked).unwrap();
                let named = anchors.split("<a name=\"").skip(1);
                let named = named.map(|rest| rest.split('"').next().unwrap().to_owned());
                let anchors: Vec<String> = anchors
                    .lines()
                    .filter_map(|line| {
                        line.trim_start_matches('#')
                            .strip_prefix(' ')
                            .filter(|_| line.starts_with('#'))
                    })
                    .map(|title| {
                        title.to_lowercase().replace(' ', "-").replace(['\'', '`', '.', ','], "")
                    })
                    .chain(named)
                    .collect();
                let heading = heading.replace("\\_", "_");
                assert!(anchors.contains(&heading), "{document} links to {target}");
            }
        }
    }
}

#[test]
fn the_code_map_names_every_module_of_the_component_and_every_crate() {
    let map = text("docs/architecture.md");
    let modules = std::fs::read_dir(path("src")).unwrap().map(|file| file.unwrap());
    let modules = modules.map(|file| {
        let name = file.file_name().into_string().unwrap();
        if file.path().is_dir() { format!("`{name}/`") } else { format!("`{name}`") }
    });
    for module in modules.filter(|module| module != "`lib.rs`") {
        assert!(map.contains(&format!("**{module}**")), "{module} is not on the map");
    }
    let crates = std::fs::read_dir(path("crates")).unwrap();
    let crates = crates.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    for folder in crates.map(|name| format!("crates/{name}")).chain(["xtask".to_owned()]) {
        assert!(map.contains(&format!("### `{folder}/`")), "{folder} is not on the map");
    }
}
