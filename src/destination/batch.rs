//! Batches: events packed for one request.

use std::collections::HashSet;

use super::{Limits, Protocol};
use crate::terms::Event;

/// An event on its way.
#[derive(Clone, Debug)]
pub struct Item {
    /// The event.
    pub event: Event,
    /// The number of its entry, among those of one run.
    pub entry: u64,
    /// Its place among the events of that entry.
    pub part: usize,
    /// It was in a call whose answer was lost, or did not mention it.
    pub doubtful: bool,
    /// Its timestamp was refused, and it goes out with the present one.
    pub retimed: bool,
}

impl Item {
    /// An event that was in no call yet.
    pub fn new(event: Event, entry: u64, part: usize) -> Self {
        Self { event, entry, part, doubtful: false, retimed: false }
    }
}

/// Events of one request, in order, within the destination's [`Limits`].
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// At least one.
    pub items: Vec<Item>,
}

/// Fills batches by count and bytes, in order.
pub struct Batcher<'p> {
    protocol: &'p dyn Protocol,
    open: Batch,
    ids: HashSet<String>,
    bytes: usize,
}

impl<'p> Batcher<'p> {
    /// Begins an empty batch.
    pub fn new(protocol: &'p dyn Protocol) -> Self {
        Self { protocol, open: Batch::default(), ids: HashSet::new(), bytes: 0 }
    }

    /// Adds an event. When the open batch has no room for it, returns that batch and begins another one.
    pub fn push(&mut self, item: Item) -> Option<Batch> {
        let Limits { events, bytes, envelope, distinct_ids } = self.protocol.profile().limits;
        let size = self.protocol.size(&item.event);
        let full = self.open.items.len() == events
            || envelope + self.bytes + size > bytes
            || (distinct_ids && self.ids.contains(&item.event.id));
        let closed = if full { self.close() } else { None };
        if distinct_ids {
            self.ids.insert(item.event.id.clone());
        }
        self.bytes += size;
        self.open.items.push(item);
        closed
    }

    /// Gives what has been gathered, if anything has.
    pub fn close(&mut self) -> Option<Batch> {
        let Self { open, .. } = std::mem::replace(self, Self::new(self.protocol));
        (!open.items.is_empty()).then_some(open)
    }
}
