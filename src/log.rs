//! Log lines: JSON objects with `"event":"log"`, one a line, beside the report on stdout.

use serde_json::json;

use crate::ports::Log;
use crate::words::json_shown;

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

    /// Prints `message`, should the level ask for it.
    pub fn log(&self, level: Level, message: impl AsRef<str>) {
        if level <= self.level {
            let line = json!({"event": "log", "level": level.name(), "message": message.as_ref()});
            self.port.line(&json_shown(&line.to_string()));
        }
    }
}
