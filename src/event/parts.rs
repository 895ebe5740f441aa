//! Values that are too large for their event. They go out in slices, each in an event of its own (invariant
//! 3: nothing is cut off). [`super::rebuild`] puts them together again.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::Event;
use super::additional::{DERIVED_TIME, ID_SUM, id_sum};
use super::envelope::Envelope;
use super::json::{self, Shape};
use super::section::{REQUEST_PARAMETERS_LIMIT, Value};

/// Most bytes of `{"parts":[1,2],"sha256":"…","bytes":3}`, numbers of eleven digits included.
pub(super) const REFERENCE_LEN: usize = 135;
/// Most bytes of a part's `requestParameters` beside the slice and the field's name.
const FRAME_LEN: usize = 256;
/// Longest id that is followed by `-p` and a number: an id has at most 128 characters.
const BASE_LEN: usize = 120;

/// The values taken out of one entry's event.
#[derive(Default)]
pub(super) struct Parts<'a> {
    values: Vec<Sliced<'a>>,
    total: usize,
}

struct Sliced<'a> {
    field: String,
    encoding: &'static str,
    bytes: Cow<'a, str>,
    ends: Vec<usize>,
}

impl<'a> Parts<'a> {
    /// Takes a value in; what remains in its place is the reference returned.
    pub fn take(&mut self, field: String, value: Value<'a>) -> Value<'a> {
        let (encoding, bytes) = match value {
            Value::Text(text) => ("text", text),
            Value::Json(json) => ("json", json),
        };
        let room = REQUEST_PARAMETERS_LIMIT.saturating_sub(FRAME_LEN + json::string_len(&field));
        let ends = cut(&bytes, room);
        let first = self.total + 1;
        self.total += ends.len();
        let reference = format!(
            r#"{{"parts":[{first},{}],"sha256":"{}","bytes":{}}}"#,
            self.total,
            hex::encode(Sha256::digest(bytes.as_bytes())),
            bytes.len()
        );
        self.values.push(Sliced { field, encoding, bytes, ends });
        Value::Json(reference.into())
    }

    /// The events that hold the slices, in order.
    pub fn events(&self, envelope: &Envelope<'_>) -> Vec<Event> {
        let base = part_base(&envelope.id);
        let mut events = Vec::with_capacity(self.total);
        for value in &self.values {
            let mut start = 0;
            for &end in &value.ends {
                let number = events.len() + 1;
                let id = format!("{base}-p{number}");
                let slice = &value.bytes[start..end];
                start = end;
                let mut data = String::with_capacity(slice.len() + slice.len() / 4 + 1024);
                let mut event = envelope.open(&mut data, &id);
                let mut additional = event.object("additionalEventData");
                additional.json(ID_SUM, &id_sum(&id).to_string());
                if let Some(derived) = &envelope.time.derived {
                    additional.json(DERIVED_TIME, derived);
                }
                additional.close();
                let mut parameters = event.object("requestParameters");
                let mut part = parameters.object("part");
                part.text("of", &envelope.id);
                part.text("field", &value.field);
                part.json("number", &number.to_string());
                part.json("total", &self.total.to_string());
                part.text("encoding", value.encoding);
                part.text("slice", slice);
                part.close();
                parameters.close();
                event.close();
                events.push(Event { id, time: envelope.time.seconds, data });
            }
        }
        events
    }
}

/// Whether a value has the form of a reference. A field of an entry that has it goes out in parts, so that no
/// foreign value is ever read as a reference.
pub(super) fn is_reference(value: &str) -> bool {
    value.starts_with('{')
        && Shape::of(value)
            .and_then(|shape| shape.members)
            .is_some_and(|names| names == ["bytes", "parts", "sha256"])
}

fn part_base(id: &str) -> Cow<'_, str> {
    if id.len() <= BASE_LEN { id.into() } else { hex::encode(Sha256::digest(id)).into() }
}

/// Whether an id has the form of a part's, `…-p1`: no event that is not a part goes by such an id.
pub(super) fn is_part_id(id: &str) -> bool {
    id.rsplit_once("-p").is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The id of the event to which a part of that id belongs.
pub fn whole_of(id: &str) -> Option<&str> {
    is_part_id(id).then(|| id.rsplit_once("-p").map(|(whole, _)| whole)).flatten()
}

/// Ends of the fewest slices that each take at most `room` bytes within a JSON string.
fn cut(text: &str, room: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut taken = 0;
    for (at, character) in text.char_indices() {
        let len = json::char_len(character);
        if taken + len > room && at > 0 {
            ends.push(at);
            taken = 0;
        }
        taken += len;
    }
    ends.push(text.len());
    ends
}

#[cfg(test)]
mod tests {
    use super::{cut, is_part_id, is_reference};

    #[test]
    fn slices_are_as_long_as_there_is_room_and_never_empty() {
        for (text, room, ends) in [
            ("", 9, &[0][..]),
            ("abcd", 4, &[4]),
            ("abcde", 2, &[2, 4, 5]),
            ("a\"b", 2, &[1, 2, 3]),
            ("é😀a", 5, &[2, 7]),
            ("ab", 0, &[1, 2]),
        ] {
            assert_eq!(cut(text, room), ends, "{text} in slices of {room}");
        }
    }

    #[test]
    fn an_id_of_a_part_ends_in_its_number() {
        assert!(["x-p1", "-p0", "x-p1-p22"].into_iter().all(is_part_id));
        assert!(!["", "x", "x-p", "x-p1a", "xp1", "x-p1-"].into_iter().any(is_part_id));
    }

    #[test]
    fn a_reference_has_three_members_whatever_their_order() {
        let all = r#"{"sha256":"","parts":[1,1],"bytes":0}"#;
        assert!(is_reference(all));
        for other in ["{}", "[]", "\"\"", r#"{"parts":1}"#, &all.replace('}', r#","more":1}"#)] {
            assert!(!is_reference(other), "{other}");
        }
    }
}
