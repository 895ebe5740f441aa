//! How things stand, from the store alone: for the status page, its metrics and probe, and for whoever else asks.
//!
//! [`Found`] is what the store told, value by value. [`Status::of`] decides by it and the time what to say, and
//! is pure. A value that does not hold good is said to be that, and nothing of it is shown.
//!
//! - `run`: a kept report, read again;
//! - `finding`: what somebody should know, how urgent it is, and in which words;
//! - `words`: what the words in `notes` and `attention` mean;
//! - `figures`: spans and numbers, for people.

mod figures;
mod finding;
mod run;
mod words;

use crate::lease::{self, Holder, LeaseError};
use crate::ledger::{DeadLetters, Head, IndexState, LedgerError, Reports, reports::Totals};
use crate::ports::KeyValue;
use crate::store::Store;
use crate::terms::Stream;
use crate::words::shown_up_to;

pub use figures::{number, span, took};
pub use finding::{Finding, Urgency};
pub use run::{Outcome, Run, StreamRun};
pub use words::{ATTENTION, meaning};

/// How far a run may lie ahead of this host's clock before the two clocks are said to differ.
const CLOCKS_DIFFER_SECS: i64 = 300;

/// How far a stream may be behind: `full_secs` of a Kong without time filters, twice.
const BEHIND_SECS: i64 = 7200;

const DAY_SECS: i64 = 86_400;

/// Most characters of a kept error that are shown: it may name several things that went wrong.
const MOST_OF_AN_ERROR: usize = 2000;
/// Most characters of what should be a word.
const MOST_OF_A_WORD: usize = 40;

/// A text of the store made harmless, as whoever can write to the store may have written it.
fn plain(text: &str) -> String {
    shown_up_to(MOST_OF_AN_ERROR, text)
}

/// As [`plain`], of what should be a word.
fn word(text: &str) -> String {
    shown_up_to(MOST_OF_A_WORD, text)
}

/// Most days of which it is told what was shipped.
const DAYS: i64 = 30;

/// What the store told.
#[derive(Debug)]
pub struct Found {
    /// The head; none where there is no ledger.
    pub head: Result<Option<Head>, LedgerError>,
    /// The last reports.
    pub reports: Result<Reports, LedgerError>,
    /// What the index of dead letters says of itself; none where there is none.
    pub dead_letters: Result<Option<IndexState>, LedgerError>,
    /// Who holds the lease; not known where nobody has asked.
    pub lease: Option<Result<Option<Holder>, LeaseError>>,
}

impl Found {
    /// As [`Self::read`], and who holds the lease: a fourth read. A store that failed is not asked.
    pub fn read_all<P: KeyValue>(store: &Store<'_, P>) -> Self {
        let found = Self::read(store);
        let failed = |error: Option<&LedgerError>| matches!(error, Some(LedgerError::Store(_)));
        let answers = !failed(found.head.as_ref().err()) && !failed(found.reports.as_ref().err());
        Self { lease: answers.then(|| lease::holder(store)), ..found }
    }

    /// Three reads. The head comes first, since it tells which key the others are written with; the index of
    /// dead letters last, since a run writes it before the head. A store that fails once is not asked again.
    pub fn read<P: KeyValue>(store: &Store<'_, P>) -> Self {
        let failed = |error: &LedgerError| matches!(error, LedgerError::Store(_));
        let head = Head::load(store);
        if let Err(error) = head.as_ref().map_err(Clone::clone)
            && failed(&error)
        {
            return Self::failed(&error);
        }
        let reports = Reports::load(store);
        let dead_letters = match &reports {
            Err(error) if failed(error) => Err(error.clone()),
            _ => DeadLetters::load(store).map(|letters| letters.state()),
        };
        Self { head, reports, dead_letters, lease: None }
    }

    /// As if each read had failed with `error`.
    fn failed(error: &LedgerError) -> Self {
        Self {
            head: Err(error.clone()),
            reports: Err(error.clone()),
            dead_letters: Err(error.clone()),
            lease: None,
        }
    }
}

/// How things stand with one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStatus {
    /// Which.
    pub stream: Stream,
    /// End of the last completed window, in Unix seconds by Kong's clock; none before there was one.
    pub watermark: Option<i64>,
    /// Seconds from it to now.
    pub lag_secs: Option<i64>,
    /// When all that Kong retains was last compared with the ledger, in Unix seconds by Kong's clock.
    pub compared: Option<i64>,
    /// Entries that the ledger remembers.
    pub remembered: u64,
}

/// What was shipped on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its first second.
    pub began: i64,
    /// Entries of each stream.
    pub shipped: [u64; Stream::ALL.len()],
}

/// What the probe says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The newest run that was `ok`, or `partial` with progress, is that many seconds old.
    Fresh(i64),
    /// So old that it is stale.
    Stale(i64),
    /// No run that is kept was either.
    Never,
    /// The store, or the value with the reports, cannot be read: why, and what to do.
    Unknown(String),
}

impl Health {
    /// Whether the probe succeeds.
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Fresh(_))
    }
}

