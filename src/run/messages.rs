//! What reports and log lines say of a run.

use std::fmt::Display;

use crate::coverage::Sweep;
use crate::delivery::HowFar;
use crate::destination::Profile;
use crate::kong::Version;
use crate::ledger::Intervention;
use crate::terms::Stream;
use crate::wire::rfc3339;
use crate::words::{Told, shown};

/// The most entries of a stream that are meant to be read as a whole, again and again.
pub const MOST_WITHOUT_FILTERS: usize = 1_000_000;

pub fn too_many(stream: Stream, version: &Version, kept: usize) -> Told {
    Told::new(
        format!(
            "Kong {version} does not filter {} by time, so they are read as a whole; the ledger holds {kept} fingerprints \
             of them, and this is designed for at most {MOST_WITHOUT_FILTERS}: nothing is lost, but runs take longer and \
             longer",
            stream.name(),
        ),
        "upgrade Kong to 3.7 or later, or shorten audit_log_record_ttl; if Kong is 3.7 or later already, a proxy before it \
         drops the query: let the proxy pass the query on",
    )
}

pub fn left_behind_by(stream: Stream) -> Told {
    Told::new(
        format!(
            "the comparison with all that Kong retains has passed some {} entries that are still pending",
            stream.name()
        ),
        "nothing to do: when this comparison ends, a new one starts and tries them again",
    )
}

pub fn not_compared(stream: Stream) -> Told {
    Told::new(
        format!(
            "all {} entries that have a time are shipped; those without a time are still being looked for in all that Kong \
             retains",
            stream.name()
        ),
        "nothing to do: the next run continues",
    )
}

pub fn spread(stream: Stream, sweep: &Sweep) -> Told {
    Told::new(
        format!(
            "all {} entries that Kong {} had at {} are shipped or are dead letters; reading them took several runs, so newer \
             entries follow in the next run",
            stream.name(),
            shown(&sweep.version),
            rfc3339(sweep.began)
        ),
        "raise run_budget_secs, or upgrade Kong to 3.7 or later",
    )
}

pub fn sweep_goes_on(stream: Stream, sweep: &Sweep) -> String {
    format!(
        "the comparison of {} with all that Kong retains, begun at {}, goes on in the next run",
        stream.name(),
        rfc3339(sweep.began)
    )
}

pub fn not_for_the_timer(task: &str) -> Told {
    Told::new(
        format!(
            "task is {task}, which is for a single run: under the timer nothing would be shipped"
        ),
        format!(
            "leave task out here, and make one run of spin-command.toml with SPIN_VARIABLE_TASK={task}, or use \
             kong-cloudtrail {task}"
        ),
    )
}

pub fn out_of_time() -> Told {
    Told::new("run_budget_secs has passed", "the next run goes on from here")
}

pub fn filters_ignored(stream: Stream, version: &Version) -> String {
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
        hides.iter().map(|it| shown(it)).collect::<Vec<_>>().join("; ")
    )
}

/// Without a reason where something else in the report is the reason.
pub fn pending(stream: Stream, entries: u64, why: &str) -> Told {
    let stream = stream.name();
    let pending =
        format!("{entries} {stream} entries are pending, and the next run tries them again");
    Told::from(if why.is_empty() { pending } else { format!("{pending} ({why})") })
}

/// As [`pending`], where none can be read.
pub fn cannot_be_read(stream: Stream, entries: u64, why: &str) -> Told {
    Told::from(format!(
        "{entries} {} entries are pending until they can be read, and are dead letters after 24 hours ({why})",
        stream.name()
    ))
}

pub fn rejected(destination: &str, stream: Stream, entries: u64, why: &str) -> Told {
    Told::new(
        format!(
            "{destination} refused {entries} {} entries for good, which are dead letters now ({why})",
            stream.name()
        ),
        "correct what the reason names, if it can be corrected (\"Dead letters\" in the runbook), then mark them with \
         kong-cloudtrail dead-letters replay --all (or their ids, from dead-letters list): the next run sends them again",
    )
}

