//! What a single run does.

use crate::variables::Reader;

/// The variable that says it.
const NAME: &str = "task";

/// What a single run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// It ships what is new.
    Ship,
    /// It tries whether a run would work.
    Check,
    /// It compares what Kong retains with the ledger.
    Verify,
}

impl Task {
    const ALL: [Self; 3] = [Self::Ship, Self::Check, Self::Verify];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ship => "ship",
            Self::Check => "check",
            Self::Verify => "verify",
        }
    }
}

/// Reads the task. Another word is a mistake.
pub(super) fn read(reader: &mut Reader<'_>) -> Task {
    let word = reader.set(NAME).unwrap_or_default();
    Task::ALL.into_iter().find(|task| task.word() == word).unwrap_or_else(|| {
        reader.mistake(format!("{NAME} {word:?} must be ship, check or verify"));
        Task::Ship
    })
}

/// The task alone. Where it is none, [`Task::Ship`], which reports the mistake.
pub fn task(variable: impl Fn(&str) -> Result<Option<String>, String>) -> Task {
    read(&mut Reader::new(&variable))
}
