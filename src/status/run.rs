//! A kept report, read again. What a newer version adds is passed over, what it leaves out is not known.

use serde::Deserialize;

use super::{plain, word};
use crate::ledger::reports::Kept;
use crate::terms::Stream;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is shipped.
    Ok,
    /// Some entries are pending or rejected, or the budget ran out.
    Partial,
    /// The error says why.
    Failed,
    /// A word that this version does not know, or a report that it cannot read.
    Unknown(String),
}

impl Outcome {
    /// The word in the report.
    pub fn word(&self) -> &str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Unknown(word) => word,
        }
    }
}

/// What a run did for one stream, in entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StreamRun {
    /// Read from Kong.
    pub fetched: u64,
    /// Accepted and recorded.
    pub shipped: u64,
    /// Accepted and not recorded.
    pub unrecorded: u64,
    /// Made dead letters.
    pub rejected: u64,
    /// Left to the next run.
    pub pending: u64,
    /// In Unix seconds by Kong's clock.
    pub watermark: Option<i64>,
}

/// One run that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// When it ended, in Unix milliseconds by its host's clock.
    pub at_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether it was `ok`, or `partial` and made progress since the run before.
    pub has_progress: bool,
    /// The version of the component.
    pub version: String,
    /// Where events went.
    pub destination: String,
    /// Wall time.
    pub duration_ms: u64,
    /// What it did for each stream.
    pub streams: [StreamRun; Stream::ALL.len()],
    /// What stood.
    pub notes: Vec<String>,
    /// What happened in it.
    pub attention: Vec<String>,
    /// What went wrong, and what to do.
    pub error: Option<String>,
}

/// The members of a report that are told of.
#[derive(Deserialize)]
#[serde(default)]
struct Told {
    outcome: String,
    version: String,
    destination: String,
    duration_ms: u64,
    streams: Streams,
    notes: Vec<String>,
    attention: Vec<String>,
    error: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Streams {
    requests: StreamRun,
    objects: StreamRun,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            outcome: "unknown".to_owned(),
            version: String::new(),
            destination: String::new(),
            duration_ms: 0,
            streams: Streams::default(),
            notes: Vec::new(),
            attention: Vec::new(),
            error: None,
        }
    }
}

impl Run {
    /// Reads what is kept; `before` is the run before it, where that is kept too.
    pub(super) fn read(kept: &Kept, before: Option<&Self>) -> Self {
        let told = serde_json::from_str(kept.report.get()).unwrap_or_else(|_| Told {
            error: Some("this report cannot be read by this version of the page".to_owned()),
            ..Told::default()
        });
        let outcome = match told.outcome.as_str() {
            "ok" => Outcome::Ok,
            "partial" => Outcome::Partial,
            "failed" => Outcome::Failed,
            other => Outcome::Unknown(word(other)),
        };
        let streams = [told.streams.requests, told.streams.objects];
        let has_progress = match outcome {
            Outcome::Ok => true,
            Outcome::Partial => made_progress(&streams, before),
            Outcome::Failed | Outcome::Unknown(_) => false,
        };
        let words = |words: Vec<String>| words.iter().take(32).map(|told| word(told)).collect();
        Self {
            at_ms: kept.at_ms,
            outcome,
            has_progress,
            version: word(&told.version),
            destination: word(&told.destination),
            duration_ms: told.duration_ms,
            streams,
            notes: words(told.notes),
            attention: words(told.attention),
            error: told.error.as_deref().map(plain),
        }
    }

    /// When it ended, in Unix seconds.
    pub fn at(&self) -> i64 {
        self.at_ms.div_euclid(1000)
    }

    /// Over both streams.
    pub fn sum(&self, of: impl Fn(&StreamRun) -> u64) -> u64 {
        self.streams.iter().fold(0, |sum, stream| sum.saturating_add(of(stream)))
    }
}

/// Whether entries were decided, a watermark moved, or entries were read of which none is pending: a large
/// comparison takes several runs, and finds nothing new.
fn made_progress(streams: &[StreamRun], before: Option<&Run>) -> bool {
    let decided = streams.iter().any(|stream| stream.shipped > 0 || stream.rejected > 0);
    let moved = before.is_some_and(|before| {
        let mut pairs = streams.iter().zip(&before.streams);
        pairs.any(|(stream, before)| stream.watermark > before.watermark)
    });
    let fetched = streams.iter().any(|stream| stream.fetched > 0);
    let pending = streams.iter().any(|stream| stream.pending > 0 || stream.unrecorded > 0);
    decided || moved || (fetched && !pending)
}
