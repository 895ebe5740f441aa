//! What somebody should know, how urgent it is, and in which words.

use std::fmt;

use super::{
    BEHIND_SECS, CLOCKS_DIFFER_SECS, DAY_SECS, Found, Health, Outcome, Run, Status, meaning, plain,
    span,
};
use crate::lease::LeaseError;
use crate::ledger::LedgerError;
use crate::seal::ValueFault;
use crate::terms::Stream;
use crate::words::{Told, together};

/// How urgent something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Good to know.
    Note,
    /// Somebody should look.
    Attention,
    /// It cannot be told how things stand.
    Unknown,
}

/// What somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The store cannot be read, or one of its values does not hold good: why, and what to do.
    Unreadable(String),
    /// The store holds no run.
    NoRun,
    /// The lease does not hold good, so no run can begin: why, and what to do.
    Lease(String),
    /// There are reports, and no head.
    HeadLost,
    /// The store has lost the index of that many dead letters, or gone back to an earlier one.
    LettersLost(u64),
    /// Nothing has made progress for that many seconds (none where no run that is kept has), which is more than so many.
    Stale(Option<i64>, i64),
    /// As [`Self::Stale`], and the lease of that run ran out: its process died, or hangs.
    Died(String, Option<i64>, i64),
    /// The newest runs failed, that many in a row; the newest one's error.
    Failing(usize, Option<String>),
    /// The newest run did not complete; its error.
    Partial(Urgency, Option<String>),
    /// The newest report has a word for its outcome that this version does not know, or cannot be read; its error.
    Strange(String, Option<String>),
    /// The stream's watermark is that many seconds old.
    Behind(Stream, i64),
    /// That many dead letters wait for somebody.
    DeadLetters(u64),
    /// Somebody should know what happened in a run: its word, and how many seconds ago it was.
    Happened(Urgency, String, i64),
    /// The newest run is that many seconds ahead of this host's clock.
    ClocksDiffer(i64),
}

impl Finding {
    /// How urgent it is.
    pub fn urgency(&self) -> Urgency {
        match self {
            Self::Unreadable(_) | Self::NoRun => Urgency::Unknown,
            Self::Partial(urgency, _) | Self::Happened(urgency, ..) => *urgency,
            _ => Urgency::Attention,
        }
    }

    /// What it is about.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "The store cannot be read",
            Self::NoRun => "No run is kept",
            Self::Lease(_) => "The lease cannot be read",
            Self::HeadLost | Self::LettersLost(_) => "The store has lost something",
            Self::Stale(..) | Self::Died(..) => "No progress",
            Self::Failing(..) => "Runs fail",
            Self::Partial(..) => "Not all is shipped",
            Self::Strange(..) => "A strange report",
            Self::Behind(..) => "A stream is behind",
            Self::DeadLetters(_) => "Dead letters",
            Self::Happened(..) => "Something happened",
            Self::ClocksDiffer(_) => "Clocks differ",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) | Self::Lease(why) => f.write_str(why),
            Self::NoRun => f.write_str(
                "The store holds no run of this ledger. Check that ledger and the store are those of the shipper, and that it \
                 has made a run: one that was skipped, or ended before the ledger was read, is not kept.",
            ),
            Self::HeadLost => f.write_str(
                "The store holds reports and no ledger: its head is lost. Restore the store from its snapshot; otherwise the \
                 next run ships again all that Kong still holds.",
            ),
            Self::LettersLost(letters) => write!(
                f,
                "The store has lost the index of {letters} dead letters, or gone back to an earlier one: restore it from its \
                 snapshot, or see kong-cloudtrail ledger acknowledge."
            ),
            Self::Behind(stream, lag) => {
                write!(
                    f,
                    "What is shipped of {} ends {} ago. Where shipped of the last runs is above 0, a backlog needs time; where \
                     pending stays above 0, the last error names what holds it up.",
                    stream.name(),
                    span(*lag)
                )
            }
            Self::DeadLetters(1) => f.write_str(
                "1 dead letter waits for somebody to replay or drop it: kong-cloudtrail dead-letters list",
            ),
            Self::DeadLetters(letters) => write!(
                f,
                "{letters} dead letters wait for somebody to replay or drop them: kong-cloudtrail dead-letters list"
            ),
            of_runs => of_runs.fmt_of_runs(f),
        }
    }
}

