//! Rows that are left out of their page: what is wrong with them, and what of them can be told all the same.

use crate::terms::{LedgerTime, Stream};
use crate::words::{Told, shown};

/// A row that cannot be shipped as Kong keeps it. The rows around it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its own id, where it can be read.
    pub id: Option<String>,
    /// What tells it from other rows where its id does not.
    pub identity: String,
    /// The time by which Kong's filters go, where it can be read.
    pub stamp: Option<i64>,
    /// The time under which the ledger would file it, where that can be told.
    pub time: Option<LedgerTime>,
    /// What is wrong.
    pub flaw: Flaw,
    /// The row, with replacement characters for what is not UTF-8.
    pub text: Option<String>,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is larger than this version reads.
    TooLarge,
    /// It holds a byte that is not UTF-8.
    NotUtf8,
    /// It is no JSON.
    NotJson,
    /// It is JSON, and no object whose names can be read.
    NotAnEntry,
}

impl LeftOut {
    /// A row of which nothing is known but its text, if that.
    pub(crate) fn unknown(flaw: Flaw, text: Option<&str>) -> Self {
        let identity = text.unwrap_or_default().to_owned();
        let text = text.map(str::to_owned);
        Self { id: None, identity, stamp: None, time: None, flaw, text }
    }

    /// In words.
    pub fn told(&self, stream: Stream) -> Told {
        let name = shown(self.id.as_deref().unwrap_or("of unknown id"));
        let (what, remedy) = match self.flaw {
            Flaw::TooLarge => (
                "is larger than the 48 MiB that this version reads",
                "save a copy of the row from Kong's database: it cannot be shipped; so that no more come, lower \
                 nginx_admin_client_max_body_size on the control plane",
            ),
            Flaw::NotUtf8 => ("holds a byte that is not UTF-8, which JSON does not allow", MEND),
            Flaw::NotJson => ("is not JSON as Kong gives it", MEND),
            Flaw::NotAnEntry => {
                ("is not a JSON object, or one of its field names is not valid text", MEND)
            }
        };
        Told::new(format!("the {} entry {name} {what}", stream.name()), remedy)
    }
}

const MEND: &str = "correct the row in Kong's database (audit_requests or audit_objects), and a later run ships it; if you \
                    cannot, save a copy of the row yourself: after 24 hours it is a dead letter and is not sent";
