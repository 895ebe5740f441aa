//! One stream of the audit log: which entries Kong retains and in which order, at eight bytes an
//! entry. What an entry says is told again from its source when it is read.
//!
//! A row has the time that its database holds, which is what filters and the order by time go by,
//! and an expiry, which it keeps whatever becomes of the configuration. Both are those of its
//! writing, unless an upgrade brought the column for the time: see [`Leaves`].

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Stream;
use super::activity::{Burst, Call};
use super::options::Leaves;
use super::page::Place;
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

/// The key of a slot whose row holds no time.
const NO_TIME: u32 = u32::MAX;

/// An entry's place in the stream. Read from the greatest down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    /// Unix seconds or [`NO_TIME`], or a number as good as random.
    key: u32,
    /// The number of the entry by arrival.
    entry: u32,
}

/// Entries that arrived together.
#[derive(Debug)]
struct Arrival {
    /// The number of the first.
    first: u32,
    source: Source,
    /// For how many seconds they were kept at their writing; none for ever.
    lifetime: Option<i64>,
    /// What an upgrade left for their time.
    leaves: Option<Leaves>,
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
    at: Option<i64>,
    expires_at: Option<i64>,
}

impl Added {
    /// The entry's id, empty where it has none that is a string.
    pub(crate) fn id(&self, stream: Stream) -> String {
        let name = if stream == Stream::Requests { "request_id" } else { "id" };
        let fields: Option<serde_json::Value> = serde_json::from_str(self.json.get()).ok();
        fields.as_ref().and_then(|fields| fields[name].as_str()).unwrap_or_default().to_owned()
    }
}

/// One entry, to be written out.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) what: What,
    /// Its `request_timestamp`, as the database holds it.
    pub(crate) stored_at: Option<i64>,
    /// The second in which it goes, if ever.
    pub(crate) expires_at: Option<i64>,
}

/// What an entry tells of.
#[derive(Debug)]
pub(crate) enum What {
    Generated(Arc<Burst>, u32),
    Added(Arc<Added>),
    Call(Arc<Call>),
}

/// One of the two streams.
#[derive(Debug)]
pub(crate) struct Trail {
    order: Order,
    seed: u64,
    lifetime: Option<i64>,
    objects: bool,
    slots: Vec<Slot>,
    arrivals: Vec<Arrival>,
    arrived: u32,
    next_expiry: i64,
}

impl Trail {
    pub(crate) fn new(order: Order, objects: bool, seed: u64, lifetime: Option<i64>) -> Self {
        Self {
            order,
            seed,
            lifetime,
            objects,
            slots: Vec::new(),
            arrivals: Vec::new(),
            arrived: 0,
            next_expiry: i64::MAX,
        }
    }

    /// For how many seconds entries are kept that arrive from now on; none for ever.
    pub(crate) fn set_lifetime(&mut self, lifetime: Option<i64>) {
        self.lifetime = lifetime;
    }

    /// Goes on in another order. `leaves` is what stands for the times of the entries that are
    /// there, when their table had no column for them until now.
    pub(crate) fn upgrade(&mut self, order: Order, leaves: Option<Leaves>) {
        self.order = order;
        if leaves.is_some() {
            for arrival in &mut self.arrivals {
                arrival.leaves = leaves;
            }
        }
        let mut slots = std::mem::take(&mut self.slots);
        for slot in &mut slots {
            slot.key = self.key(slot.entry);
        }
        slots.sort_unstable();
        self.slots = slots;
    }

    /// Adds the first `count` entries of a burst.
    pub(crate) fn add_burst(&mut self, burst: &Arc<Burst>, count: u32) {
        self.arrive(Source::Burst(burst.clone()), count);
    }

    /// Adds an entry as it stands. It is filed by its `request_timestamp` where that is a number or
    /// null, else by `now`, and goes by its own `ttl` where that is a number or null, else by the
    /// trail's: Kong sets both at insertion.
    pub(crate) fn add(&mut self, json: Box<RawValue>, now: i64) {
        let (mut at, mut lifetime) = (Some(now), self.lifetime);
        let fields: Option<serde_json::Map<_, _>> = serde_json::from_str(json.get()).ok();
        for (name, of_entry) in [("request_timestamp", &mut at), ("ttl", &mut lifetime)] {
            match fields.as_ref().and_then(|fields| fields.get(name)) {
                Some(serde_json::Value::Null) => *of_entry = None,
                Some(value) => *of_entry = value.as_i64().or(*of_entry),
                None => {}
            }
        }
        let expires_at = lifetime.map(|lifetime| now + lifetime);
        self.arrive(Source::Added(Arc::new(Added { json, at, expires_at })), 1);
    }

