//! A row of what was tried.

use serde::Serialize;

use crate::words::{Told, shown};

/// What came of a row; of several the worst, where one that was skipped is no worse than one that is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// It could not be tried.
    Skipped,
    /// It is well.
    Ok,
    /// A run would work, and something is odd.
    Warn,
    /// A run would not work.
    Fail,
}

impl Finding {
    /// The worst of these rows.
    pub fn worst(rows: &[Row]) -> Self {
        rows.iter().map(|row| row.result).fold(Self::Ok, Self::max)
    }
}

/// One thing that a run needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// A fixed word.
    pub name: &'static str,
    /// What was done.
    pub tried: String,
    /// What came of it.
    pub result: Finding,
    /// What was found, or why it was not tried.
    pub found: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// What was found.
pub(super) enum Found {
    Ok(String),
    Warn(Told),
    Fail(Told),
    Skipped(String),
}

impl Found {
    pub fn skipped(why: &str) -> Self {
        Self::Skipped(why.to_owned())
    }
}

#[derive(Default)]
pub(super) struct Rows(Vec<Row>);

impl Rows {
    pub fn add(&mut self, name: &'static str, tried: impl Into<String>, found: Found) {
        let (result, told) = match found {
            Found::Ok(found) => (Finding::Ok, Told::from(found)),
            Found::Warn(told) => (Finding::Warn, told),
            Found::Fail(told) => (Finding::Fail, told),
            Found::Skipped(why) => (Finding::Skipped, Told::from(why)),
        };
        let Told { cause, remedy } = told;
        let remedy = Some(remedy.into_owned()).filter(|remedy| !remedy.is_empty());
        self.0.push(Row { name, tried: tried.into(), result, found: cause, remedy });
    }

    pub fn into_vec(self) -> Vec<Row> {
        self.0
    }
}

/// A name from outside, as it may stand in a row.
pub(super) fn named(name: &str) -> String {
    shown(name)
}