impl Finding {
    fn fmt_of_runs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (says, error) = match self {
            Self::Failing(1, error) => ("The last run failed".to_owned(), error),
            Self::Failing(runs, error) => (format!("The last {runs} runs failed"), error),
            Self::Partial(_, error) => ("The last run was partial".to_owned(), error),
            Self::Strange(word, error) => (
                format!(
                    "The last report is of another version, or none, and this program is to be of the shipper's version: its \
                     outcome is {word}"
                ),
                error,
            ),
            Self::Stale(Some(age), limit) => (
                format!(
                    "No run has made progress for {} (stale_after_secs = {limit} s). Look at the shipper's own log: runs that \
                     were skipped, could not begin, or met a store that takes no writes, are not kept here",
                    span(*age)
                ),
                &None,
            ),
            Self::Died(run, age, limit) => {
                let age = age.map_or_else(
                    || "no run that is kept made progress".to_owned(),
                    |age| format!("no progress for {}, stale_after_secs = {limit} s", span(age)),
                );
                return write!(
                    f,
                    "The process died in the run {run}, and no run has begun since ({age}). Find out why it died, and start it. \
                     If it is still there, it hangs, or the store takes no writes."
                );
            }
            Self::Happened(_, word, age) => {
                return write!(f, "{word}, {} ago: {}", span(*age), meaning(word));
            }
            Self::ClocksDiffer(ahead) => (
                format!(
                    "The newest run is {} ahead of this host's clock: set the clocks of both hosts by NTP. Runs of the future do \
                     not count for the probe",
                    span(*ahead)
                ),
                &None,
            ),
            _ => (
                "None of the runs that are kept has made progress: the last errors say why"
                    .to_owned(),
                &None,
            ),
        };
        match error {
            Some(error) => write!(f, "{says}: {error}"),
            None => write!(f, "{says}."),
        }
    }
}

/// All of them, the most urgent first.
pub(super) fn all(found: &Found, status: &Status) -> Vec<Finding> {
    let mut findings: Vec<_> = unreadable(found).into_iter().collect();
    findings.extend(of_the_lease(found));
    findings.extend(lost(found, status));
    if found.reports.is_ok() {
        if status.runs.is_empty() {
            findings.push(Finding::NoRun);
        } else {
            findings.extend(of_runs(status));
            findings.extend(silence(found, status));
        }
    }
    for stream in status.streams.iter().flatten() {
        let lag = stream.lag_secs.filter(|lag| *lag > BEHIND_SECS.max(status.stale_after));
        findings.extend(lag.map(|lag| Finding::Behind(stream.stream, lag)));
    }
    let letters = status.dead_letters.filter(|letters| *letters > 0);
    findings.extend(letters.map(Finding::DeadLetters));
    findings.extend(happened(status));
    // A stable sort: what is equally urgent stays in this order.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.urgency()));
    findings
}

/// A store that fails is told of once, and so is what several values have in common, the lease among them.
fn unreadable(found: &Found) -> Option<Finding> {
    let errors: Vec<_> = errors(found).collect();
    (!errors.is_empty()).then(|| Finding::Unreadable(of_values(&errors, foreign_lease(found))))
}

/// Each once: a store that failed gives the same for all.
fn errors(found: &Found) -> impl Iterator<Item = &LedgerError> {
    let head = found.head.as_ref().err();
    let reports = found.reports.as_ref().err().filter(|error| head != Some(error));
    let letters = found.dead_letters.as_ref().err();
    let letters = letters.filter(|error| head != Some(error) && reports != Some(error));
    [head, reports, letters].into_iter().flatten()
}

/// The key of a lease that was not written with this `ledger_key`.
fn foreign_lease(found: &Found) -> Option<&str> {
    match found.lease.as_ref()?.as_ref().err()? {
        LeaseError::Foreign { key } => Some(key),
        _ => None,
    }
}

/// What is wrong with the key, or with the values.
fn of_the_key(error: &LedgerError) -> Option<(ValueFault, &str)> {
    match error {
        LedgerError::Unreadable { key, fault } => match fault {
            ValueFault::Damaged | ValueFault::OtherKey | ValueFault::Unkeyed => Some((*fault, key)),
            ValueFault::NewerFormat | ValueFault::OldFormat => None,
        },
        _ => None,
    }
}

/// Why values cannot be read. What makes a wrong key good again destroys a right one's ledger: so that stands in the runbook
/// alone, behind how to tell the two apart.
pub(super) fn of_values(errors: &[&LedgerError], lease: Option<&str>) -> String {
    let mut faults: Vec<(ValueFault, Vec<&str>)> = Vec::new();
    let mut told: Vec<Told> = Vec::new();
    for error in errors {
        match of_the_key(error) {
            Some((fault, key)) => match faults.iter_mut().find(|(known, _)| *known == fault) {
                Some((_, keys)) => keys.push(key),
                None => faults.push((fault, vec![key])),
            },
            None => told.push(error.told()),
        }
    }
    if let (Some((_, keys)), Some(lease)) = (faults.first_mut(), lease) {
        keys.push(lease);
    }
    let mut texts: Vec<_> = faults.iter().map(|(fault, keys)| of_fault(*fault, keys)).collect();
    if !texts.is_empty() {
        texts.push(COMPARE.to_owned());
    }
    if !told.is_empty() {
        texts.push(sentence(&together(&told)));
    }
    plain(&texts.join(" "))
}

const COMPARE: &str =
    "Nothing was changed. First compare ledger_key and ledger_key_previous with the shipper's.";

