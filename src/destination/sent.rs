//! What became of a batch.

use super::{Batch, Item, Stop, Undelivered};

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Sent {
    /// Events that the destination has.
    pub accepted: Vec<Item>,
    /// The others, each with the reason.
    pub undelivered: Vec<(Item, Undelivered)>,
    /// What could not go with the batch in one call: batches of their own.
    pub left: Vec<Batch>,
    /// Why nothing else is to be sent.
    pub stop: Option<Stop>,
    /// The batch's name, where it had one.
    pub name: String,
    /// Somebody else has put something under that name.
    pub is_taken: bool,
    /// It has a name, and a call may have arrived whose answer did not.
    pub may_have_arrived: bool,
}

impl Sent {
    /// The batch is left to another run.
    pub(super) fn give_up(&mut self, batch: Batch, why: &str) {
        let pending = Undelivered::Pending(why.to_owned());
        self.undelivered.extend(batch.items.into_iter().map(|item| (item, pending.clone())));
    }

    /// Nothing else is to be sent.
    pub(super) fn stop(&mut self, batch: Batch, why: Stop) {
        self.give_up(batch, &why.to_string());
        self.stop = Some(why);
    }
}
