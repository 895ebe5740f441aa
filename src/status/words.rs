//! What the words of a report mean, for whoever does not have the README at hand.

/// The words of `attention`, each with what happened.
pub const ATTENTION: [(&str, &str); 7] = [
    (
        "new-ledger",
        "The store had no ledger of this name. As expected of a first run; on any later one somebody has emptied the store, \
         or changed ledger.",
    ),
    (
        "died-before",
        "The run before ended without giving its lease back: find out why its process ended, unless somebody ended it.",
    ),
    (
        "store-lost",
        "The store has lost fingerprints or dead letters: restore it from its snapshot.",
    ),
    (
        "late",
        "Entries were shipped that only a comparison with all that Kong retains found. Once is nothing; again and again, raise \
         lookback_secs, and look at the clocks of Kong's nodes.",
    ),
    (
        "unreadable",
        "Entries could not be read for a day, and are dead letters now: kong-cloudtrail dead-letters show names them.",
    ),
    ("rekeyed", "The ledger was written anew with a new ledger_key: clear ledger_key_previous."),
    (
        "notes-changed",
        "The notes are others than in the report before: somebody has changed a setting here or in Kong.",
    ),
];

/// The words of `notes`, each with what stands.
const NOTES: [(&str, &str); 7] = [
    (
        "unauthenticated-ledger",
        "ledger_key is not set: whoever can write to the store can change what is shown here.",
    ),
    (
        "adopting-unkeyed-ledger",
        "ledger_key_previous is unkeyed: values that nobody authenticated may be taken. Clear it after one run.",
    ),
    ("endpoint-overridden", "An endpoint of AWS is overridden."),
    ("plaintext", "Kong's token and the entries can be read on their way from Kong."),
    ("ignored-settings", "Kong's ignore settings keep something out of its audit log."),
    (
        "derived-times",
        "Kong holds entries that tell no time of their own; their events have a derived one.",
    ),
    (
        "adopting-lambda-keys",
        "adopt_lambda_keys is on: what Kong's Lambda has a key for counts as shipped.",
    ),
];

/// What a word of `notes` or `attention` means.
pub fn meaning(word: &str) -> &'static str {
    let mut known = ATTENTION.iter().chain(&NOTES);
    known
        .find(|(told, _)| *told == word)
        .map_or("A word of a newer version.", |(_, meaning)| meaning)
}