/// The first key is named whole, as all of a ledger begin with the same.
fn of_fault(fault: ValueFault, keys: &[&str]) -> String {
    let short = |key: &&str| format!("…{}", key.rsplit_once('}').map_or(*key, |(_, name)| name));
    let names: Vec<_> =
        keys[..1].iter().map(|key| (*key).to_owned()).chain(keys[1..].iter().map(short)).collect();
    let (count, is, was) = match keys.len() {
        1 => ("One value", "is", "was"),
        2 => ("Two values", "are", "were"),
        3 => ("Three values", "are", "were"),
        _ => ("All values", "are", "were"),
    };
    let says = match fault {
        ValueFault::Unkeyed => format!("{was} written without a ledger_key, and one is set"),
        ValueFault::Damaged => {
            format!("{is} damaged, or {was} written with a ledger_key and none is set")
        }
        _ => format!("{was} not written with this ledger_key"),
    };
    format!("{count} ({}) {says}.", names.join(", "))
}

/// Nothing where other values have the same fault.
fn of_the_lease(found: &Found) -> Option<Finding> {
    let error = found.lease.as_ref()?.as_ref().err()?;
    if let Some(key) = foreign_lease(found) {
        let same = errors(found).any(|error| of_the_key(error).is_some());
        let why = format!(
            "The lease at {key} was not written with this ledger_key, so no run that has it can begin. Nothing was changed. \
             First compare ledger_key and ledger_key_previous with those of all hosts."
        );
        return (!same).then(|| Finding::Lease(plain(&why)));
    }
    Some(Finding::Unreadable(plain(&sentence(&error.to_string()))))
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn lost(found: &Found, status: &Status) -> Option<Finding> {
    let head = found.head.as_ref().ok()?;
    let Some(head) = head else {
        return (!status.runs.is_empty()).then_some(Finding::HeadLost);
    };
    let index = found.dead_letters.as_ref().ok()?;
    let known = head.dead_letters?;
    let generation = index.map_or(0, |index| index.generation);
    (generation < known.generation).then_some(Finding::LettersLost(known.letters))
}

fn of_runs(status: &Status) -> Vec<Finding> {
    let Some(newest) = status.newest() else { return Vec::new() };
    let mut findings = Vec::new();
    match newest.outcome {
        Outcome::Ok => {}
        Outcome::Failed => {
            let failed = |run: &&Run| run.outcome == Outcome::Failed;
            let runs = status.runs.iter().take_while(failed).count();
            findings.push(Finding::Failing(runs, newest.error.clone()));
        }
        Outcome::Unknown(ref word) => {
            findings.push(Finding::Strange(word.clone(), newest.error.clone()));
        }
        Outcome::Partial => {
            let goes_on = newest.has_progress && newest.sum(|stream| stream.pending) == 0;
            let urgency = if goes_on { Urgency::Note } else { Urgency::Attention };
            findings.push(Finding::Partial(urgency, newest.error.clone()));
        }
    }
    let ahead = newest.at().saturating_sub(status.now);
    if ahead > CLOCKS_DIFFER_SECS {
        findings.push(Finding::ClocksDiffer(ahead));
    }
    findings
}

/// That nothing makes progress, and in which run the process died, should it have.
fn silence(found: &Found, status: &Status) -> Option<Finding> {
    let age = match status.health {
        Health::Stale(age) => Some(age),
        Health::Never => None,
        Health::Fresh(_) | Health::Unknown(_) => return None,
    };
    let lease = found.lease.as_ref().and_then(|lease| lease.as_ref().ok()?.as_ref());
    let ran_out = lease.filter(|holder| holder.until_ms.div_euclid(1000) <= status.now);
    Some(match ran_out {
        Some(holder) => Finding::Died(plain(&holder.short()), age, status.stale_after),
        None => Finding::Stale(age, status.stale_after),
    })
}

/// What happened within a day, each word once, by its newest run.
fn happened(status: &Status) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let recent = |run: &&Run| status.age(run.at()) <= DAY_SECS;
    let runs = status.runs.iter().filter(recent);
    for (run, word) in runs.flat_map(|run| run.attention.iter().map(move |word| (run, word))) {
        let same =
            |finding: &Finding| matches!(finding, Finding::Happened(_, told, _) if told == word);
        if findings.iter().any(same) {
            continue;
        }
        // Of the very first run it is what one expects.
        let expected = word == "new-ledger" && is_first(status, run);
        let urgency = if expected { Urgency::Note } else { Urgency::Attention };
        findings.push(Finding::Happened(urgency, word.clone(), status.age(run.at())));
    }
    findings
}

/// Whether nothing is known of a run before `run`.
fn is_first(status: &Status, run: &Run) -> bool {
    let runs: u64 = status.totals.iter().flat_map(|totals| totals.runs.values()).sum();
    status.runs.last() == Some(run) && runs <= status.runs.len() as u64
}