/// How things stand.
#[derive(Clone, Debug)]
pub struct Status {
    /// When, in Unix seconds by this host's clock.
    pub now: i64,
    /// After how many seconds without success a probe fails.
    pub stale_after: i64,
    /// What the probe says.
    pub health: Health,
    /// What somebody should know, the most urgent first.
    pub findings: Vec<Finding>,
    /// The runs that are kept, newest first.
    pub runs: Vec<Run>,
    /// Each stream; none where the head cannot be read.
    pub streams: Option<[StreamStatus; Stream::ALL.len()]>,
    /// Dead letters that are kept; none where their index cannot be read, or there is none and the head cannot be read.
    pub dead_letters: Option<u64>,
    /// Objects of which nobody has recorded whether the destination has them; none where the head cannot be read.
    pub intents: Option<usize>,
    /// The ledger's generation; none where there is no ledger, or its head cannot be read.
    pub generation: Option<u64>,
    /// What was shipped on each of the last days, oldest first, from the first one that is known of.
    pub days: Vec<Day>,
    /// What all reports come to; none where they cannot be read.
    pub totals: Option<Totals>,
    /// Which of the three values can be read: head, reports, dead letters.
    pub readable: [(&'static str, bool); 3],
}

impl Status {
    /// Decides by what the store told, at a time in Unix milliseconds.
    pub fn of(found: &mut Found, now_ms: i64, stale_after: i64) -> Self {
        let now = now_ms.div_euclid(1000);
        let runs = found.reports.as_ref().map(runs).unwrap_or_default();
        let health = health(found, &runs, now, stale_after);
        let mut status = Self {
            now,
            stale_after,
            health,
            findings: Vec::new(),
            runs,
            streams: streams(found, now),
            dead_letters: dead_letters(found),
            intents: head(found).map(|head| head.intents.len()),
            generation: head(found).map(|head| head.generation),
            days: found.reports.as_ref().map(|reports| days(reports, now)).unwrap_or_default(),
            totals: found.reports.as_ref().ok().map(|reports| reports.totals.clone()),
            readable: [
                ("head", found.head.is_ok()),
                ("reports", found.reports.is_ok()),
                ("dead-letters", found.dead_letters.is_ok()),
            ],
        };
        status.findings = finding::all(found, &status);
        status
    }

    /// How urgent the most urgent finding is.
    pub fn urgency(&self) -> Urgency {
        self.findings.first().map_or(Urgency::Note, Finding::urgency)
    }

    /// Whether all is well should the ledger's first run have been within a day. A store that was emptied looks the same.
    pub fn is_well_if_new(&self) -> bool {
        let is_new = |finding: &Finding| matches!(finding, Finding::Happened(_, word, _) if word == "new-ledger");
        self.urgency() == Urgency::Note && self.findings.iter().any(is_new)
    }

    /// The newest run.
    pub fn newest(&self) -> Option<&Run> {
        self.runs.first()
    }

    /// What the newest run says that stands.
    pub fn notes(&self) -> &[String] {
        self.newest().map_or(&[], |run| &run.notes)
    }

    /// The newest run that was `ok`, or `partial` with progress.
    pub fn last_progress(&self) -> Option<&Run> {
        self.runs.iter().find(|run| run.has_progress && run.at() <= self.now + CLOCKS_DIFFER_SECS)
    }

    /// How many seconds ago that was; not before now where a clock is a little ahead.
    pub fn age(&self, time: i64) -> i64 {
        self.now.saturating_sub(time).max(0)
    }

    /// The newest run that names `word` in its `attention`.
    pub fn last_with(&self, word: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.attention.iter().any(|told| told == word))
    }
}

/// The kept reports, newest first.
fn runs(reports: &Reports) -> Vec<Run> {
    let mut runs = Vec::with_capacity(reports.runs.len());
    let mut before = None;
    for kept in &reports.runs {
        let run = Run::read(kept, before.as_ref());
        before = Some(run.clone());
        runs.push(run);
    }
    runs.reverse();
    runs
}

fn health(found: &Found, runs: &[Run], now: i64, stale_after: i64) -> Health {
    if let Err(error) = &found.reports {
        return Health::Unknown(finding::of_values(&[error], None));
    }
    // A run of the future says nothing of now: its host's clock was wrong, or this one's is.
    let known = |run: &&Run| run.has_progress && run.at() <= now + CLOCKS_DIFFER_SECS;
    match runs.iter().find(known).map(|run| now.saturating_sub(run.at()).max(0)) {
        None => Health::Never,
        Some(age) if age > stale_after => Health::Stale(age),
        Some(age) => Health::Fresh(age),
    }
}

fn head(found: &Found) -> Option<&Head> {
    found.head.as_ref().ok().and_then(Option::as_ref)
}

fn streams(found: &mut Found, now: i64) -> Option<[StreamStatus; Stream::ALL.len()]> {
    let mut none = Head::default();
    let head = found.head.as_mut().ok()?.as_mut().unwrap_or(&mut none);
    Some(Stream::ALL.map(|stream| {
        let remembered = u64::try_from(head.size(stream)).unwrap_or(u64::MAX);
        let coverage = &head.stream(stream).coverage;
        let watermark = coverage.watermark();
        StreamStatus {
            stream,
            watermark,
            lag_secs: watermark.map(|watermark| now.saturating_sub(watermark).max(0)),
            compared: coverage.compared(),
            remembered,
        }
    }))
}

fn dead_letters(found: &Found) -> Option<u64> {
    match found.dead_letters.as_ref().ok()? {
        Some(index) => Some(index.letters),
        // The head alone tells whether there should be an index.
        None => found.head.is_ok().then_some(0),
    }
}

/// A day without anything shipped is one of them too.
fn days(reports: &Reports, now: i64) -> Vec<Day> {
    let today = now.div_euclid(DAY_SECS);
    let known: Vec<_> = reports
        .days
        .iter()
        .filter(|day| day.number > today.saturating_sub(DAYS) && day.number <= today)
        .collect();
    let Some(first) = known.iter().map(|day| day.number).min() else { return Vec::new() };
    let day = |number| {
        let found = known.iter().find(|day| day.number == number);
        let shipped = found.map_or([0; Stream::ALL.len()], |day| day.shipped);
        Day { began: number * DAY_SECS, shipped }
    };
    (first..=today).map(day).collect()
}

#[cfg(test)]
mod tests;
