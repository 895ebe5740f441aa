//! Many mutants in one text: a function that has mutants becomes a choice between its bodies.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use anyhow::{Context, Result};
use serde_json::Value;

use super::build::Sources;

/// What the library has beside.
const CHOICE: &str = r#"
/// The number of the mutant that this process runs; 0 is none.
pub fn chosen_mutant() -> u32 {
    static CHOSEN: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| {
        std::env::var("MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or_default()
    })
}
"#;

/// Line and column, from 1, the column in characters.
type Place = (usize, usize);

/// A change, as cargo-mutants lists it.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// File, place and change.
    pub name: String,
    pub file: String,
    /// The function around it, if there is one.
    pub function: Option<Range<Place>>,
    /// What is replaced.
    span: Range<Place>,
    replacement: String,
}

impl Mutant {
    pub fn read(listed: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
        let place = |value: &Value| Some((number(&value["line"])?, number(&value["column"])?));
        let range = |span: &Value| Some(place(&span["start"])?..place(&span["end"])?);
        Some(Self {
            name: text(&listed["name"])?,
            file: text(&listed["file"])?,
            function: range(&listed["function"]["span"]),
            span: range(&listed["span"])?,
            replacement: text(&listed["replacement"])?,
        })
    }
}

/// File and lines of each mutant, by its index.
#[derive(Default)]
pub struct Places(Vec<(String, Range<usize>, usize)>);

impl Places {
    /// The mutant that the compiler's `message` is about.
    pub fn of(&self, message: &Value) -> Option<usize> {
        let spans = message["spans"].as_array()?;
        let primary = spans.iter().filter(|span| span["is_primary"] == true);
        primary.chain(spans).find_map(|span| {
            let line = usize::try_from(span["line_start"].as_u64()?).ok()?;
            let here = |(file, lines, _): &&(String, Range<usize>, usize)| {
                span["file_name"] == file.as_str() && lines.contains(&line)
            };
            self.0.iter().find(here).map(|(.., mutant)| *mutant)
        })
    }
}

/// The `sources` with those of the `mutants` that are `wanted`, numbered from 1.
pub fn all(sources: &Sources, mutants: &[&Mutant], wanted: &[bool]) -> Result<(Sources, Places)> {
    let mut woven = sources.clone();
    let mut places = Places::default();
    let mut files: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
    for (at, mutant) in mutants.iter().enumerate().filter(|(at, _)| wanted[*at]) {
        files.entry(&mutant.file).or_default().push((at, mutant));
    }
    for (name, own) in files {
        let text = woven.0.get_mut(name).context("a mutant's file")?;
        *text = file(text, own, |lines, mutant| places.0.push((name.to_owned(), lines, mutant)))
            .context(name.to_owned())?;
    }
    woven.0.get_mut("src/lib.rs").context("no src/lib.rs")?.push_str(CHOICE);
    Ok((woven, places))
}

/// The `sources` with one mutant.
pub fn one(sources: &Sources, mutant: &Mutant) -> Result<Sources> {
    let mut changed = sources.clone();
    let text = changed.0.get_mut(&mutant.file).context("a mutant's file")?;
    text.replace_range(range(text, &mutant.span)?, &mutant.replacement);
    Ok(changed)
}

fn file(
    text: &str,
    mutants: Vec<(usize, &Mutant)>,
    mut place: impl FnMut(Range<usize>, usize),
) -> Result<String> {
    let mut within = Vec::new();
    for (number, mutant) in mutants {
        let function = mutant.function.as_ref().context("a mutant of no function")?;
        within.push((range(text, function)?, number, mutant));
    }
    // Of functions within each other, the outermost comes first, and has the mutants of all.
    within.sort_by_key(|(function, ..)| (function.start, std::cmp::Reverse(function.end)));
    let mut out = String::new();
    let mut copied = 0;
    let mut rest = within.as_slice();
    while let Some((function, ..)) = rest.first() {
        let inside = rest.iter().take_while(|(other, ..)| other.end <= function.end).count();
        let (own, others) = rest.split_at(inside);
        rest = others;
        let open = function.start + brace(&text[function.clone()]).context("no body")?;
        let close = function.end - 1;
        out.push_str(&text[copied..open]);
        out.push_str("{ match crate::chosen_mutant() {\n");
        for (_, number, mutant) in own {
            let span = range(text, &mutant.span)?;
            let (before, after) = (&text[open + 1..span.start], &text[span.end..close]);
            let first = next_line(&out);
            writeln!(out, "{} => {{{before}{}{after}\n}}", number + 1, mutant.replacement)?;
            place(first..next_line(&out), *number);
        }
        write!(out, "_ => {{{}\n}} }} }}", &text[open + 1..close])?;
        copied = function.end;
    }
    out.push_str(&text[copied..]);
    Ok(out)
}

