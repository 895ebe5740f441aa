//! Calls that carry no batch of a run's: the gate before the first batch, and what [`crate::check`] asks.

use super::{Batch, Item, Protocol, Sender, Sent, Stop, Undelivered};
use crate::aws::credentials::FetchError;
use crate::ports::{Clock, Files, Http, Log, Random};
use crate::terms::Event;
use crate::words::Told;

impl<P: Http + Clock + Random + Files + Log> Sender<'_, P> {
    /// Calls the protocol's gate, if there is one, until it accepts, once in a run.
    pub(super) async fn pass_gate(&self, may_call: &impl Fn() -> bool) -> Result<(), Stop> {
        let Some(gate) = self.protocol.gate() else { return Ok(()) };
        let mut admitted = self.admitted.lock().await;
        if *admitted {
            return Ok(());
        }
        match self.ask(gate, Event::default(), may_call).await? {
            None => {
                *admitted = true;
                Ok(())
            }
            Some(why) => Err(Stop::Account(Told::new(why.to_string(), gate.profile().unreachable))),
        }
    }

    /// Makes one call that changes nothing, again where that may help. Returns why the event was not taken, or
    /// nothing where it was.
    pub(crate) async fn ask(
        &self,
        protocol: &dyn Protocol,
        event: Event,
        may_call: &impl Fn() -> bool,
    ) -> Result<Option<Undelivered>, Stop> {
        let mut item = Item::new(event, 0, 0);
        // A call that changes nothing leaves no doubt.
        item.doubtful = true;
        let mut sent = Sent::default();
        self.send_one(protocol, Batch::of(vec![item]), may_call, &mut sent).await;
        match (sent.accepted.is_empty(), sent.stop) {
            (false, _) => Ok(None),
            (true, Some(stop)) => Err(stop),
            (true, None) => {
                let nothing = || Undelivered::Pending(String::new());
                Ok(Some(sent.undelivered.pop().map_or_else(nothing, |(_, why)| why)))
            }
        }
    }

    /// Has the source give credentials. Returns when they end, in Unix milliseconds, where it says so.
    pub(crate) async fn credentials_end_ms(&self) -> Result<Option<i64>, FetchError> {
        self.credentials.lend(self.clock_ahead_ms.get()).await?;
        Ok(self.credentials.end_ms().await)
    }
}
