//! Where events go, and what all destinations have in common.
//!
//! - [`Protocol`]: what a destination is, for the rest of the crate: its limits, its requests, and what
//!   its answers mean for each event. Each has a folder of its own ([`cloudtrail`], [`cloudwatch`], [`s3`]).
//! - [`Batcher`]: fills batches within a destination's limits.
//! - [`Sender`]: signs, paces, tries again, renews credentials, corrects the clock, for all of them.
//!
//! Another destination is a folder here with a type that implements [`Protocol`], and a choice in [`read`].

mod answer;
mod ask;
mod batch;
mod call;
mod caller;
pub mod cloudtrail;
pub mod cloudwatch;
mod packer;
mod refusal;
pub mod s3;
mod sender;
mod sent;
mod trial;

use std::fmt;
use std::rc::Rc;

pub use answer::{Answer, Outcome, Stop, Undelivered};
pub use batch::{Batch, Batcher, Item, Open, place};
pub use caller::{Identity, Whose, sts_endpoint};
pub use packer::{Packer, line, line_bytes};
pub use sender::{Pace, Sender};
pub use sent::Sent;
pub use trial::Trial;

use crate::aws::{Place, Variant};
use crate::ports::{HttpRequest, HttpResponse};
use crate::terms::Event;
use crate::variables::{AllowEntry, Reader};

/// What a destination is, or another service that is asked in the same way. Failures of HTTP itself are the
/// [`Sender`]'s.
pub trait Protocol: fmt::Debug {
    /// What does not change while it is used.
    fn profile(&self) -> &Profile;
    /// The bytes that the event takes in a request, what stands between it and the next one included.
    fn size(&self, event: &Event) -> usize;
    /// Puts a batch in the order in which it goes out, by AWS's clock. Takes out what cannot go with it in one
    /// call.
    fn arrange(&self, batch: &mut Batch, now_ms: i64) -> Option<Batch> {
        let _ = (batch, now_ms);
        None
    }
    /// Events of different folders go in batches of their own.
    fn folder(&self, item: &Item) -> String {
        let _ = item;
        String::new()
    }
    /// A name that no other batch has, in the folder of its events. `random` tells it from all others, and keeps
    /// anybody else from guessing it.
    fn name(&self, batch: &Batch, now_ms: i64, random: u128) -> String {
        let _ = (batch, now_ms, random);
        String::new()
    }
    /// What must accept a call before the first batch goes out.
    fn gate(&self) -> Option<&dyn Protocol> {
        None
    }
    /// The request that carries the batch, unsigned, by AWS's clock.
    fn request(&self, batch: &Batch, now_ms: i64) -> Result<HttpRequest, Stop>;
    /// The request that carries an event which the destination must refuse for its content, and for that alone
    /// where the caller may put events. [`Trial`] makes the event.
    fn trial(&self, batch: &Batch) -> Result<HttpRequest, Stop>;
    /// What an answer means for the batch.
    fn answer(&self, batch: &Batch, response: &HttpResponse) -> Answer;
}

/// What does not change while a destination is used.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// As the report names it.
    pub word: &'static str,
    /// As messages name it.
    pub name: &'static str,
    /// The service that its requests are signed for.
    pub service: &'static str,
    /// What a ledger is bound to; with the endpoint where that is overridden.
    pub target: String,
    /// The variables that name it.
    pub target_variables: &'static str,
    /// Partition, region and account.
    pub place: Place,
    /// Where its requests go.
    pub endpoint: String,
    /// The variable that overrides its endpoint.
    pub endpoint_variable: &'static str,
    /// Whether that variable is set.
    pub is_overridden: bool,
    /// What to do when it cannot be reached.
    pub unreachable: &'static str,
    /// What to check when it refuses all events of batch after batch.
    pub flood: &'static str,
    /// How it is tried out by a call that it must refuse: what is sent.
    pub trial: &'static str,
    /// What its refusal proves.
    pub trial_proves: &'static str,
    /// What the names of its batches begin with, where it keeps batches under names. A batch that is sent again
    /// under its name is not kept twice.
    pub names: Option<String>,
    /// What a request may hold.
    pub limits: Limits,
}

/// What one request may hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Most events.
    pub events: usize,
    /// Most bytes of body.
    pub bytes: usize,
    /// Of them, the bytes of a body without events.
    pub envelope: usize,
    /// No two events of one id.
    pub distinct_ids: bool,
    /// Most calls under way at once, where that is not left to `max_in_flight` alone.
    pub at_once: Option<usize>,
}

/// The destination that the variables name. Where they do not say enough, that is a mistake, and an empty
/// destination is returned.
pub fn read(
    reader: &mut Reader<'_>,
    variant: Variant,
    allow_outbound: Option<&AllowEntry>,
) -> Rc<dyn Protocol> {
    use cloudtrail::CloudTrail;
    use cloudwatch::CloudWatch;
    use s3::S3;
    let word = reader.set("destination").unwrap_or_default();
    let destination: Rc<dyn Protocol> = match word.as_str() {
        CloudTrail::WORD => {
            Rc::new(CloudTrail::read(reader, variant, allow_outbound).unwrap_or_default())
        }
        CloudWatch::WORD => {
            Rc::new(CloudWatch::read(reader, variant, allow_outbound).unwrap_or_default())
        }
        S3::WORD => Rc::new(S3::read(reader, variant, allow_outbound).unwrap_or_default()),
        _ => {
            reader.mistake(format!("destination {word:?} must be cloudtrail, cloudwatch or s3"));
            return Rc::new(CloudTrail::default());
        }
    };
    let all = [
        (CloudTrail::WORD, &CloudTrail::VARIABLES[..]),
        (CloudWatch::WORD, &CloudWatch::VARIABLES),
        (S3::WORD, &S3::VARIABLES),
    ];
    for (other, variables) in all.into_iter().filter(|(other, _)| *other != word) {
        reader.ignore(variables, other);
    }
    destination
}

#[cfg(test)]
mod tests;
