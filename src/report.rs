//! What a run did: one JSON object on one line of stdout.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde::Serialize;

use crate::terms::Stream;
use crate::words::{Told, json_line, together};

/// How a run ended; of two streams the worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Another host holds the lease.
    Skipped,
    /// All is shipped.
    #[default]
    Ok,
    /// Some entries are pending or rejected, or the budget ran out.
    Partial,
    /// `error` says what and what to do.
    Failed,
}

/// The commit that the component was built from, as its entry point tells: a core that held it would be compiled
/// anew at each commit.
pub static COMMIT: OnceLock<&'static str> = OnceLock::new();

/// The commit that the calling crate was built from, with `-dirty` where the checkout had changes; `unknown` where
/// the build was not told. `cargo xtask` tells its builds (decision 0022).
#[macro_export]
macro_rules! commit {
    () => {
        match option_env!("KONG_CLOUDTRAIL_COMMIT") {
            Some(commit) => commit,
            None => "unknown",
        }
    };
}

/// The report of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    event: &'static str,
    /// The component's.
    version: &'static str,
    /// What the component was built from.
    commit: &'static str,
    /// Where events go.
    pub destination: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Wall time.
    pub duration_ms: u64,
    /// What was done for each stream.
    pub streams: Streams,
    /// Calls made.
    pub calls: Calls,
    /// Dead letters that are kept; unknown when the ledger was not read.
    pub dead_letters: Option<u64>,
    /// The ledger's; unknown when it was not read.
    pub generation: Option<u64>,
    /// What stands, and somebody once chose or has to live with.
    pub notes: BTreeSet<Note>,
    /// Kong's ignore settings that keep entries out, as `name = value`; unknown when Kong did not tell.
    pub ignored_settings: Option<Vec<String>>,
    /// What happened in this run.
    pub attention: BTreeSet<Attention>,
    /// What went wrong, and what to do: all of `told`.
    pub error: Option<String>,
    #[serde(skip)]
    told: Vec<(Outcome, Told)>,
}

/// What stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// `ledger_key` is not set.
    UnauthenticatedLedger,
    /// An endpoint of AWS is overridden.
    EndpointOverridden,
    /// Kong's ignore settings keep something out of its audit log.
    IgnoredSettings,
    /// Kong holds entries that do not tell their time.
    DerivedTimes,
    /// `allow_plaintext` is on: what goes to Kong may be read on its way.
    Plaintext,
    /// `ledger_key_previous` is `unkeyed`: values that nobody authenticated may be taken.
    AdoptingUnkeyedLedger,
    /// `adopt_lambda_keys` is on.
    AdoptingLambdaKeys,
    /// `audit_streams` leaves one out.
    StreamsLeftOut,
    /// `reconcile_secs` is 0.
    ComparisonsOff,
    /// Kong's clock and this host's are far apart.
    ClocksDiffer,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attention {
    /// Entries were shipped that only a comparison found.
    Late,
    /// The store has lost something that it had.
    StoreLost,
    /// There was no ledger.
    NewLedger,
    /// The ledger was rewritten under a new key.
    Rekeyed,
    /// The run before this one ended without giving its lease back.
    DiedBefore,
    /// The notes, or Kong's ignore settings, are others than in the report before.
    NotesChanged,
    /// Somebody has dropped dead letters, or changed the ledger by hand.
    Intervened,
    /// The ledger's entries were another Kong's.
    OtherKong,
    /// What could not be read of Kong for 24 hours became a dead letter, or keeps what lies behind it from
    /// being read.
    Unreadable,
}

impl Note {
    /// The word in the report.
    pub fn word(self) -> String {
        let word = serde_json::to_value(self).ok();
        word.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    }
}

/// Both streams' reports.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Streams {
    requests: StreamReport,
    objects: StreamReport,
}

/// What a run did for one stream; counts are entries unless they say otherwise.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StreamReport {
    /// `incremental`, `reconcile` or `full`; none when the stream was not begun.
    pub mode: Option<&'static str>,
    /// Read from Kong.
    pub fetched: u64,
    /// Known to the ledger, read twice in this run, or adopted from Kong's Lambda.
    pub duplicates: u64,
    /// Accepted by the destination and recorded in the ledger.
    pub shipped: u64,
    /// Accepted by the destination, and not recorded: the next run sends them again.
    pub unrecorded: u64,
    /// Accepted, and found by a comparison alone.
    pub late: u64,
    /// Made dead letters in this run.
    pub rejected: u64,
    /// Neither accepted nor rejected: left to the next run.
    pub pending: u64,
    /// Pages read.
    pub pages: u64,
    /// Batches sent.
    pub batches: u64,
    /// End of the last completed window, in Unix seconds by Kong's clock.
    pub watermark: Option<i64>,
    /// Seconds from the watermark to the end of the run.
    pub lag_secs: Option<i64>,
}

impl StreamReport {
    /// The store has taken what was accepted.
    pub fn recorded(&mut self) {
        self.shipped += std::mem::take(&mut self.unrecorded);
    }
}

/// Calls made in a run, tries included.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Calls {
    /// To Kong's Admin API.
    pub kong: u64,
    /// To the destination.
    pub destination: u64,
    /// On the key-value port.
    pub kv: u64,
    /// Calls to Kong and the destination that repeated a failed one.
    pub retries: u64,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            event: "run",
            version: env!("CARGO_PKG_VERSION"),
            commit: COMMIT.get().unwrap_or(&"unknown"),
            destination: "cloudtrail",
            outcome: Outcome::Ok,
            duration_ms: 0,
            streams: Streams::default(),
            calls: Calls::default(),
            dead_letters: None,
            generation: None,
            notes: BTreeSet::new(),
            ignored_settings: None,
            attention: BTreeSet::new(),
            error: None,
            told: Vec::new(),
        }
    }
}

impl Report {
    /// One stream's part.
    pub fn stream(&mut self, stream: Stream) -> &mut StreamReport {
        match stream {
            Stream::Requests => &mut self.streams.requests,
            Stream::Objects => &mut self.streams.objects,
        }
    }

    /// The store has taken what was accepted.
    pub fn recorded(&mut self) {
        for stream in Stream::ALL {
            self.stream(stream).recorded();
        }
    }

    /// Entries that only a comparison found.
    pub fn late(&self) -> u64 {
        self.streams.requests.late + self.streams.objects.late
    }

    /// Takes in how a part of the run ended. All errors are kept, the gravest first, and a remedy that several have is
    /// told once.
    pub fn add(&mut self, outcome: Outcome, error: impl Into<Told>) {
        self.outcome = self.outcome.max(outcome);
        if outcome == Outcome::Skipped {
            self.outcome = outcome;
        }
        self.told.push((outcome, error.into()));
        self.told.sort_by_key(|(outcome, _)| std::cmp::Reverse(*outcome));
        self.error = Some(together(self.told.iter().map(|(_, told)| told)));
    }

    /// The line.
    pub fn line(&self) -> String {
        json_line(self)
    }
}
