//! An audit entry as Kong returns it, read without losing a byte.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::terms::{LedgerTime, Stream, Window};

/// From here on a `request_timestamp` is in milliseconds: in seconds it would be of the year 5138.
const MILLISECONDS: i64 = 100_000_000_000;

/// An entry: its fields in Kong's order, each value as the bytes that Kong sent.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The stream it came from.
    pub stream: Stream,
    /// Name and value of each field.
    pub fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Entry<'a> {
    /// Reads one element of a page's `data`; an error when it is no JSON object.
    pub fn parse(stream: Stream, json: &'a str) -> Result<Self, serde_json::Error> {
        let Fields(fields) = serde_json::from_str(json)?;
        Ok(Self { stream, fields })
    }

    /// The value of a field, `null` included; the last one, should a name be repeated.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.iter().rev().find(|(field, _)| field == name).map(|(_, value)| *value)
    }

    /// The value of a field that is a string.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.get(name)?)
    }

    /// The entry's own id: `request_id` or `id`, when it is a string that is not empty.
    pub fn id(&self) -> Option<Cow<'a, str>> {
        self.text(self.stream.id_field()).filter(|id| !id.is_empty())
    }

    /// What tells the entry from all others of its stream: its id, or all that it says.
    pub fn identity(&self) -> Cow<'a, str> {
        self.id().unwrap_or_else(|| self.canonical().into())
    }

    /// When the entry was written, in Unix seconds, by its `request_timestamp`. That is a whole number, a
    /// fraction, or a number in text. From 10^11 on it is in milliseconds, as Kong 0.34 gave it. A value of 1
    /// or less tells no time: an upgrade gives 1 to the rows that are older than the column.
    pub(crate) fn own_time(&self) -> Option<i64> {
        let time = number(self.get("request_timestamp")?).filter(|time| *time > 1)?;
        Some(if time >= MILLISECONDS { time.div_euclid(1000) } else { time })
    }

    /// `request_timestamp` where it is a whole number, as in Kong's database. Kong's own filters go by it.
    pub fn stamp(&self) -> Option<i64> {
        self.get("request_timestamp")?.get().parse().ok()
    }

    /// The stamp, where it is a time in seconds, as all Kongs with filters write it.
    pub(crate) fn exact_time(&self) -> Option<i64> {
        self.stamp().and_then(exact)
    }

    /// Whether there is a `request_timestamp`, whatever it says.
    pub(crate) fn has_stamp(&self) -> bool {
        self.get("request_timestamp").is_some_and(|value| value.get() != "null")
    }

    /// Whether a Kong that filters may give the entry when it is asked for `window`. An entry without a time
    /// is in no bounded window, since SQL compares no null. An entry whose time is not in seconds passes,
    /// since nobody can tell.
    pub(crate) fn may_be_in(&self, window: &Window) -> bool {
        let Some(stamp) = self.stamp() else { return !window.is_bounded() || self.has_stamp() };
        let rules = self.exact_time().is_some() || stamp <= 1;
        !rules || window.holds(stamp)
    }

    /// The time under which the ledger files the entry, where Kong showed it at `date`.
    pub(crate) fn ledger_time(&self, date: i64) -> LedgerTime {
        LedgerTime::of(self.own_time().or_else(|| self.expire()), self.ttl(), date)
    }

    /// `expire`, which Kong 0.34 gave in milliseconds, in Unix seconds.
    pub fn expire(&self) -> Option<i64> {
        number(self.get("expire")?).map(|milliseconds| milliseconds.div_euclid(1000))
    }

    /// Seconds until Kong deletes the entry; none where it keeps entries for ever.
    pub fn ttl(&self) -> Option<i64> {
        number(self.get("ttl")?)
    }

    /// The entry as JSON with its keys sorted at every depth, without `ttl` (which falls as time
    /// passes) and without fields that are null (which come and go with Kong's version).
    pub fn canonical(&self) -> String {
        let kept =
            self.fields.iter().filter(|(name, value)| name != "ttl" && value.get() != "null");
        let mut out = String::new();
        write_object(&mut out, kept, 0);
        out
    }
}

/// The stamp, where it is a time in seconds.
pub(super) fn exact(stamp: i64) -> Option<i64> {
    (2..MILLISECONDS).contains(&stamp).then_some(stamp)
}

