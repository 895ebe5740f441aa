//! What the documents state is what the code does: the example of a report has the fields of a report, every
//! page is in the book, every link leads somewhere, and the runbook leaves nothing out. The table of variables is
//! held by `tests/variables.rs`, command lines by `xtask/src/docs` and `crates/cli/src/documented.rs`.
#![allow(clippy::unwrap_used)]

#[path = "../xtask/src/docs/blocks.rs"]
#[allow(dead_code, reason = "commands are read elsewhere")]
mod blocks;
mod documents;
#[path = "runbook/mod.rs"]
mod runbook;

use std::collections::BTreeSet;
use std::path::PathBuf;

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
    let page = text("docs/report.md");
    let example = page.lines().find(|line| line.starts_with('{')).unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let report: Value = serde_json::from_str(&Report::default().line()).unwrap();
    let fields = names(&report);
    assert_eq!(names(&example), fields);

    let explained = rows(section(&page, "Fields"));
    for field in fields {
        let aside = ["event", "requests", "objects", "kong", "destination", "kv", "retries"];
        let named = explained.contains_key(&field)
            || aside.contains(&field.as_str()) && page.contains(&format!("`{field}`"))
            || page.contains(&format!("`\"{field}\":"));
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
    let page = text("docs/report.md");
    for (list, of) in [("notes", "Note"), ("attention", "Attention")] {
        let (_, rest) = page.split_once(&format!("\n| in `{list}` | ")).unwrap();
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

/// Where the links of a document lead that stay in the repository: file and heading.
fn links(document: &str) -> Vec<(PathBuf, String)> {
    let folder = path(document).parent().unwrap().to_owned();
    let text = text(document);
    let targets = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let targets = targets.filter(|target| !target.contains("://"));
    let split = |target: &str| {
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        let file = if file.is_empty() { path(document) } else { folder.join(file) };
        (file, heading.to_owned())
    };
    targets.map(split).collect()
}

/// The pages of the book, from the repository's root.
fn pages() -> BTreeSet<String> {
    let root = path("").canonicalize().unwrap();
    let pages = links("docs/SUMMARY.md").into_iter().map(|(file, _)| {
        let file = file.canonicalize().unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()
    });
    pages.collect()
}

#[test]
fn every_page_of_the_documents_is_in_the_book() {
    let pages = pages();
    assert!(pages.len() > 40, "{}", pages.len());
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for file in std::fs::read_dir(path(&folder)).unwrap().map(|file| file.unwrap()) {
            let name = format!("{folder}/{}", file.file_name().into_string().unwrap());
            if file.path().is_dir() {
                folders.push(name);
            } else if file.path().extension().is_some_and(|kind| kind == "md")
                && name != "docs/SUMMARY.md"
            {
                assert!(pages.contains(&name), "docs/SUMMARY.md has no {name}");
            }
        }
    }
}

/// Of another language nothing here would look at a block.
const PROSE: [&str; 6] = ["console", "sh", "bash", "text", "mermaid", "sql"];

fn is_setting(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with(['#', '[']) || line.contains('=')
}

#[test]
fn every_block_of_configuration_can_be_read() {
    let mut read = 0;
    for (page, text) in blocks::pages(&path("")).unwrap() {
        for block in blocks::blocks(&page, &text) {
            let text = &block.text;
            let sound = match &*block.language {
                "toml" => text.parse::<toml::Table>().is_ok(),
                "json" => serde_json::from_str::<Value>(text).is_ok(),
                "hcl" => hcl::parse(text).is_ok(),
                "yaml" => serde_saphyr::from_str::<Value>(text).is_ok(),
                "ini" => text.lines().all(is_setting),
                language => PROSE.contains(&language),
            };
            assert!(sound, "{page}:{}: {}", block.line, block.language);
            read += usize::from(!PROSE.contains(&&*block.language));
        }
    }
    assert!(read > 10, "{read}");
}

/// What a heading is called in a link, as GitHub and mdBook make it.
fn anchor(title: &str) -> String {
    let kept = title.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_within_the_repository_leads_to_a_file() {
    let beside = ["docs/SUMMARY.md", "deploy/image/timer-trigger/README.md"].map(str::to_owned);
    for document in pages().into_iter().chain(beside) {
        for (linked, heading) in links(&document) {
            assert!(linked.is_file(), "{document} links to {}", linked.display());
            if heading.is_empty() {
                continue;
            }
            let text = std::fs::read_to_string(&linked).unwrap();
            let titles = text.lines().filter(|line| line.starts_with('#'));
            let mut anchors = titles.map(|line| anchor(line.trim_start_matches('#')));
            // As terraform-docs names its rows, and escapes the links to them.
            let named = format!("<a name=\"{}\"></a>", heading.replace('\\', ""));
            let there = anchors.any(|anchor| anchor == heading) || text.contains(&named);
            assert!(there, "{document} links to {}#{heading}", linked.display());
        }
    }
}

#[test]
fn the_first_page_is_short() {
    let words = text("README.md").split_whitespace().count();
    assert!(words <= 1200, "{words} words");
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
