//! One stream of the audit log: which entries Kong retains and in which order, at eight bytes an
//! entry. What an entry says is told again from its source when it is read.
//!
//! Pages are cut as a database cuts them by key: an offset names the last entry of its page, and
//! the next page begins behind that entry, whatever has arrived meanwhile. Kong's own queries do
//! so (Kong/kong, `kong/db/strategies/postgres/init.lua`). With the fault `shifting_offsets` an
//! offset is a position instead, and entries that arrive push others across page borders.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;

use super::activity::{Burst, Call};
use crate::random::mix;

/// In which order a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By time, newest first.
    NewestFirst,
    /// By primary key, which is random: no order as far as a reader can tell, though the same one
    /// on every page.
    ByKey,
}

/// An entry's place in the stream. Read from the greatest down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    /// Unix seconds, or a number as good as random.
    key: u32,
    /// The number of the entry by arrival.
    entry: u32,
}

/// Where entries come from.
#[derive(Clone, Debug)]
enum Source {
    Burst(Arc<Burst>),
    Added(Arc<Added>),
    Call(Arc<Call>),
}

/// An entry that was given as it stands.
#[derive(Debug)]
pub(crate) struct Added {
    /// Its JSON.
    pub(crate) json: Box<RawValue>,
    expires_at: i64,
}

/// One entry, to be written out.
#[derive(Debug)]
pub(crate) enum Item {
    Generated(Arc<Burst>, u32),
    Added(Arc<Added>),
    Call(Arc<Call>),
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset {
    last: Slot,
    position: u64,
    /// How many pages were read.
    pub(crate) pages: u64,
}

/// What to read.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// Unix seconds, inclusive.
    pub(crate) after: Option<i64>,
    /// Unix seconds, exclusive.
    pub(crate) before: Option<i64>,
    pub(crate) offset: Option<Offset>,
    pub(crate) size: usize,
    /// Offsets are positions.
    pub(crate) shifting: bool,
}

/// One of the two streams.
#[derive(Debug)]
pub(crate) struct Trail {
    order: Order,
    seed: u64,
    record_ttl: i64,
    objects: bool,
    slots: Vec<Slot>,
    /// Each with the number of its first entry.
    sources: Vec<(u32, Source)>,
    arrived: u32,
    next_expiry: i64,
}

impl Trail {
    pub(crate) fn new(order: Order, objects: bool, seed: u64, record_ttl: i64) -> Self {
        Self {
            order,
            seed,
            record_ttl,
            objects,
            slots: Vec::new(),
            sources: Vec::new(),
            arrived: 0,
            next_expiry: i64::MAX,
        }
    }

    /// Adds the first `count` entries of a burst.
    pub(crate) fn add_burst(&mut self, burst: &Arc<Burst>, count: u32) {
        let times = (0..count)
            .map(|index| if self.objects { burst.object_at(index) } else { burst.at(index) })
            .collect::<Vec<_>>();
        self.arrive(Source::Burst(burst.clone()), times);
    }

    /// Adds an entry as it stands. It is filed by its `request_timestamp` where that is a number,
    /// else by `now`, and lives for its own `ttl` where it has one: Kong sets both at insertion.
    pub(crate) fn add(&mut self, json: Box<RawValue>, now: i64) {
        #[derive(serde::Deserialize)]
        struct Times {
            request_timestamp: Option<serde_json::Value>,
            ttl: Option<serde_json::Value>,
        }
        let times: Option<Times> = serde_json::from_str(json.get()).ok();
        let (at, ttl) = times.map_or((None, None), |times| {
            (
                times.request_timestamp.as_ref().and_then(serde_json::Value::as_i64),
                times.ttl.as_ref().and_then(serde_json::Value::as_i64),
            )
        });
        let expires_at = now + ttl.unwrap_or(self.record_ttl);
        self.arrive(Source::Added(Arc::new(Added { json, expires_at })), vec![at.unwrap_or(now)]);
    }

    /// Adds a single call.
    pub(crate) fn add_call(&mut self, call: Call) {
        let at = call.at;
        self.arrive(Source::Call(Arc::new(call)), vec![at]);
    }

    fn arrive(&mut self, source: Source, times: Vec<i64>) {
        self.sources.push((self.arrived, source));
        let held = self.slots.len();
        for at in times {
            let entry = self.arrived;
            let key = match self.order {
                // Clamped to the years 1970 to 2106, within which clocks move.
                Order::NewestFirst => u32::try_from(at.max(0)).unwrap_or(u32::MAX),
                Order::ByKey => u32::try_from(mix(self.seed, entry.into()) >> 32).unwrap_or(0),
            };
            self.slots.push(Slot { key, entry });
            self.next_expiry = self.next_expiry.min(self.expires_at(entry, at));
            self.arrived += 1;
        }
        if !self.slots[held.saturating_sub(1)..].is_sorted() {
            // Stable for its speed on what is nearly sorted.
            self.slots.sort();
        }
    }

