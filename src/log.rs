//! Log lines: JSON objects with `"event":"log"`, one a line, beside the report on stdout.

use serde::Serialize;

use crate::ports::Log;
use crate::words::json_line;

/// How much a line matters; `log_level` is the least that is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed and needs somebody.
    Error,
    /// Something is odd; the run goes on.
    Warn,
    /// What a run did.
    Info,
    /// How it did it.
    Debug,
}

impl Level {
    /// The level of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug]
            .into_iter()
            .find(|level| level.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// What a line is about that says that something failed or is odd. By these words `docs/operations.md` tells what
/// to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// How far a run that takes long has come: the one word of level info.
    Progress,
    /// A call to the destination had no answer, or one that did not mention an event.
    AnswersLost,
    /// AWS's credentials could not be renewed, and those at hand still last.
    CredentialsNotRenewed,
    /// A call to the destination had no answer in time.
    DestinationSilent,
    /// The run before this one ended without giving its lease back.
    DiedBefore,
    /// Kong no longer shows what a run that ended early was about to send.
    EntriesGone,
    /// A row could not be read for 24 hours, and is a dead letter now.
    EntryUnreadable,
    /// The destination refuses an event for good, which is a dead letter now.
    EventRefused,
    /// Events are left to the next run.
    EventsPending,
    /// A value that nothing reads any more could not be deleted.
    ExpiredNotDeleted,
    /// Kong did not heed the times that it was asked for.
    FiltersIgnored,
    /// The store has lost fingerprints.
    FingerprintsLost,
    /// Kong's settings keep something out of its audit log.
    IgnoredSettings,
    /// Somebody has changed the ledger by hand.
    Intervened,
    /// Kong asks for a long wait.
    KongAsksToWait,
    /// A call to Kong had no answer in time.
    KongSilent,
    /// The lease could not be given back.
    LeaseNotReleased,
    /// The destination refuses a dead letter that was sent again.
    LetterRefusedAgain,
    /// The store has lost dead letters, or their index.
    LettersLost,
    /// What a run that ended early was about to send under a name is sent under another one.
    NameGivenUp,
    /// Somebody else has put something under a name that was made in this run.
    NameTaken,
    /// Kong's Lambda has a key for none of the entries that were shipped.
    NoneAdopted,
    /// An entry tells its time in a form that is not known.
    OddTime,
    /// A variable of another destination is set.
    UnusedSetting,
}

#[derive(Serialize)]
struct Line<'m> {
    event: &'static str,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    message: &'m str,
}

/// Prints log lines of at least its level.
pub struct Logger<'a, P> {
    port: &'a P,
    level: Level,
}

impl<P> Clone for Logger<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Logger<'_, P> {}

impl<'a, P: Log> Logger<'a, P> {
    /// A logger that prints lines of `level` and graver ones.
    pub fn new(port: &'a P, level: Level) -> Self {
        Self { port, level }
    }

    /// Where it prints.
    pub fn port(&self) -> &'a P {
        self.port
    }

    /// Something failed and needs somebody.
    pub fn error(&self, code: Code, message: impl AsRef<str>) {
        self.log(Level::Error, Some(code), message.as_ref());
    }

    /// Something is odd; the run goes on.
    pub fn warn(&self, code: Code, message: impl AsRef<str>) {
        self.log(Level::Warn, Some(code), message.as_ref());
    }

    /// What a run did.
    pub fn info(&self, message: impl AsRef<str>) {
        self.log(Level::Info, None, message.as_ref());
    }

    /// How far a run is that takes long.
    pub fn progress(&self, message: impl AsRef<str>) {
        self.log(Level::Info, Some(Code::Progress), message.as_ref());
    }

    /// How a run did it.
    pub fn debug(&self, message: impl AsRef<str>) {
        self.log(Level::Debug, None, message.as_ref());
    }

    fn log(&self, level: Level, code: Option<Code>, message: &str) {
        if level <= self.level {
            let line = Line { event: "log", level: level.name(), code, message };
            self.port.line(&json_line(&line));
        }
    }
}