    /// Adds a single call.
    pub(crate) fn add_call(&mut self, call: Call) {
        self.arrive(Source::Call(Arc::new(call)), 1);
    }

    fn arrive(&mut self, source: Source, count: u32) {
        let first = self.arrived;
        self.arrivals.push(Arrival { first, source, lifetime: self.lifetime, leaves: None });
        let held = self.slots.len();
        for entry in first..first + count {
            self.slots.push(Slot { key: self.key(entry), entry });
            self.next_expiry = self.next_expiry.min(self.expires_at(entry).unwrap_or(i64::MAX));
        }
        self.arrived += count;
        if !self.slots[held.saturating_sub(1)..].is_sorted() {
            // Stable for its speed on what is nearly sorted.
            self.slots.sort();
        }
    }

    fn key(&self, entry: u32) -> u32 {
        match self.order {
            // Clamped to the years 1970 to 2106, within which clocks move.
            Order::NewestFirst => self.stored_at(entry).map_or(NO_TIME, |at| {
                u32::try_from(at.max(0)).map_or(NO_TIME - 1, |at| at.min(NO_TIME - 1))
            }),
            Order::ByKey => u32::try_from(mix(self.seed, entry.into()) >> 32).unwrap_or(0),
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
            let expires_at = self.expires_at(slot.entry).unwrap_or(i64::MAX);
            let retained = now < expires_at;
            if retained {
                next_expiry = next_expiry.min(expires_at);
            }
            retained
        });
        (self.slots, self.next_expiry) = (slots, next_expiry);
    }

    /// The arrival to which an entry belongs, and its number there.
    fn arrival(&self, entry: u32) -> (&Arrival, u32) {
        let behind = self.arrivals.partition_point(|arrival| arrival.first <= entry);
        let arrival = &self.arrivals[behind - 1];
        (arrival, entry - arrival.first)
    }

    /// When the entry was written.
    fn written_at(&self, entry: u32) -> Option<i64> {
        let (arrival, index) = self.arrival(entry);
        match &arrival.source {
            Source::Burst(burst) if self.objects => Some(burst.object_at(index)),
            Source::Burst(burst) => Some(burst.at(index)),
            Source::Call(call) => Some(call.at),
            Source::Added(added) => added.at,
        }
    }

    fn stored_at(&self, entry: u32) -> Option<i64> {
        match self.arrival(entry).0.leaves {
            None => self.written_at(entry),
            Some(Leaves::One) => Some(1),
            Some(Leaves::Null) => None,
        }
    }

    fn expires_at(&self, entry: u32) -> Option<i64> {
        let arrival = self.arrival(entry).0;
        match &arrival.source {
            Source::Added(added) => added.expires_at,
            _ => self.written_at(entry).zip(arrival.lifetime).map(|(at, lifetime)| at + lifetime),
        }
    }

    fn item(&self, entry: u32) -> Item {
        let (arrival, index) = self.arrival(entry);
        let what = match &arrival.source {
            Source::Burst(burst) => What::Generated(burst.clone(), index),
            Source::Added(added) => What::Added(added.clone()),
            Source::Call(call) => What::Call(call.clone()),
        };
        Item { what, stored_at: self.stored_at(entry), expires_at: self.expires_at(entry) }
    }

    /// Where the `n`th row in the order of reading stands.
    pub(crate) fn place(&self, n: usize) -> Place {
        let slot = self.nth(n);
        (slot.key.into(), slot.entry.into())
    }

    /// The time of the `n`th row, where rows are read by time.
    pub(crate) fn time_of(&self, n: usize) -> Option<i64> {
        let key = self.nth(n).key;
        (key != NO_TIME).then(|| key.into())
    }

    /// The `n`th row in the order of reading.
    pub(crate) fn row(&self, n: usize) -> Item {
        self.item(self.nth(n).entry)
    }

    fn nth(&self, n: usize) -> Slot {
        self.slots[self.slots.len() - 1 - n]
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
