//! The report's `notes`: what holds over many runs, since somebody chose it or has to live with it.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::kong::About;
use crate::ledger::Ledger;
use crate::ports::KeyValue;
use crate::report::{Attention, Note, Report};
use crate::seal::Seal;
use crate::terms::Stream;

/// What the configuration alone tells.
pub fn of_config(config: &Config) -> BTreeSet<Note> {
    let adopts_unkeyed = matches!(config.previous_seal, Some(Seal::Unkeyed));
    [
        (matches!(config.seal, Seal::Unkeyed), Note::UnauthenticatedLedger),
        (config.endpoint_overridden, Note::EndpointOverridden),
        (config.is_plaintext(), Note::Plaintext),
        (adopts_unkeyed, Note::AdoptingUnkeyedLedger),
        (config.adopt_lambda_keys, Note::AdoptingLambdaKeys),
    ]
    .into_iter()
    .filter_map(|(stands, note)| stands.then_some(note))
    .collect()
}

/// Adds the notes that Kong and the ledger give, and says whether the notes differ from those of the last
/// report. When Kong did not answer, its note of the last report is kept.
pub fn complete<P: KeyValue>(
    report: &mut Report,
    about: Option<&About>,
    ledger: &mut Ledger<'_, P>,
) {
    let known = ledger.head().notes.clone();
    let hides = about.map_or_else(
        || known.as_ref().is_some_and(|known| known.contains(&Note::IgnoredSettings.word())),
        |about| !about.hides.is_empty(),
    );
    if hides {
        report.notes.insert(Note::IgnoredSettings);
    }
    if Stream::ALL.into_iter().any(|stream| ledger.coverage(stream).has_timeless()) {
        report.notes.insert(Note::DerivedTimes);
    }
    let words: BTreeSet<_> = report.notes.iter().map(|note| note.word()).collect();
    if known.is_some_and(|known| known != words) {
        report.attention.insert(Attention::NotesChanged);
    }
    ledger.head().notes = Some(words);
}
