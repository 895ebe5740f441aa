//! A dead letter, and how it is stored.

use serde::{Deserialize, Serialize};

use crate::terms::{Event, Stream};
use crate::wire::read_rfc3339;

/// How the error of a letter begins that is of what could not be read of Kong.
pub const UNREADABLE: &str = "unreadable";

/// An event that the destination refuses, whole, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The stream that its entry came from.
    pub stream: Stream,
    /// The event's id.
    pub id: String,
    /// The entry's own id, or what log lines call it by.
    pub entry: String,
    /// What the destination answered; `unreadable` and Kong's error, where there is no event.
    pub error: String,
    /// When it became a dead letter, in Unix seconds by Kong's clock.
    pub refused_at: i64,
    /// The next run is to send it again.
    pub replay: bool,
    /// `eventData`, as it was sent. Of what cannot be read, the text of the row, as JSON, or null.
    pub data: String,
}

/// A letter's first line in its chunk; `bytes` of `eventData` follow, and a line break.
#[derive(Serialize, Deserialize)]
struct Label {
    stream: String,
    id: String,
    entry: String,
    error: String,
    refused_at: i64,
    replay: bool,
    bytes: usize,
}

impl DeadLetter {
    /// The event, with the time that it tells.
    pub fn event(&self) -> Event {
        let time = event_time(&self.data).unwrap_or_default();
        Event { id: self.id.clone(), time, data: self.data.clone() }
    }

    /// Whether it is of what could not be read of Kong. There is no event in it.
    pub fn is_unreadable(&self) -> bool {
        self.error.starts_with(UNREADABLE)
    }

    /// Whether `other` is of the same event.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        (self.stream, &self.id) == (other.stream, &other.id)
    }
}

/// The `eventTime` in `eventData`.
fn event_time(data: &str) -> Option<i64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'d> {
        event_time: &'d str,
    }
    let Data { event_time } = serde_json::from_str(data).ok()?;
    read_rfc3339(event_time)
}

/// A letter as it stands in a chunk.
pub(super) fn encoded(letter: &DeadLetter) -> Vec<u8> {
    let label = Label {
        stream: letter.stream.name().to_owned(),
        id: letter.id.clone(),
        entry: letter.entry.clone(),
        error: letter.error.clone(),
        refused_at: letter.refused_at,
        replay: letter.replay,
        bytes: letter.data.len(),
    };
    let mut out = serde_json::to_vec(&label).unwrap_or_default();
    out.push(b'\n');
    out.extend_from_slice(letter.data.as_bytes());
    out.push(b'\n');
    out
}

/// The letters of a chunk.
pub(super) fn decode(body: &[u8]) -> Option<(u64, Vec<DeadLetter>)> {
    let (generation, mut body) = body.split_first_chunk()?;
    let mut letters = Vec::new();
    while !body.is_empty() {
        let (label, rest) = body.split_at(body.iter().position(|byte| *byte == b'\n')?);
        let label: Label = serde_json::from_slice(label).ok()?;
        let (data, rest) = rest[1..].split_at_checked(label.bytes)?;
        letters.push(DeadLetter {
            stream: Stream::ALL.into_iter().find(|stream| stream.name() == label.stream)?,
            id: label.id,
            entry: label.entry,
            error: label.error,
            refused_at: label.refused_at,
            replay: label.replay,
            data: String::from_utf8(data.to_vec()).ok()?,
        });
        body = rest.strip_prefix(b"\n")?;
    }
    Some((u64::from_be_bytes(*generation), letters))
}
