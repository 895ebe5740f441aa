//! Where events go, and what all destinations have in common.
//!
//! - [`Protocol`]: what a destination is, for the rest of the crate: its limits, its requests, and what
//!   its answers mean for each event. Each has a folder of its own ([`cloudtrail`], [`cloudwatch`]).
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
mod refusal;
mod sender;
mod trial;

use std::fmt;
use std::rc::Rc;

pub use answer::{Answer, Outcome, Stop, Undelivered};
pub use batch::{Batch, Batcher, Item};
pub use caller::{Identity, Whose, sts_endpoint};
pub use sender::{Pace, Sender, Sent};
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
    let word = reader.set("destination").unwrap_or_default();
    match word.as_str() {
        CloudTrail::WORD => {
            reader.ignore(&CloudWatch::VARIABLES, CloudWatch::WORD);
            Rc::new(CloudTrail::read(reader, variant, allow_outbound).unwrap_or_default())
        }
        CloudWatch::WORD => {
            reader.ignore(&CloudTrail::VARIABLES, CloudTrail::WORD);
            Rc::new(CloudWatch::read(reader, variant, allow_outbound).unwrap_or_default())
        }
        _ => {
            reader.mistake(format!("destination {word:?} must be cloudtrail or cloudwatch"));
            Rc::new(CloudTrail::default())
        }
    }
}

#[cfg(test)]
mod tests;
