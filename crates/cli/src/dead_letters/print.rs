//! Dead letters on stdout: as a table, as lines of JSON, and whole.

use std::io::{self, Write};

use kong_cloudtrail::kong::Fields;
use kong_cloudtrail::ledger::DeadLetter;
use kong_cloudtrail::wire::rfc3339;
use kong_cloudtrail::words::{json_shown, shown};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::screen::{DIM, Screen, moment};

/// Values nested deeper are printed as they stand, on one line: each level takes a stack frame.
const MAX_DEPTH: usize = 64;

const HEADER: [&str; 4] = ["EVENT ID", "EVENT", "TIME (UTC)", "USER"];

/// A letter as `list` tells of it, and what its event says. There is none in one of what could not be read.
pub struct Listed {
    letter: DeadLetter,
    event: Option<Told>,
}

/// What of `eventData` is listed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    event_name: String,
    event_time: String,
    user_identity: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    principal_id: String,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    user_name: Option<String>,
}

impl Told {
    fn of(letter: &DeadLetter) -> Option<Self> {
        serde_json::from_str(&letter.data).ok()
    }

    /// Kong's own word, and behind it the caller's.
    fn user(&self) -> String {
        let User { principal_id, details } = &self.user_identity;
        match &details.user_name {
            Some(name) => format!("{} {:?}", shown(principal_id), shown(name)),
            None => shown(principal_id),
        }
    }
}

impl Listed {
    /// The event itself is not kept: all letters are listed at once.
    pub fn of(letter: DeadLetter) -> Self {
        let event = Told::of(&letter);
        Self { letter: DeadLetter { data: String::new(), ..letter }, event }
    }

    fn row(&self) -> Vec<String> {
        let mut row = vec![shown(&self.letter.id)];
        match &self.event {
            Some(event) => {
                let time = shown(event.event_time.trim_end_matches('Z')).replacen('T', " ", 1);
                row.extend([shown(&event.event_name), time, event.user()]);
            }
            None => row.extend(["–"; 3].map(str::to_owned)),
        }
        row
    }

    /// Since when it is a dead letter, and why.
    fn why(&self) -> String {
        let DeadLetter { stream, refused_at, replay, error, .. } = &self.letter;
        let replay = if *replay { ", to be replayed" } else { "" };
        format!("{}, since {}{replay}: {}", stream.name(), moment(*refused_at), shown(error))
    }
}

/// A line for each letter, with its error below it.
pub fn table(letters: &[Listed], screen: Screen, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<_> = letters.iter().map(Listed::row).collect();
    let mut lines = screen.table(&HEADER, HEADER.len(), &rows).into_iter();
    if let Some(header) = lines.next() {
        writeln!(out, "{header}")?;
    }
    for (line, letter) in lines.zip(letters) {
        let why = screen.wrap(5, &letter.why());
        writeln!(out, "{line}\n     {}", screen.paint(DIM, why))?;
    }
    Ok(())
}

/// A line of JSON, without the event.
pub fn line(letter: &DeadLetter, out: &mut impl Write) -> io::Result<()> {
    let json = serde_json::to_string(&Shown::new(letter, None).with_event(letter))?;
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
    event_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
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
            refused_at: rfc3339(letter.refused_at),
            replay: letter.replay,
            error: &letter.error,
            event_name: None,
            event_time: None,
            user: None,
            event,
            row,
        }
    }

    /// With what of the event is listed, for a line that has not the whole event.
    fn with_event(self, letter: &DeadLetter) -> Self {
        match Told::of(letter) {
            Some(Told { event_name, event_time, user_identity }) => Self {
                event_name: Some(event_name),
                event_time: Some(event_time),
                user: Some(user_identity.principal_id),
                ..self
            },
            None => self,
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

    const EVENT: &str = r#"{"userIdentity":{"type":"RBACUser","principalId":"5a1e0b3c","details":{"userName":"al\u001bice"}},
        "eventName":"POSTservices","eventTime":"2026-11-21T08:00:00Z"}"#;
    const SCREEN: Screen = Screen { width: 80, colour: false };

    #[test]
    fn the_table_names_event_time_and_user_with_the_error_below_and_nothing_steers_the_terminal() {
        let letters = [letter(EVENT), DeadLetter { id: "x".repeat(128), ..letter("null") }];
        let text = printed(|out| table(&letters.map(Listed::of), SCREEN, out));
        let lines: Vec<_> = text.lines().collect();
        let whole = "x".repeat(128);
        assert!(lines[0].starts_with(" EVENT ID"), "{text}");
        for told in ["7ebabee7", "POSTservices", "2026-11-21 08:00:00"] {
            assert!(lines[1].contains(told), "{told}: {text}");
        }
        let why = "     objects, since 2026-11-22 12:00:00, to be replayed: InvalidData";
        assert!(lines[2].starts_with(why), "{text}");
        assert!(text.contains(&whole), "an id is whole at whatever width: {text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        let wide = Screen { width: 120, ..SCREEN };
        let text = printed(|out| table(&[Listed::of(letter(EVENT))], wide, out));
        assert!(text.contains(r#"5a1e0b3c "al\\u001bice""#), "{text}");
    }

    #[test]
    fn a_line_of_the_list_names_event_time_and_user_too() {
        let listed = printed(|out| line(&letter(EVENT), out));
        let line: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(
            [&line["event_name"], &line["event_time"], &line["user"]],
            ["POSTservices", "2026-11-21T08:00:00Z", "5a1e0b3c"]
        );
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
