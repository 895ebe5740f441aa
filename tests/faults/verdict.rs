//! What Kong holds against what is in CloudTrail: what is lost, and what is there more than once
//! and by which calls.

use std::collections::{BTreeSet, HashMap};

use kong_cloudtrail::event::rebuild;
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail_sim::cloudtrail::Call;
use kong_cloudtrail_sim::kong;
use serde_json::Value;

use super::destination::Destination;

/// The comparison, of entries that each fit one event.
pub struct Verdict {
    /// Entries that Kong holds.
    pub entries: usize,
    /// Those of them that are not in CloudTrail.
    pub lost: Vec<String>,
    /// The calls of which events were accepted.
    pub calls: Vec<Call>,
    /// Events that were accepted more than once: their ids, and their calls in order.
    pub repeated: Vec<(String, Vec<usize>)>,
}

impl Verdict {
    /// Compares. Panics where an event does not say all that its entry says, or belongs to none.
    pub fn between(kong: &kong::Simulator, cloudtrail: &Destination) -> Self {
        let calls = cloudtrail.calls();
        let mut events: HashMap<String, Vec<(usize, Value)>> = HashMap::new();
        let mut accepted = cloudtrail.events(0, usize::MAX).into_iter();
        for (number, call) in calls.iter().enumerate() {
            for event in accepted.by_ref().take(call.events.len()) {
                events.entry(event.id).or_default().push((number, event.event_data));
            }
        }
        assert!(accepted.next().is_none(), "each event came by a call");

        let (mut entries, mut lost, mut repeated) = (0, Vec::new(), Vec::new());
        for (sim, stream) in
            [(kong::Stream::Requests, Stream::Requests), (kong::Stream::Objects, Stream::Objects)]
        {
            for entry in kong.entries(sim, 0, usize::MAX) {
                entries += 1;
                let id = entry[stream.id_field()].as_str().unwrap_or_default().to_owned();
                let Some(copies) = events.remove(&id) else {
                    lost.push(id);
                    continue;
                };
                let entry = settled(entry);
                for (_, copy) in &copies {
                    let rebuilt = rebuild::entry(stream, &[copy.to_string()]).unwrap();
                    assert_eq!(settled(serde_json::from_str(&rebuilt).unwrap()), entry, "{id}");
                }
                if copies.len() > 1 {
                    repeated.push((id, copies.into_iter().map(|(call, _)| call).collect()));
                }
            }
        }
        assert!(events.is_empty(), "events that belong to no entry: {:?}", events.keys());
        Self { entries, lost, calls, repeated }
    }

    /// That every entry is in CloudTrail.
    pub fn assert_nothing_is_lost(&self) {
        assert!(self.lost.is_empty(), "{} of {}: {:?}", self.lost.len(), self.entries, self.lost);
    }

    /// That every entry is in CloudTrail, and once.
    pub fn assert_exactly_once(&self) {
        self.assert_nothing_is_lost();
        assert!(self.repeated.is_empty(), "{:?}", self.repeated);
    }

    /// Acceptances too many.
    pub fn repeats(&self) -> usize {
        self.repeated.iter().map(|(_, calls)| calls.len() - 1).sum()
    }

    /// The calls of which an event was accepted again later: for each, the ledger did not hold the
    /// event by the time when it was looked up again.
    pub fn forgotten(&self) -> BTreeSet<usize> {
        let earlier = self.repeated.iter().flat_map(|(_, calls)| &calls[..calls.len() - 1]);
        earlier.copied().collect()
    }
}

/// An entry without its `ttl`, which falls as time passes, and with JSON by its value, since its
/// text is kept only where a signature stands on it.
fn settled(mut entry: Value) -> Value {
    entry.as_object_mut().unwrap().remove("ttl");
    for field in ["payload", "entity"] {
        if let Some(value) = entry[field].as_str().and_then(|text| serde_json::from_str(text).ok())
        {
            entry[field] = value;
        }
    }
    entry
}
