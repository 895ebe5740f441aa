//! What a run did: one JSON object on one line of stdout.

use serde::Serialize;

use crate::kong::Stream;

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

/// The report of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    event: &'static str,
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
    /// What went wrong, and what to do.
    pub error: Option<String>,
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
    /// Accepted by CloudTrail.
    pub shipped: u64,
    /// Those of them that only a reconcile found.
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

/// Calls made in a run, tries included.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Calls {
    /// To Kong's Admin API.
    pub kong: u64,
    /// PutAuditEvents.
    pub cloudtrail: u64,
    /// On the key-value port.
    pub kv: u64,
    /// Calls to Kong and CloudTrail that repeated a failed one.
    pub retries: u64,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            event: "run",
            outcome: Outcome::Ok,
            duration_ms: 0,
            streams: Streams::default(),
            calls: Calls::default(),
            dead_letters: None,
            error: None,
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

    /// Takes in how a part of the run ended. All errors are kept, the first one first.
    pub fn add(&mut self, outcome: Outcome, error: Option<String>) {
        self.outcome = self.outcome.max(outcome);
        if outcome == Outcome::Skipped {
            self.outcome = outcome;
        }
        if let Some(error) = error.filter(|error| self.error.as_ref() != Some(error)) {
            self.error = Some(match self.error.take() {
                Some(first) => format!("{first}; {error}"),
                None => error,
            });
        }
    }

    /// The line.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
