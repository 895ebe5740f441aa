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
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    pub fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    pub fn close(self) {
        self.out.push(b'}');
    }

    #[inline(never)]
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        string(self.out, value);
    }

    /// A member whose value is JSON already.
    #[inline(never)]
    pub fn json(&mut self, name: &str, value: &str) {
        self.name(name);
        copy(self.out, value);
    }

    /// Members that are JSON already, as they stand between an object's braces.
    pub fn members(&mut self, members: &str) {
        self.separate();
        copy(self.out, members);
    }

    pub fn object(&mut self, name: &str) -> Object<'_> {
        self.name(name);
        Object::open(self.out)
    }

    #[inline(never)]
    fn name(&mut self, name: &str) {
        self.separate();
        string(self.out, name);
        self.out.push(b':');
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
    }
}

/// Bytes that are written at once. From WebAssembly a copy of another length is a call to the host,
/// which takes longer than to copy the few bytes that most strings here have. What writes in chunks is
/// not inlined, since it is called from everywhere and the component has little room.
const CHUNK: usize = 16;

/// Writes `text` as it is.
#[inline(never)]
fn copy(out: &mut Vec<u8>, text: &str) {
    if text.len() > 8 * CHUNK {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let (chunks, rest) = text.as_bytes().as_chunks::<CHUNK>();
    for chunk in chunks {
        out.extend_from_slice(chunk);
    }
    for byte in rest {
        out.push(*byte);
    }
}

/// What was written. It is UTF-8, since it was made of text alone.
pub fn written(out: Vec<u8>) -> String {
    String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Writes `text` as a JSON string. What it escapes is what [`byte_len`] counts.
#[inline(never)]
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let (chunks, rest) = text.as_bytes().as_chunks::<CHUNK>();
    for chunk in chunks {
        if chunk.iter().fold(false, |any, byte| any | is_escaped(*byte)) {
            for byte in chunk {
                escape(out, *byte);
            }
        } else {
            out.extend_from_slice(chunk);
        }
    }
    for byte in rest {
        escape(out, *byte);
    }
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0..0x20 => {
            let digits = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
            return;
        }
        _ => return out.push(byte),
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[expect(clippy::needless_bitwise_bool, reason = "no branch: a chunk's bytes are compared at once")]
fn is_escaped(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

/// Bytes that a byte of UTF-8 takes within a JSON string.
fn byte_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

/// Bytes that a character takes within a JSON string.
pub fn char_len(character: char) -> usize {
    u8::try_from(character).ok().filter(u8::is_ascii).map_or(character.len_utf8(), byte_len)
}

/// Bytes that `text` takes as a JSON string, quotes included.
#[inline(never)]
pub fn string_len(text: &str) -> usize {
    2 + text.bytes().map(byte_len).sum::<usize>()
}

/// What a JSON text looks like from above.
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
pub fn is_plain(value: &str) -> bool {
    match value.as_bytes() {
        [b't' | b'f' | b'n', ..] => true,
        [b'"', text @ ..] if !text.contains(&b'\\') => true,
        [b'-' | b'0'..=b'9', ..] if value.len() < 300 && !value.contains(['e', 'E']) => true,
        _ => Shape::of(value).is_some_and(|shape| !shape.repeated),
    }
}

/// Sorts the names of an object's members; whether one stands there twice.
pub fn sort_names(names: &mut [Cow<'_, str>]) -> bool {
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

/// Writes `value`, which has a [`Shape`], with the last of each set of repeated members alone, as
/// Kong's own JSON reader takes it.
pub fn unrepeated(out: &mut Vec<u8>, value: &RawValue) {
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
        out.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            unrepeated(out, item);
        }
        out.push(b']');
    } else {
        copy(out, text);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_written_string_reads_back_the_same_and_is_as_long_as_counted() {
        let long = "what is long is written in chunks, é, \u{1f} and the last \" too. ".repeat(20);
        for text in ["", "plain", "\"\\/\n\r\t", "\0\u{1}\u{1f}\u{7f}", "é\u{2028}😀", &long] {
            let mut out = Vec::new();
            string(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            assert_eq!(out.len(), string_len(text));
            assert_eq!(out.len(), 2 + text.chars().map(char_len).sum::<usize>());
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
            serde_json::from_str(r#"{"a":1,"b":[{"c":1.0,"c":2.0}],"a":3}"#).unwrap();
        let mut out = Vec::new();
        unrepeated(&mut out, value);
        assert_eq!(written(out), r#"{"b":[{"c":2.0}],"a":3}"#);
    }
}
