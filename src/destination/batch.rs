//! Batches: events packed for one request.

use std::collections::{BTreeMap, HashSet};

use super::{Limits, Packer, Protocol};
use crate::terms::{Event, Stream};

/// So many folders are filled at once, at most. In an order of time there are two.
const MOST_FOLDERS: usize = 8;

/// An event on its way.
#[derive(Clone, Debug)]
pub struct Item {
    /// The stream of its entry.
    pub stream: Stream,
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
    /// An event that was in no call yet, of the requests.
    pub fn new(event: Event, entry: u64, part: usize) -> Self {
        Self { stream: Stream::Requests, event, entry, part, doubtful: false, retimed: false }
    }

    /// The same, of that stream.
    #[must_use]
    pub fn of(self, stream: Stream) -> Self {
        Self { stream, ..self }
    }
}

/// Events of one request, in order, within the destination's [`Limits`].
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// At least one.
    pub items: Vec<Item>,
    /// What the destination keeps it under, where it keeps batches under names; empty until it has one.
    pub name: String,
    /// The name was made in this run, and no call under it may have arrived: what is there is somebody else's.
    pub is_untried: bool,
    /// Its lines, compressed, where the destination keeps batches under names. The data of its events is in
    /// them alone then.
    pub packed: Vec<u8>,
}

/// A name without its random part, which nobody is to learn before there is something under it.
pub fn place(name: &str) -> &str {
    name.rsplit_once('-').map_or("", |(place, _)| place)
}

impl Batch {
    /// A batch of these, without a name.
    pub fn of(items: Vec<Item>) -> Self {
        Self { items, ..Self::default() }
    }
}

/// A batch that is being filled.
#[derive(Default)]
pub struct Open {
    items: Vec<Item>,
    ids: HashSet<String>,
    bytes: usize,
    packer: Option<Packer>,
}

impl Open {
    /// An empty one, which is packed if that is what the destination takes.
    pub fn new(protocol: &dyn Protocol) -> Self {
        let packer = protocol.profile().names.is_some().then(Packer::default);
        Self { packer, ..Self::default() }
    }

    /// Adds an event that takes so many bytes.
    pub fn push(&mut self, mut item: Item, size: usize) {
        self.bytes += size;
        if let Some(packer) = &mut self.packer {
            packer.push(&item.event);
            item.event.data = String::new();
        }
        self.items.push(item);
    }

    /// The batch, if anything is in it.
    pub fn close(self) -> Option<Batch> {
        let Self { items, packer, .. } = self;
        let packed = packer.map_or_else(Vec::new, Packer::finish);
        (!items.is_empty()).then_some(Batch { items, packed, ..Batch::default() })
    }
}

/// Fills batches by count and bytes, in order, one for each folder.
pub struct Batcher<'p> {
    protocol: &'p dyn Protocol,
    open: BTreeMap<String, Open>,
}

impl<'p> Batcher<'p> {
    /// Begins an empty batch.
    pub fn new(protocol: &'p dyn Protocol) -> Self {
        Self { protocol, open: BTreeMap::new() }
    }

    /// Adds an event. When its batch has no room for it, returns that batch and begins another one. When all
    /// batches together take too much, returns the largest.
    pub fn push(&mut self, item: Item) -> Option<Batch> {
        let Limits { events, bytes, envelope, distinct_ids, .. } = self.protocol.profile().limits;
        let size = self.protocol.size(&item.event);
        let folder = self.protocol.folder(&item);
        let full = self.open.get(&folder).is_some_and(|open| {
            open.items.len() == events
                || envelope + open.bytes + size > bytes
                || (distinct_ids && open.ids.contains(&item.event.id))
        });
        let closed = if full { self.open.remove(&folder) } else { None };
        let open = self.open.entry(folder).or_insert_with(|| Open::new(self.protocol));
        if distinct_ids {
            open.ids.insert(item.event.id.clone());
        }
        open.push(item, size);
        let taken: usize = self.open.values().map(|open| open.bytes).sum();
        let crowded = self.open.len() > MOST_FOLDERS || (self.open.len() > 1 && taken > bytes);
        closed.or_else(|| if crowded { self.largest() } else { None })?.close()
    }

    fn largest(&mut self) -> Option<Open> {
        let largest = self.open.iter().max_by_key(|(_, open)| open.bytes)?.0.clone();
        self.open.remove(&largest)
    }

    /// Gives what has been gathered.
    pub fn close(&mut self) -> Vec<Batch> {
        std::mem::take(&mut self.open).into_values().filter_map(Open::close).collect()
    }
}