fn next_line(text: &str) -> usize {
    1 + text.matches('\n').count()
}

/// Where a function's body opens: at the first brace below documentation and attributes.
fn brace(function: &str) -> Option<usize> {
    let mut at = 0;
    for line in function.split_inclusive('\n') {
        let start = line.trim_start();
        if !start.starts_with("//") && !start.starts_with('#') {
            return function[at..].find('{').map(|brace| at + brace);
        }
        at += line.len();
    }
    None
}

/// A span of `text`, in bytes.
fn range(text: &str, span: &Range<Place>) -> Result<Range<usize>> {
    let offset = |(line, column): Place| {
        let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let rest = text[before..].char_indices().map(|(at, _)| before + at);
        rest.chain([text.len()]).nth(column - 1)
    };
    let range = offset(span.start).zip(offset(span.end)).context("a place beyond the file")?;
    Ok(range.0..range.1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    const TEXT: &str = "/// A {brace}.\nfn é() -> u32 {\n    1 + 2 // é\n}\n";

    fn mutant(from: [usize; 2], to: [usize; 2], replacement: &str) -> Mutant {
        let place = |[line, column]: [usize; 2]| json!({"line": line, "column": column});
        let span = |from, to| json!({"start": place(from), "end": place(to)});
        let listed = json!({
            "name": replacement, "file": "src/lib.rs", "replacement": replacement,
            "function": {"span": span([1, 1], [4, 2])}, "span": span(from, to),
        });
        Mutant::read(&listed).unwrap()
    }

    fn sources() -> Sources {
        Sources(BTreeMap::from([("src/lib.rs".to_owned(), TEXT.to_owned())]))
    }

    #[test]
    fn a_function_becomes_a_choice_between_its_bodies() {
        let (minus, zero) = (mutant([3, 7], [3, 8], "-"), mutant([3, 5], [3, 10], "0"));
        let (woven, places) = all(&sources(), &[&minus, &zero], &[true, true]).unwrap();
        let expected = "/// A {brace}.\nfn é() -> u32 { match crate::chosen_mutant() {\n\
                        1 => {\n    1 - 2 // é\n\n}\n2 => {\n    0 // é\n\n}\n\
                        _ => {\n    1 + 2 // é\n\n} } }\n";
        assert_eq!(woven.0["src/lib.rs"], format!("{expected}{CHOICE}"));
        let error = |line: usize| json!({"spans": [{"is_primary": true, "file_name": "src/lib.rs", "line_start": line}]});
        assert_eq!([4, 8, 12].map(|line| places.of(&error(line))), [Some(0), Some(1), None]);
    }

    #[test]
    fn what_does_not_compile_is_left_out_and_the_others_keep_their_numbers() {
        let (minus, zero) = (mutant([3, 7], [3, 8], "-"), mutant([3, 5], [3, 10], "0"));
        let (woven, _) = all(&sources(), &[&minus, &zero], &[false, true]).unwrap();
        let text = &woven.0["src/lib.rs"];
        assert!(!text.contains("1 - 2") && text.contains("\n2 => {\n    0"), "{text}");
    }

    #[test]
    fn one_mutant_is_a_plain_change() {
        let changed = one(&sources(), &mutant([3, 7], [3, 8], "*")).unwrap();
        assert_eq!(changed.0["src/lib.rs"], TEXT.replace('+', "*"));
    }
}