pub fn unreadable(stream: Stream, places: u64, why: &str) -> Told {
    Told::new(
        format!(
            "{places} places in {} (single entries, all of one second, or all after a row) could not be read for 24 hours: \
             they are dead letters now, and later runs no longer wait for them ({why})",
            stream.name()
        ),
        "correct what the reason names: the next comparison (every reconcile_secs) ships them by itself; kong-cloudtrail \
         dead-letters list shows them, and replay cannot send them",
    )
}

pub fn partly(stream: Stream) -> Told {
    Told::new(
        format!(
            "a row cannot be read, and the {} entries after it that Kong does not find by time cannot be read until that \
             row is corrected",
            stream.name()
        ),
        "find the row by Kong's error log on the control plane and correct it in Kong's database, or upgrade Kong to 3.7 or \
         later, which can be asked by time",
    )
}

pub fn without_id(stream: Stream, hash: &str) -> String {
    let field = stream.id_field();
    format!("a {} entry without {field} is shipped under the hash {hash}", stream.name())
}

pub fn odd_time(stream: Stream, name: &str, told: &str) -> String {
    format!(
        "the {} entry {} has the request_timestamp {}, which is no number of seconds: it is shipped with the time \
         it tells otherwise, and the value verbatim in additionalEventData",
        stream.name(),
        shown(name),
        shown(told)
    )
}

pub fn doubtful(destination: &str, events: u64) -> String {
    format!(
        "{events} events were in calls to {destination} whose answer was lost or did not mention them: those that it took \
         all the same may be in it twice"
    )
}

pub fn died_before(destination: &Profile) -> String {
    let name = destination.name;
    let then = if destination.names.is_some() {
        format!(
            "what was on its way to {name} is sent under the same names, as far as Kong still shows it, and so is in it once; \
             what is sent otherwise is told"
        )
    } else {
        format!(
            "what {name} had accepted of it and it had not recorded yet, at most max_in_flight batches, is shipped again"
        )
    };
    format!("the run before this one ended without releasing its lease: {then}")
}

pub fn gone(destination: &str, entries: u64) -> Told {
    Told::new(
        format!(
            "{entries} entries that a run that ended early was about to send to {destination} are no longer in Kong: they \
             are in {destination} if that call arrived, and lost if not"
        ),
        "the log tells how the object's name begins: look into it; let runs come more often than audit_log_record_ttl",
    )
}

pub fn renamed(destination: &str, entries: u64) -> Told {
    Told::new(
        format!(
            "{entries} entries that a run that ended early was about to send to {destination} could not be read together \
             again: they are sent under other names, and may be in {destination} twice"
        ),
        "nothing to do for the trail, queries leave repeats out; if it comes again, raise run_budget_secs, or mend what \
         cannot be read of Kong",
    )
}

pub fn lease_not_released(error: &impl Display) -> String {
    format!("the lease could not be released, and runs out by itself: {error}")
}

const RESTORE: &str = "restore the store from its snapshot";

pub fn lost_index(key: &str) -> Told {
    Told::new(
        format!(
            "the store has lost the index of dead letters, {key}, or gone back to an earlier one: there were no letters"
        ),
        RESTORE,
    )
}

pub fn intervened(intervention: &Intervention) -> String {
    let Intervention { at_ms, who, what, why, which, more } = intervention;
    let more = if *more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "{} has used kong-cloudtrail at {}: {}; the reason given: {}; {}{more}",
        shown(who),
        rfc3339(at_ms.div_euclid(1000)),
        shown(what),
        shown(why),
        which.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ")
    )
}

pub fn lost_letters(key: &str) -> Told {
    Told::new(format!("the store has lost the dead letters at {key}"), RESTORE)
}

/// How far a run that takes long has come.
pub fn how_far(stream: Stream, how_far: &HowFar) -> String {
    let until = match how_far.until.get() {
        Some(until) => format!("all accounted for up to {}", rfc3339(until)),
        None => "nothing accounted for up to a time yet".to_owned(),
    };
    format!(
        "{}: {} entries fetched and {} shipped so far in this run; {until}",
        stream.name(),
        how_far.fetched.get(),
        how_far.shipped.get()
    )
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