    /// The number of entries that Kong retains.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Drops what has expired by `now`.
    pub(crate) fn expire(&mut self, now: i64) {
        if now < self.next_expiry {
            return;
        }
        let mut slots = std::mem::take(&mut self.slots);
        let mut next_expiry = i64::MAX;
        slots.retain(|slot| {
            let expires_at = self.expires_at(slot.entry, self.at(slot.entry));
            let retained = now < expires_at;
            if retained {
                next_expiry = next_expiry.min(expires_at);
            }
            retained
        });
        (self.slots, self.next_expiry) = (slots, next_expiry);
    }

    fn source(&self, entry: u32) -> (&Source, u32) {
        let behind = self.sources.partition_point(|(first, _)| *first <= entry);
        let (first, source) = &self.sources[behind - 1];
        (source, entry - first)
    }

    fn at(&self, entry: u32) -> i64 {
        match self.source(entry) {
            (Source::Burst(burst), index) if self.objects => burst.object_at(index),
            (Source::Burst(burst), index) => burst.at(index),
            (Source::Call(call), _) => call.at,
            (Source::Added(_), _) => 0,
        }
    }

    fn expires_at(&self, entry: u32, at: i64) -> i64 {
        match self.source(entry).0 {
            Source::Added(added) => added.expires_at,
            _ => at + self.record_ttl,
        }
    }

    fn item(&self, entry: u32) -> Item {
        match self.source(entry) {
            (Source::Burst(burst), index) => Item::Generated(burst.clone(), index),
            (Source::Added(added), _) => Item::Added(added.clone()),
            (Source::Call(call), _) => Item::Call(call.clone()),
        }
    }

    /// The slots within the window, which only an order by time can tell.
    fn window(&self, query: &Query) -> Range<usize> {
        let index_of = |bound: i64| self.slots.partition_point(|slot| i64::from(slot.key) < bound);
        let from = query.after.map_or(0, index_of);
        let to = query.before.map_or(self.slots.len(), index_of);
        from..to.max(from)
    }

    /// A page, and where it ended if anything is left behind it.
    pub(crate) fn page(&self, query: &Query) -> (Vec<Item>, Option<Offset>) {
        let window = self.window(query);
        let read = query.offset.map_or(0, |offset| offset.position);
        let end = match query.offset {
            None => window.end,
            Some(_) if query.shifting => {
                let read = usize::try_from(read).unwrap_or(usize::MAX);
                window.end.saturating_sub(read).max(window.start)
            }
            Some(offset) => {
                let end = self.slots.partition_point(|slot| *slot < offset.last);
                end.clamp(window.start, window.end)
            }
        };
        let start = end.saturating_sub(query.size).max(window.start);
        let page = &self.slots[start..end];
        let items = page.iter().rev().map(|slot| self.item(slot.entry)).collect();
        let offset = page.first().filter(|_| start > window.start).map(|last| Offset {
            last: *last,
            position: read + page.len() as u64,
            pages: query.offset.map_or(0, |offset| offset.pages) + 1,
        });
        (items, offset)
    }

    /// Entries `from` to `from + limit`, oldest first: by time where that is the order, else by
    /// arrival.
    pub(crate) fn oldest(&self, from: usize, limit: usize) -> Vec<Item> {
        let by_arrival = (self.order == Order::ByKey).then(|| {
            let mut slots = self.slots.clone();
            slots.sort_unstable_by_key(|slot| slot.entry);
            slots
        });
        let slots = by_arrival.as_ref().unwrap_or(&self.slots);
        slots.iter().skip(from).take(limit).map(|slot| self.item(slot.entry)).collect()
    }
}

impl Offset {
    /// The opaque string: like Kong's, a JSON array in base64.
    pub(crate) fn encode(self) -> String {
        let numbers = (self.last.key, self.last.entry, self.position, self.pages);
        BASE64_STANDARD.encode(serde_json::to_vec(&numbers).unwrap_or_default())
    }

    /// An offset out of its string, or what Kong says of it.
    pub(crate) fn decode(text: &str) -> Result<Self, &'static str> {
        let json = BASE64_STANDARD.decode(text).map_err(|_| "bad base64 encoding")?;
        let (key, entry, position, pages) =
            serde_json::from_slice(&json).map_err(|_| "bad json encoding")?;
        Ok(Self { last: Slot { key, entry }, position, pages })
    }
}
