//! Dead letters on stdout: as a table, as lines of JSON, and whole.

use std::io::{self, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, Width, presets};
use kong_cloudtrail::kong::Fields;
use kong_cloudtrail::ledger::DeadLetter;
use kong_cloudtrail::words::{json_shown, shown};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Characters of an error in the table, where there is no terminal to tell how many fit.
const ERROR_WIDTH: u16 = 60;

/// Values nested deeper are printed as they stand, on one line: each level takes a stack frame.
const MAX_DEPTH: usize = 64;

const HEADER: [&str; 6] = ["EVENT ID", "STREAM", "ENTRY", "REFUSED AT (UTC)", "REPLAY", "ERROR"];

/// A line for each letter, cut to the terminal's `columns`.
pub fn table(letters: &[DeadLetter], columns: Option<u16>, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(HEADER);
    for letter in letters {
        let replay = if letter.replay { "yes" } else { "no" };
        let cells = [
            &letter.id,
            letter.stream.name(),
            &shown(&letter.entry),
            &refused_at(letter),
            replay,
            &shown(&letter.error),
        ];
        let mut row = Row::from(cells);
        row.max_height(1);
        table.add_row(row);
    }
    let (width, error) = match columns {
        Some(columns) => (columns, ColumnConstraint::LowerBoundary(Width::Fixed(10))),
        None => (u16::MAX, ColumnConstraint::UpperBoundary(Width::Fixed(ERROR_WIDTH))),
    };
    table.set_width(width);
    // Whole ids, at whatever width: they are what the other verbs ask for.
    table.set_constraints([const { ColumnConstraint::ContentWidth }; 5].into_iter().chain([error]));
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A line of JSON, without the event.
pub fn line(letter: &DeadLetter, out: &mut impl Write) -> io::Result<()> {
    let json = serde_json::to_string(&Shown::new(letter, None))?;
    writeln!(out, "{}", json_shown(&json))
}

/// The whole letter, over several lines of JSON.
pub fn whole(letter: &DeadLetter, out: &mut impl Write) -> io::Result<()> {
    let data: &RawValue = serde_json::from_str(&letter.data)?;
    let json = serde_json::to_string_pretty(&Shown::new(letter, Some(Verbatim(data, 0))))?;
    writeln!(out, "{}", json_shown(&json))
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    stream: &'static str,
    entry: &'a str,
    refused_at: String,
    replay: bool,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Verbatim<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<Verbatim<'a>>,
}

impl<'a> Shown<'a> {
    fn new(letter: &'a DeadLetter, data: Option<Verbatim<'a>>) -> Self {
        let (row, event) = if letter.is_unreadable() { (data, None) } else { (None, data) };
        Self {
            id: &letter.id,
            stream: letter.stream.name(),
            entry: &letter.entry,
            refused_at: refused_at(letter),
            replay: letter.replay,
            error: &letter.error,
            event,
            row,
        }
    }
}

/// JSON laid out anew with nothing changed in it: order and repeats of members, digits of numbers.
struct Verbatim<'a>(&'a RawValue, usize);

impl Serialize for Verbatim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value, depth) = *self;
        let deeper = depth + 1;
        match value.get().as_bytes().first() {
            Some(b'{') if depth < MAX_DEPTH => {
                let Fields(fields) =
                    serde_json::from_str(value.get()).map_err(serde::ser::Error::custom)?;
                let members = fields.iter().map(|(name, value)| (name, Verbatim(value, deeper)));
                serializer.collect_map(members)
            }
            Some(b'[') if depth < MAX_DEPTH => {
                let elements: Vec<&RawValue> =
                    serde_json::from_str(value.get()).map_err(serde::ser::Error::custom)?;
                serializer.collect_seq(elements.into_iter().map(|value| Verbatim(value, deeper)))
            }
            _ => value.serialize(serializer),
        }
    }
}

fn refused_at(letter: &DeadLetter) -> String {
    OffsetDateTime::from_unix_timestamp(letter.refused_at)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| letter.refused_at.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kong_cloudtrail::terms::Stream;

    use super::*;

    fn letter(data: &str) -> DeadLetter {
        DeadLetter {
            stream: Stream::Objects,
            id: "7ebabee7".to_owned(),
            entry: "an entry\u{1b}[2J\u{202e}".to_owned(),
            error: "InvalidData ".repeat(20),
            refused_at: 1_795_348_800,
            replay: true,
            data: data.to_owned(),
        }
    }

    fn printed(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_has_a_line_a_letter_and_cuts_the_error_alone() {
        let letters = [letter("{}"), DeadLetter { id: "x".repeat(128), ..letter("{}") }];
        let text = printed(|out| table(&letters, None, out));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].contains("7ebabee7") && lines[1].contains("2026-11-22T"), "{text}");
        assert!(lines[2].contains(&letters[1].id), "{text}");
        assert!(text.lines().all(|line| line.matches("InvalidData").count() <= 5), "{text}");
        assert!(text.contains(r"an entry\u001b[2J\u202e"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "nothing steers the terminal: {text}");
        let text = printed(|out| table(&letters[..1], Some(100), out));
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("7ebabee7") && text.lines().count() == 2, "{text}");
    }

    #[test]
    fn a_whole_letter_holds_the_event_with_its_order_repeats_and_digits() {
        let data = r#"{"b":1.10,"a":[12345678901234567890123,{"a":1,"a":2}],"c":{},"d":"\u202e"}"#;
        let steering = data.replace(r"\u202e", "\u{202e}");
        let text = printed(|out| whole(&letter(&steering), out));
        let (_, event) = text.split_once("\"event\": ").unwrap();
        let packed: String = event.split_whitespace().collect();
        assert_eq!(packed, format!("{data}}}"));
        let listed = printed(|out| line(&letter(&steering), out));
        assert!(listed.contains(r"\u202e") && !listed.contains('\u{202e}'), "{listed}");
        assert!(text.lines().count() > 10, "{text}");
    }

    #[test]
    fn what_cannot_be_read_is_shown_as_a_row() {
        let error = "unreadable: a row of 2026-11-22T12:00:00Z".to_owned();
        let letter = DeadLetter { error, ..letter(r#""{\"a\":1""#) };
        let text = printed(|out| whole(&letter, out));
        assert!(text.contains(r#""row": "{\"a\":1""#) && !text.contains("\"event\""), "{text}");
    }

    #[test]
    fn an_event_nested_beyond_measure_is_printed_all_the_same() {
        let deep = format!("{}{}", "[".repeat(40_000), "]".repeat(40_000));
        let text = printed(|out| whole(&letter(&deep), out));
        assert_eq!(text.matches(']').count(), 40_000);
    }
}