/// The string that a JSON value is, if it is one.
pub fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let quoted = value.get().strip_prefix('"')?;
    match quoted.strip_suffix('"') {
        Some(text) if !text.contains('\\') => Some(Cow::Borrowed(text)),
        _ => serde_json::from_str(value.get()).ok().map(|Text(text)| text),
    }
}

/// A whole number out of a JSON number, or a number in text.
fn number(value: &RawValue) -> Option<i64> {
    let text = text(value).unwrap_or(Cow::Borrowed(value.get()));
    let text = text.trim();
    if let Ok(whole) = text.parse() {
        return Some(whole);
    }
    let fraction: f64 = text.parse().ok()?;
    // Beyond 2^53 a float no longer names one second; no clock gets there.
    #[allow(clippy::cast_possible_truncation)]
    (fraction.abs() < 9e15).then(|| fraction.floor() as i64)
}

/// Top-level members of a JSON object, in order.
pub struct Fields<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(serde::Deserialize)]
                struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
                let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((Name(name), value)) =
                    map.next_entry::<Name<'de>, &'de RawValue>()?
                {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Values nested deeper than this stand in the canonical entry as Kong sent them: the walk must
/// not exhaust the stack.
const CANONICAL_DEPTH: u32 = 64;

fn write_object<'a>(
    out: &mut String,
    members: impl Iterator<Item = &'a (Cow<'a, str>, &'a RawValue)>,
    depth: u32,
) {
    let sorted: BTreeMap<_, _> = members.map(|(name, value)| (name.as_ref(), *value)).collect();
    out.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        write_canonical(out, value, depth + 1);
    }
    out.push('}');
}

fn write_canonical(out: &mut String, value: &RawValue, depth: u32) {
    match value.get().as_bytes().first() {
        _ if depth > CANONICAL_DEPTH => out.push_str(value.get()),
        Some(b'{') => {
            if let Ok(Fields(members)) = serde_json::from_str(value.get()) {
                write_object(out, members.iter(), depth);
            }
        }
        Some(b'[') => {
            if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
                out.push('[');
                for (index, item) in items.into_iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_canonical(out, item, depth + 1);
                }
                out.push(']');
            }
        }
        Some(b'"') => match text(value) {
            Some(text) => write_string(out, &text),
            None => out.push_str(value.get()),
        },
        _ => out.push_str(value.get()),
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_entry_is_filed_under_its_own_time_else_under_when_kong_deletes_it() {
        const DATE: i64 = 1_795_348_800;
        for (json, expected) in [
            (r#"{"request_timestamp":1542130367,"ttl":60}"#, LedgerTime::Written(1_542_130_367)),
            (r#"{"request_timestamp":1542130367699}"#, LedgerTime::Written(1_542_130_367)),
            (r#"{"expire":1542130367699,"ttl":60}"#, LedgerTime::Written(1_542_130_367)),
            (r#"{"request_timestamp":1,"ttl":60}"#, LedgerTime::Expires(DATE + 60)),
            (r#"{"request_timestamp":null,"ttl":-60}"#, LedgerTime::Expires(DATE - 60)),
            (r#"{"ttl":60}"#, LedgerTime::Expires(DATE + 60)),
            (r#"{"ttl":null}"#, LedgerTime::Written(0)),
        ] {
            let entry = Entry::parse(Stream::Objects, json).unwrap();
            assert_eq!(entry.ledger_time(DATE), expected, "{json}");
        }
    }

    #[test]
    fn kong_may_give_an_entry_within_its_window_and_one_that_nobody_can_rule_on() {
        let window = Window { after: Some(100), before: Some(200) };
        for (json, bounded) in [
            (r#"{"request_timestamp":99}"#, false),
            (r#"{"request_timestamp":100}"#, true),
            (r#"{"request_timestamp":199}"#, true),
            (r#"{"request_timestamp":200}"#, false),
            (r#"{"request_timestamp":1}"#, false),
            (r#"{"request_timestamp":1542130367699}"#, true),
            (r#"{"request_timestamp":"soon"}"#, true),
            (r#"{"request_timestamp":null}"#, false),
            ("{}", false),
        ] {
            let entry = Entry::parse(Stream::Objects, json).unwrap();
            assert_eq!(entry.may_be_in(&window), bounded, "{json}");
            assert!(entry.may_be_in(&Window::default()), "{json}");
        }
    }
}
