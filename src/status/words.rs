//! What the words of a report mean, for whoever does not have docs/report.md at hand.

/// The words of `attention`, each with what happened.
pub const ATTENTION: [(&str, &str); 9] = [
    (
        "new-ledger",
        "The store had no ledger of this name: it was a first run, or somebody has emptied the store or changed ledger. The \
         store cannot tell which. Search your log for a report of this ledger from before that time. None: a first run. \
         Any: stop the runs, and see \"The store has lost something\" in the runbook.",
    ),
    (
        "died-before",
        "The run before ended without giving its lease back: find out why its process ended, unless somebody ended it.",
    ),
    (
        "store-lost",
        "The store has lost something that it had, or gone back to an earlier state of it: restore it from its snapshot.",
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
        "The notes, or Kong's ignore settings, are others than in the report before: somebody has changed a setting here or in Kong.",
    ),
    (
        "intervened",
        "Somebody has dropped dead letters, or changed the ledger by hand: kong-cloudtrail ledger interventions says who and \
         why.",
    ),
    (
        "other-kong",
        "The ledger's entries were another Kong's: kong_admin_api or kong_admin_path was changed.",
    ),
];

/// The words of `notes`, each with what stands.
const NOTES: [(&str, &str); 10] = [
    (
        "unauthenticated-ledger",
        "ledger_key is not set: whoever can write to the store can change what is shown here.",
    ),
    (
        "adopting-unkeyed-ledger",
        "ledger_key_previous is unkeyed: values that nobody authenticated may be taken. Clear it after one run.",
    ),
    (
        "endpoint-overridden",
        "cloudtrail_endpoint, aws_endpoint_url_cloudwatch_logs, aws_endpoint_url_s3 or aws_endpoint_url_sts is set: events or \
         credentials go to that address.",
    ),
    (
        "plaintext",
        "allow_plaintext is on: Kong's token and the entries, or Redis' password, may be read on their way.",
    ),
    ("ignored-settings", "Kong's ignore settings keep something out of its audit log."),
    (
        "derived-times",
        "Kong holds entries that tell no time of their own; their events have a derived one.",
    ),
    (
        "adopting-lambda-keys",
        "adopt_lambda_keys is on: what Kong's Lambda has a key for counts as shipped.",
    ),
    ("streams-left-out", "audit_streams leaves out one of Kong's two audit logs."),
    (
        "comparisons-off",
        "reconcile_secs is 0: what Kong retains is never compared with the ledger.",
    ),
    (
        "clocks-differ",
        "Kong's clock and the shipper's are more than five minutes apart, or a proxy keeps Kong's answers.",
    ),
];

/// What a word of `notes` or `attention` means.
pub fn meaning(word: &str) -> &'static str {
    let mut known = ATTENTION.iter().chain(&NOTES);
    known
        .find(|(told, _)| *told == word)
        .map_or("A word of a newer version.", |(_, meaning)| meaning)
}
