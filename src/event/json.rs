//! JSON text: writing it, and telling whether all readers take a given text the same way.
//!
//! Foreign values are copied as text, never through a number or a tree of ours, so that `1.0`,
//! `1e3` and twenty digits stay what they are (invariant 3).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::kong::entry::Fields;

/// Deepest nesting that stands in an event as it is. RFC 8259, section 9, lets every reader set a
/// limit: serde_json's is 127, Jackson's 1000.
const DEPTH: usize = 64;

/// An object being written.
pub struct Object<'o> {
    out: &'o mut String,
    empty: bool,
}

impl<'o> Object<'o> {
    pub fn open(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    pub fn close(self) {
        self.out.push('}');
    }

    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        string(self.out, value);
    }

    /// A member whose value is JSON already.
    pub fn json(&mut self, name: &str, value: &str) {
        self.name(name);
        self.out.push_str(value);
    }

    /// Members that are JSON already, as they stand between an object's braces.
    pub fn members(&mut self, members: &str) {
        self.separate();
        self.out.push_str(members);
    }

    pub fn object(&mut self, name: &str) -> Object<'_> {
        self.name(name);
        Object::open(self.out)
    }

    fn name(&mut self, name: &str) {
        self.separate();
        string(self.out, name);
        self.out.push(':');
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(',');
        }
    }
}

/// Writes `text` as a JSON string. What it escapes is what [`char_len`] counts.
pub fn string(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'\n' => 'n',
            b'\r' => 'r',
            b'\t' => 't',
            0..0x20 => 'u',
            _ => continue,
        };
        out.push_str(&text[copied..at]);
        out.push('\\');
        out.push(short);
        if short == 'u' {
            out.push_str("00");
            out.push(HEX[usize::from(byte >> 4)].into());
            out.push(HEX[usize::from(byte & 15)].into());
        }
        copied = at + 1;
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

/// Bytes that a character takes within a JSON string.
pub(crate) fn char_len(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '\0'..' ' => 6,
        _ => character.len_utf8(),
    }
}

/// Bytes that `text` takes as a JSON string, quotes included.
pub(crate) fn string_len(text: &str) -> usize {
    2 + text.chars().map(char_len).sum::<usize>()
}

/// The outline of a JSON text.
#[derive(Default)]
pub struct Shape<'t> {
    /// The names of its members, sorted, when it is an object.
    pub members: Option<Vec<Cow<'t, str>>>,
    /// Whether an object in it, at any depth, has two members of one name.
    pub repeated: bool,
}

impl<'t> Shape<'t> {
    /// `None` when `text` is no JSON, or is JSON that a strict reader refuses: lone surrogates,
    /// a number beyond the range of a double, nesting beyond 64 levels.
    pub fn of(text: &'t str) -> Option<Self> {
        let mut shape = Self::default();
        let mut reader = serde_json::Deserializer::from_str(text);
        Survey { depth: 0, shape: &mut shape }.deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(shape)
    }
}

/// Whether a value may stand in an event as it is, because all readers agree about it.
pub(crate) fn is_plain(value: &str) -> bool {
    match value.as_bytes() {
        [b't' | b'f' | b'n', ..] => true,
        [b'"', text @ ..] if !text.contains(&b'\\') => true,
        [b'-' | b'0'..=b'9', ..] if value.len() < 300 && !value.contains(['e', 'E']) => true,
        _ => Shape::of(value).is_some_and(|shape| !shape.repeated),
    }
}

/// Sorts the names of an object's members. Returns whether one is repeated.
pub(crate) fn sort_names(names: &mut [Cow<'_, str>]) -> bool {
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

struct Survey<'s, 't> {
    depth: usize,
    shape: &'s mut Shape<'t>,
}

impl Survey<'_, '_> {
    fn descend<E: Error>(&self) -> Result<usize, E> {
        if self.depth < DEPTH { Ok(self.depth + 1) } else { Err(E::custom("nested too deep")) }
    }
}

impl<'t> DeserializeSeed<'t> for Survey<'_, 't> {
    type Value = ();
    fn deserialize<D: Deserializer<'t>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Survey<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut items: A) -> Result<(), A::Error> {
        let depth = self.descend()?;
        while items.next_element_seed(Survey { depth, shape: self.shape })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<(), A::Error> {
        #[derive(serde::Deserialize)]
        struct Name<'n>(#[serde(borrow)] Cow<'n, str>);
        let depth = self.descend()?;
        let mut names = Vec::new();
        while let Some(Name(name)) = members.next_key()? {
            names.push(name);
            members.next_value_seed(Survey { depth, shape: self.shape })?;
        }
        self.shape.repeated |= sort_names(&mut names);
        if self.depth == 0 {
            self.shape.members = Some(names);
        }
        Ok(())
    }
}

/// Writes `value`, which has a [`Shape`]. Of repeated members it writes the last one alone, as Kong's own
/// JSON reader takes it.
pub(crate) fn unrepeated(out: &mut String, value: &RawValue) {
    let text = value.get();
    if let Ok(Fields(members)) = serde_json::from_str(text) {
        let last: HashMap<&str, usize> =
            members.iter().enumerate().map(|(at, (name, _))| (name.as_ref(), at)).collect();
        let mut object = Object::open(out);
        for (at, (name, value)) in members.iter().enumerate() {
            if last[name.as_ref()] == at {
                object.name(name);
                unrepeated(object.out, value);
            }
        }
        object.close();
    } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) {
        out.push('[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            unrepeated(out, item);
        }
        out.push(']');
    } else {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_written_string_reads_back_the_same_and_is_as_long_as_counted() {
        for text in ["", "plain", "\"\\/\n\r\t", "\0\u{1}\u{1f}\u{7f}", "é\u{2028}😀"] {
            let mut written = String::new();
            string(&mut written, text);
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
            assert_eq!(written.len(), string_len(text));
        }
    }

    #[test]
    fn values_that_readers_take_differently_are_not_plain() {
        let deep = |levels| "[".repeat(levels) + &"]".repeat(levels);
        for value in [
            r#""\ud800""#,
            "1e400",
            &"9".repeat(400),
            r#"{"a":1,"a":1}"#,
            r#"[{"b":{"a":1,"\u0061":2}}]"#,
            &deep(DEPTH + 1),
            &deep(1_000_000),
        ] {
            assert!(!is_plain(value), "{value:.40}");
        }
    }

    #[test]
    fn values_that_readers_agree_about_are_plain() {
        let deep = "[".repeat(DEPTH) + &"]".repeat(DEPTH);
        for value in
            ["null", "1.0", "1e3", "12345678901234567890", r#""\ud83d\ude00\u0000""#, "{}", &deep]
        {
            assert!(is_plain(value), "{value:.40}");
        }
    }

    #[test]
    fn of_repeated_members_the_last_counts() {
        let value: &RawValue =
            serde_json::from_str(r#"{"a":1,"b":[{"c":1.0,"c":2.0}, 7, []],"a":3}"#).unwrap();
        let mut written = String::new();
        unrepeated(&mut written, value);
        assert_eq!(written, r#"{"b":[{"c":2.0},7,[]],"a":3}"#);
    }
}
