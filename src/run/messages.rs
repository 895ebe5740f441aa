//! What reports and log lines say of a run.

use std::fmt::Display;

use crate::coverage::Sweep;
use crate::kong::Version;
use crate::terms::Stream;

/// The most entries of a stream that are meant to be read as a whole, again and again.
pub const MOST_WITHOUT_FILTERS: usize = 1_000_000;

pub fn too_many(stream: Stream, version: &Version, kept: usize) -> String {
    format!(
        "the ledger holds {kept} fingerprints of {}, and Kong {} gives only all of them at once, which is meant for \
         {MOST_WITHOUT_FILTERS} at most: nothing is lost, but runs take ever longer; upgrade Kong to 3.7 or later, shorten \
         audit_log_record_ttl, or let no proxy drop the query",
        stream.name(),
        version
    )
}

pub fn left_behind_by(stream: Stream) -> String {
    format!(
        "{} entries that the comparison with all that Kong retains met before are pending: it begins again when it is \
         through, and tries them again",
        stream.name()
    )
}

pub fn not_compared(stream: Stream) -> String {
    format!(
        "all {} entries that tell their time are shipped, and those that do not are being looked for among all that Kong \
         retains: the next run goes on with it",
        stream.name()
    )
}

pub fn spread(stream: Stream, sweep: &Sweep) -> String {
    format!(
        "all {} entries that Kong {} held at {} are accounted for, and what came since is left to the next run: reading all \
         of them took several; raise run_budget_secs, or upgrade Kong to 3.7 or later",
        stream.name(),
        sweep.version,
        sweep.began
    )
}

pub fn sweep_goes_on(stream: Stream, sweep: &Sweep) -> String {
    format!(
        "the comparison of {} with all that Kong retains, begun at {}, goes on in the next run",
        stream.name(),
        sweep.began
    )
}

pub fn filters_ignored(stream: Stream, version: &str) -> String {
    format!(
        "Kong {version} ignored before and after on /audit/{}, so all of it is read, every full_secs: check that no \
         proxy drops the query",
        stream.name()
    )
}

pub fn hidden_entries(hides: &[String], destination: &str) -> String {
    format!(
        "Kong keeps some calls or rows out of its audit log, and so out of {destination}: {}; check kong.conf on \
         the control plane if that is not meant",
        hides.join("; ")
    )
}

pub fn pending(stream: Stream, entries: u64, why: &str) -> String {
    format!(
        "{entries} of the {} entries are pending, and tried again by the next run: {why}",
        stream.name()
    )
}

pub fn rejected(destination: &str, stream: Stream, entries: u64, why: &str) -> String {
    format!(
        "{destination} refused {entries} of the {} entries for good, which are dead letters now (see kong-cloudtrail dead-letters): {why}",
        stream.name()
    )
}

pub fn unreadable(stream: Stream, places: u64, why: &str) -> String {
    format!(
        "{places} of the {} entries, or seconds of them, could not be read for 24 hours, so the watermark passes them; they \
         are dead letters now (see kong-cloudtrail dead-letters), and each comparison with all that Kong retains tries them \
         again: {why}",
        stream.name()
    )
}

pub fn partly(stream: Stream) -> String {
    format!(
        "the {} entries behind a row that cannot be read, and in no window of time, cannot be had, as long as it stands: \
         mend the row in Kong's database, or upgrade Kong to 3.7 or later, which can be asked by time",
        stream.name()
    )
}

pub fn without_id(stream: Stream, hash: &str) -> String {
    let field = stream.id_field();
    format!("a {} entry without {field} is shipped under the hash {hash}", stream.name())
}

pub fn odd_time(stream: Stream, name: &str, told: &str) -> String {
    format!(
        "the {} entry {name} has the request_timestamp {told}, which is no number of seconds: it is shipped with the time \
         it tells otherwise, and the value verbatim in additionalEventData",
        stream.name()
    )
}

pub fn doubtful(destination: &str, events: u64) -> String {
    format!(
        "{events} events were in calls to {destination} whose answer was lost or did not mention them: those that it took \
         all the same may be in it twice"
    )
}

pub fn died_before(destination: &str) -> String {
    format!(
        "the run before this one ended without releasing its lease: what {destination} had accepted of it and it had not \
         recorded yet, at most max_in_flight batches, is shipped again"
    )
}

pub fn lease_not_released(error: &impl Display) -> String {
    format!("the lease could not be released, and runs out by itself: {error}")
}

pub fn lost_index(letters: u64, key: &str) -> String {
    format!(
        "the store has lost the index of {letters} dead letters, {key}, or gone back to an earlier one: restore it from its \
         snapshot"
    )
}

pub fn lost_letters(key: &str) -> String {
    format!("the store has lost the dead letters at {key}: restore it from its snapshot")
}

pub fn not_deleted(key: &str) -> String {
    format!("{key} has expired and could not be deleted: nothing reads it, so delete it by hand")
}

pub fn adopted(entries: u64) -> String {
    format!(
        "adopt_lambda_keys: {entries} request entries count as shipped, since Kong's Lambda has a key for each"
    )
}

pub fn none_adopted(shipped: u64) -> String {
    format!(
        "adopt_lambda_keys: Kong's Lambda has a key for none of the {shipped} request entries that were shipped: \
         if it had shipped any, they are in CloudTrail twice now; check that the key-value store named in Spin's \
         runtime config is the Lambda's Redis (REDIS_HOST), with the number of its database (REDIS_DB)"
    )
}

pub const ADOPTION_IS_DONE: &str = "adopt_lambda_keys can be switched off: no entry that was new to this run has a key of Kong's Lambda";
