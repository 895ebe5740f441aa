//! The events that were accepted, in that order, repeats included, and the calls that brought them.

use std::collections::HashSet;
use std::ops::Range;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::clock;
use crate::random::{generator, uuid};

/// How much of an accepted event is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Keep {
    /// All of it.
    #[default]
    Events,
    /// Its id: for millions of events.
    Ids,
}

/// An event as CloudTrail Lake holds it.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// The id that the source gave it.
    pub id: String,
    /// The id that CloudTrail gave it.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// Its content; null when only ids are kept.
    #[serde(rename = "eventData")]
    pub event_data: serde_json::Value,
}

/// A call of which events were accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The access key that signed it.
    pub access_key_id: String,
    /// When, in Unix milliseconds by the system's clock.
    pub accepted_ms: u64,
    /// Its accepted events: their places in the order of acceptance.
    pub events: Range<usize>,
    /// [`Faults::reset_after_accept`](super::Faults::reset_after_accept) kept the answer from the
    /// caller.
    pub answer_lost: bool,
}

#[derive(Debug)]
pub(crate) struct Accepted {
    seed: u64,
    /// All ids in one piece, and where each ends.
    ids: String,
    ends: Vec<usize>,
    /// Empty when only ids are kept.
    contents: Vec<Box<str>>,
    keep: Keep,
    /// Half a SHA-256 of each id: 16 bytes, and no two ids are mistaken for one.
    distinct: HashSet<[u8; 16]>,
    calls: Vec<Call>,
}

impl Accepted {
    pub(crate) fn new(keep: Keep, seed: u64) -> Self {
        Self {
            seed,
            ids: String::new(),
            ends: Vec::new(),
            contents: Vec::new(),
            keep,
            distinct: HashSet::new(),
            calls: Vec::new(),
        }
    }

    /// Keeps an event, and gives it CloudTrail's id.
    pub(crate) fn accept(&mut self, id: &str, event_data: &str) -> String {
        self.ids.push_str(id);
        self.ends.push(self.ids.len());
        if self.keep == Keep::Events {
            self.contents.push(event_data.into());
        }
        let hash: [u8; 32] = Sha256::digest(id).into();
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&hash[..16]);
        self.distinct.insert(fingerprint);
        self.event_id(self.ends.len() - 1)
    }

    /// Keeps that one call brought the events from the `first`th on.
    pub(crate) fn close_call(&mut self, access_key_id: String, first: usize, answer_lost: bool) {
        if first < self.len() {
            let accepted_ms = clock::system_ms();
            let events = first..self.len();
            self.calls.push(Call { access_key_id, accepted_ms, events, answer_lost });
        }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn distinct(&self) -> usize {
        self.distinct.len()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        (0..self.len()).map(|number| self.id(number).to_owned()).collect()
    }

    pub(crate) fn events(&self, from: usize, limit: usize) -> Vec<Event> {
        (from..self.len().min(from.saturating_add(limit)))
            .map(|number| Event {
                id: self.id(number).to_owned(),
                event_id: self.event_id(number),
                event_data: self
                    .contents
                    .get(number)
                    .and_then(|content| serde_json::from_str(content).ok())
                    .unwrap_or_default(),
            })
            .collect()
    }

    fn id(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.ids[start..self.ends[number]]
    }

    fn event_id(&self, number: usize) -> String {
        uuid(&mut generator(self.seed, number as u64)).to_string()
    }
}
