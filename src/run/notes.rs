//! The report's `notes`: what holds over many runs, since somebody chose it or has to live with it.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::kong::{About, CLOCKS_DIFFER_SECS};
use crate::ledger::Ledger;
use crate::ports::KeyValue;
use crate::report::{Attention, Note, Report};
use crate::seal::Seal;
use crate::terms::Stream;
use crate::words::shown;

/// What the configuration alone tells.
pub fn of_config(config: &Config) -> BTreeSet<Note> {
    let adopts_unkeyed = matches!(config.previous_seal, Some(Seal::Unkeyed));
    [
        (matches!(config.seal, Seal::Unkeyed), Note::UnauthenticatedLedger),
        (config.endpoint_overridden, Note::EndpointOverridden),
        (config.allow_plaintext, Note::Plaintext),
        (adopts_unkeyed, Note::AdoptingUnkeyedLedger),
        (config.adopt_lambda_keys, Note::AdoptingLambdaKeys),
        (config.streams.len() < Stream::ALL.len(), Note::StreamsLeftOut),
        (config.spans.reconcile == 0, Note::ComparisonsOff),
    ]
    .into_iter()
    .filter_map(|(stands, note)| stands.then_some(note))
    .collect()
}

/// Adds the notes that Kong and the ledger give, and says whether the notes or Kong's ignore settings differ
/// from those of the last report. What only Kong can tell is kept of the last report where it did not answer.
/// `apart` is how far its clock and this host's are, in seconds.
pub fn complete<P: KeyValue>(
    report: &mut Report,
    about: Option<&About>,
    ledger: &mut Ledger<'_, P>,
    apart: u64,
) {
    let known = ledger.head().notes.clone();
    let of_kong = |word: &&String| {
        [Note::IgnoredSettings, Note::ClocksDiffer]
            .iter()
            .any(|note| word.starts_with(&note.word()))
    };
    let mut words: BTreeSet<String> = match about {
        None => known.iter().flatten().filter(of_kong).cloned().collect(),
        Some(about) => ignored(&about.hides).into_iter().collect(),
    };
    if about.is_some() && apart > CLOCKS_DIFFER_SECS {
        words.insert(Note::ClocksDiffer.word());
    }
    for note in [Note::IgnoredSettings, Note::ClocksDiffer] {
        if words.iter().any(|word| word.starts_with(&note.word())) {
            report.notes.insert(note);
        }
    }
    report.ignored_settings = about.map(|about| about.hides.iter().map(|it| shown(it)).collect());
    if Stream::ALL.into_iter().any(|stream| ledger.coverage(stream).has_timeless()) {
        report.notes.insert(Note::DerivedTimes);
    }
    words.extend(report.notes.iter().map(|note| note.word()));
    if known.is_some_and(|known| known != words) {
        report.attention.insert(Attention::NotesChanged);
    }
    ledger.head().notes = Some(words);
}

/// What the head keeps of Kong's ignore settings: a hash, since a list of patterns has no bound.
fn ignored(hides: &[String]) -> Option<String> {
    let hash = Sha256::digest(hides.join("\n"));
    let word = Note::IgnoredSettings.word();
    (!hides.is_empty()).then(|| format!("{word} {}", hex::encode(&hash[..8])))
}
