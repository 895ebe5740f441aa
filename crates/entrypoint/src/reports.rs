//! What the reports in Spin's output tell of Spin itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::last_report::LastReport;
use crate::{Code, tell};

/// So many reports in a row that name a read-only Redis, and Spin is to be started anew.
const ENOUGH: u32 = 2;

/// How a Redis that takes no writes is named: by itself, and by the library with which Spin reaches
/// it. SQLite, which no restart would help, says "readonly database" and `code: ReadOnly,`.
const READ_ONLY: [&str; 2] = ["READONLY", "ReadOnly:"];

/// The reports so far. Clones read for the same Spin.
#[derive(Clone)]
pub struct Reports {
    last: LastReport,
    read_only: Arc<AtomicU32>,
}

impl Reports {
    /// None yet: the time until the first one counts from now.
    pub fn begin(last: LastReport) -> Result<Self> {
        last.note()?;
        Ok(Self { last, read_only: Arc::default() })
    }

    /// Takes in a line of Spin's, be it a report or not.
    pub fn read(&self, line: &[u8]) {
        let Ok(report) = serde_json::from_slice::<Value>(line) else { return };
        if report["event"] != "run" {
            return;
        }
        if let Err(why) = self.last.note() {
            tell("error", Code::ReportNotNoted, &format!("{why:#}"));
        }
        if is_read_only(&report) {
            self.read_only.fetch_add(1, Ordering::Relaxed);
        } else {
            self.read_only.store(0, Ordering::Relaxed);
        }
    }

    /// Fails where Spin should be started anew, with why.
    pub fn check(&self) -> Result<()> {
        self.last.check()?;
        ensure!(
            self.read_only.load(Ordering::Relaxed) < ENOUGH,
            "{ENOUGH} reports in a row name a Redis that takes no writes (READONLY): Spin's \
             connection has stayed with a primary that was demoted"
        );
        Ok(())
    }
}

fn is_read_only(report: &Value) -> bool {
    let error = report["error"].as_str().unwrap_or_default();
    report["outcome"] == "failed" && READ_ONLY.iter().any(|name| error.contains(name))
}
