//! What a failure of the store means, by the words of the libraries with which Spin reaches it, and what to do.
//!
//! The words are those of Redis, of redis-rs 0.32 (Spin 3.6 and 4.0) and 1.8 (the project's host), of rusqlite
//! and of OpenSSL. Spin gives the debug form of the library's error. redis-rs writes some of Redis's codes in
//! a way of its own: `ReadOnly` for `READONLY`, `"OOM"` for `OOM`.

use crate::ports::KeyValueError;
use crate::words::{Told, shown};

/// One way to fail: the words by which it is known, what is wrong, and what to do.
struct Fault(&'static [&'static str], &'static str, &'static str);

/// How it is known that a swap does not keep two hosts apart.
pub const NOT_ATOMIC: &str = "a test write replaced a value that another client had just written";
/// A swap of the lease that was answered, and yet had no effect.
pub const NO_EFFECT: &str = "the store answered, but did not write the value";

/// The first that fits is the one.
const FAULTS: [Fault; 31] = [
    Fault(
        &[NOT_ATOMIC],
        "Redis's ACL does not allow its user MULTI",
        "allow its user +watch +unwatch +multi +exec in Redis's ACL",
    ),
    Fault(
        &[NO_EFFECT],
        NO_EFFECT,
        "the next run tries again; if it comes back, look at whether Redis restarts or fails over, and at its log",
    ),
    Fault(
        &["NOPERM", "NoPerm", "PermissionDenied: this user", "no permissions to"],
        "Redis's ACL does not allow its user this command or this key",
        "allow its user +get +set +mset +del +watch +unwatch +multi +exec +ping on the keys kong-cloudtrail:* in Redis's ACL, \
         and to read all keys (%R~*) while adopt_lambda_keys is on",
    ),
    Fault(
        &["WRONGPASS", "AuthenticationFailed", "invalid password", "invalid username-password"],
        "Redis does not take this user and password",
        "set the right ones in the url of [key_value_store.default] in the runtime config; write @ : / % in a password as \
         %40 %3A %2F %25",
    ),
    Fault(
        &["NOAUTH"],
        "Redis asks for a password, and none is set",
        "set user and password in the url of [key_value_store.default] in the runtime config: redis://user:password@host",
    ),
    Fault(
        &["DB index is out of range", "refused to switch database", "Invalid database number"],
        "Redis has no database of the number in the url",
        "give a number that it has, or none, at the end of the url of [key_value_store.default] in the runtime config; a \
         Redis in cluster mode has 0 alone",
    ),
    Fault(
        &["READONLY", "ReadOnly:"],
        "Redis takes no writes: this node is a replica now",
        "have the url of [key_value_store.default] in the runtime config lead to the primary (promote one where there is none), \
         then restart Spin: its connection stays with the old one",
    ),
    Fault(
        &["CROSSSLOT", "CrossSlot"],
        "Redis is a cluster that does not take these keys in one write",
        "use a Redis or Valkey that takes MSET for keys that share a hash tag ({0}), or one with a single primary",
    ),
    Fault(
        &["MOVED", "Moved:", "ASK ", "Ask:"],
        "Redis is a cluster, and another node has the ledger's keys",
        "give the address of that node in the url of [key_value_store.default] in the runtime config: Spin's client knows one \
         server",
    ),
    Fault(
        &["CLUSTERDOWN", "ClusterDown"],
        "the Redis cluster is down",
        "bring its missing nodes or slots back: redis-cli --cluster check names them",
    ),
    Fault(
        &["MASTERDOWN", "MasterDown"],
        "this Redis is a replica whose primary is away",
        "bring the primary back, or promote another",
    ),
    Fault(
        &["LOADING", "BusyLoading"],
        "Redis has just started and is still loading its data",
        "wait until it has: the next run tries again",
    ),
    Fault(
        &["OOM"],
        "Redis has no memory left",
        "raise maxmemory or take a larger node, and leave maxmemory-policy at noeviction",
    ),
    Fault(
        &["MISCONF"],
        "Redis takes no writes, since it cannot save its data to disk",
        "free Redis's disk, or mend the rights of its folder",
    ),
    Fault(
        &["NOREPLICAS"],
        "Redis takes no writes, since too few replicas are there",
        "bring replicas back, or lower min-replicas-to-write in Redis",
    ),
    Fault(
        &["WRONGTYPE"],
        "another program has this key",
        "set ledger to a new name, or give this ledger a Redis or a database of its own",
    ),
    Fault(
        &["unknown command"],
        "this Redis lacks a command that is needed",
        "use Redis 7, or Valkey 7 (which was not tried), that has GET, SET, MSET, DEL, WATCH, UNWATCH, MULTI, EXEC and PING under these names",
    ),
    Fault(
        &["database or disk is full", "DiskFull", "No space left", "StorageFull", "os error 28"],
        "the disk with the SQLite file is full",
        "free some of that disk, where Spin's state folder is (.spin beside spin.toml, unless set otherwise)",
    ),
    Fault(
        &["readonly database", "code: ReadOnly,", "Read-only file system", "os error 30"],
        "the SQLite file may not be written",
        "let the user of this process write that file and its folder (.spin beside spin.toml, unless set otherwise), then \
         restart",
    ),
    Fault(
        &[
            "unable to open database file",
            "CannotOpen",
            "Permission denied",
            "PermissionDenied",
            "os error 13",
        ],
        "the SQLite file cannot be opened",
        "have its folder there, and let the user of this process write in it (.spin beside spin.toml, unless set otherwise)",
    ),
    Fault(
        &["database is locked", "DatabaseBusy", "DatabaseLocked"],
        "another process holds the SQLite file",
        "end the other process, or use Redis where several are meant to run",
    ),
    Fault(
        &["file is not a database", "NotADatabase", "malformed", "DatabaseCorrupt"],
        "the SQLite file is damaged",
        "restore it from a backup, or move it away: then all that Kong still holds is shipped again",
    ),
    Fault(
        &["certificate", "Certificate", "Hostname mismatch", "SSL", "tls", "Tls", "TLS"],
        "the TLS connection to Redis failed",
        "have the certificate's authority in the system's store, or in the file that SSL_CERT_FILE names to the host; the \
         certificate must name the host in the url of [key_value_store.default] and be valid now; write redis:// where \
         Redis speaks no TLS",
    ),
    Fault(
        &[
            "lookup address",
            "Name or service not known",
            "name resolution",
            "No address associated",
            "nodename nor",
        ],
        "Redis's host name does not resolve",
        "check the host in the url of [key_value_store.default] in the runtime config, and that the name resolves where this \
         runs",
    ),
    Fault(
        &["Connection refused", "os error 111"],
        "nothing listens at Redis's address",
        "start Redis, or check host and port in the url of [key_value_store.default] in the runtime config",
    ),
    Fault(
        &["timed out", "no answer within", "TimedOut", "os error 110"],
        "the store does not answer in time",
        "look at whether it is up, and at the firewalls and security groups on the way",
    ),
    Fault(
        &["No route to host", "Network is unreachable", "os error 113", "os error 101"],
        "there is no way to Redis from here",
        "check the host in the url of [key_value_store.default] in the runtime config, and the network path to it",
    ),
    Fault(
        &[
            "Broken pipe",
            "broken pipe",
            "Connection reset",
            "terminated",
            "unexpected end of file",
            "connection closed",
        ],
        "Redis ended the connection",
        "look at whether it is up and at its log; where it speaks TLS alone, write rediss:// in the url of \
         [key_value_store.default] in the runtime config",
    ),
    Fault(
        &["no such store", "NoSuchStore"],
        "Spin has no key-value store of the name default",
        "add [key_value_store.default] to the runtime config, and give the file with --runtime-config-file",
    ),
    Fault(
        &["access denied", "AccessDenied"],
        "the component may not open the key-value store default",
        "write key_value_stores = [\"default\"] for the component in spin.toml",
    ),
    Fault(
        &["store table full", "StoreTableFull"],
        "too many key-value stores are open",
        "restart Spin; if it comes back, report it",
    ),
];

/// What is wrong with the store and what to do, by the host's words.
pub fn told(why: &KeyValueError) -> Told {
    let fault =
        FAULTS.iter().find(|Fault(words, ..)| words.iter().any(|word| why.0.contains(word)));
    let words = shown(&plain(&why.0));
    match fault {
        Some(Fault(_, cause, remedy)) => Told::new(with(cause, &words), *remedy),
        None if words.is_empty() => Told::new("it gave no reason", REACHABLE),
        None => Told::new(words, REACHABLE),
    }
}

/// Each fault by its first word.
#[cfg(test)]
pub(crate) fn samples() -> impl Iterator<Item = (&'static str, Told)> {
    FAULTS.iter().map(|Fault(words, ..)| {
        let when = match words[0] {
            NOT_ATOMIC => "swaps that keep nobody out",
            NO_EFFECT => "a swap without effect",
            word => word,
        };
        (when, told(&KeyValueError(words[0].to_owned())))
    })
}

const REACHABLE: &str = "check that the store named in Spin's runtime config is up and reachable";

fn with(cause: &str, words: &str) -> String {
    if words.is_empty() || cause.contains(words) {
        cause.to_owned()
    } else {
        format!("{cause} ({words})")
    }
}

/// The library's words without what is for its developers: the debug form of an enum, and names of its own for
/// Redis's codes.
fn plain(why: &str) -> String {
    const OWN_NAMES: [(&str, &str); 16] = [
        ("Server(ResponseError): ", ""),
        ("ReadOnly: ", "READONLY "),
        ("NoPerm: ", "NOPERM "),
        ("CrossSlot: ", "CROSSSLOT "),
        ("ClusterDown: ", "CLUSTERDOWN "),
        ("MasterDown: ", "MASTERDOWN "),
        ("BusyLoadingError: ", "LOADING "),
        ("BusyLoading: ", "LOADING "),
        ("TryAgain: ", "TRYAGAIN "),
        ("Moved: ", "MOVED "),
        ("Ask: ", "ASK "),
        ("ExecAbortError: ", "EXECABORT "),
        ("ExecAbort: ", "EXECABORT "),
        ("ResponseError: ", ""),
        ("AuthenticationFailed: ", ""),
        ("InvalidClientConfig: ", ""),
    ];
    let why = why.trim();
    // Of SqliteFailure(Error { … }, Some("…")), Os { …, message: "…" } and Other("…") the text.
    let texts = ["Some(\"", "message: \"", "Other(\"", "Io(\""];
    if let Some((_, inner)) = texts.iter().find_map(|before| why.split_once(before))
        && let Some((text, _)) = inner.rsplit_once('"')
    {
        return plain(&text.replace("\\\"", "\"").replace("\\\\", "\\"));
    }
    if let Some((_, code)) = why.split_once("{ code: ") {
        return code.split(',').next().unwrap_or_default().to_owned();
    }
    let why = why
        .strip_prefix("An error was signalled by the server")
        .map_or(why, |rest| rest.trim_start_matches(['-', ' ']));
    let why = OWN_NAMES.iter().fold(why.to_owned(), |why, (own, redis)| why.replace(own, redis));
    // "OOM": command not allowed
    match why.strip_prefix('"').and_then(|rest| rest.split_once("\": ")) {
        Some((code, rest)) if code.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            format!("{code} {rest}")
        }
        _ => {
            let unquoted = why.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let why = unquoted.unwrap_or(&why).replace("\\\"", "\"");
            why.replace(" - AuthenticationFailed", "").replace("- AuthenticationFailed", "")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the libraries give, each with the cause, and with words that are no debug text. First as redis-rs 0.32
    /// and rusqlite 0.34 in Spin have it, then as the project's host.
    const GIVEN: [(&str, &str, &str); 48] = [
        (NOT_ATOMIC, "MULTI", "replaced a value"),
        (NO_EFFECT, "did not write", "answered"),
        (
            "An error was signalled by the server - ReadOnly: You can't write against a read only replica.",
            "replica now",
            "(READONLY You can't write against a read only replica.)",
        ),
        (
            "ReadOnly: You can't write against a read only replica.",
            "replica now",
            "(READONLY You can't write against a read only replica.)",
        ),
        (
            "An error was signalled by the server - CrossSlot: Keys in request don't hash to the same slot",
            "one write",
            "(CROSSSLOT Keys in",
        ),
        (
            "CrossSlot: Keys in request don't hash to the same slot",
            "one write",
            "(CROSSSLOT Keys in",
        ),
        (
            "An error was signalled by the server - Moved: 866 10.0.0.2:6379",
            "another node",
            "(MOVED 866 10.0.0.2:6379)",
        ),
        ("Moved: 866 10.0.0.2:6379", "another node", "(MOVED 866 10.0.0.2:6379)"),
        (
            "An error was signalled by the server - ClusterDown: The cluster is down",
            "cluster is down",
            "(CLUSTERDOWN The cluster is down)",
        ),
        (
            "ClusterDown: Hash slot not served",
            "cluster is down",
            "(CLUSTERDOWN Hash slot not served)",
        ),
        ("MASTERDOWN: Link with MASTER is down", "primary is away", "MASTERDOWN"),
        (
            "An error was signalled by the server - BusyLoadingError: Redis is loading the dataset in memory",
            "still loading",
            "(LOADING Redis is",
        ),
        (
            "BusyLoading: Redis is loading the dataset in memory",
            "still loading",
            "(LOADING Redis is",
        ),
        (
            "OOM: command not allowed when used memory > 'maxmemory'.",
            "no memory left",
            "(OOM: command",
        ),
        (
            "\"OOM\": command not allowed when used memory > 'maxmemory'.",
            "no memory left",
            "(OOM command",
        ),
        ("MISCONF: Redis is configured to save RDB snapshots", "to disk", "(MISCONF: Redis"),
        ("\"MISCONF\": Redis is configured to save RDB snapshots", "to disk", "(MISCONF Redis"),
        ("NOREPLICAS: Not enough good replicas to write.", "too few replicas", "(NOREPLICAS: Not"),
        (
            "\"NOREPLICAS\": Not enough good replicas to write.",
            "too few replicas",
            "(NOREPLICAS Not",
        ),
        (
            "NOPERM: this user has no permissions to run the 'mset' command",
            "ACL",
            "(NOPERM: this user",
        ),
        (
            "NoPerm: this user has no permissions to run the 'mset' command",
            "ACL",
            "(NOPERM this user",
        ),
        ("\"NOPERM\": No permissions to access a key", "ACL", "(NOPERM No permissions"),
        (
            "Password authentication failed- AuthenticationFailed",
            "user and password",
            "(Password authentication failed",
        ),
        (
            "Password authentication failed - AuthenticationFailed",
            "user and password",
            "(Password authentication failed)",
        ),
        (
            "WRONGPASS: invalid username-password pair or user is disabled.",
            "user and password",
            "WRONGPASS",
        ),
        ("NOAUTH: Authentication required.", "none is set", "(NOAUTH: Authentication required.)"),
        (
            "\"NOAUTH\": Authentication required.",
            "none is set",
            "(NOAUTH Authentication required.)",
        ),
        (
            "Redis server refused to switch database - Server(ResponseError): DB index is out of range",
            "number in the url",
            "database - DB index is out of range)",
        ),
        (
            "Redis server refused to switch database - ResponseError: DB index is out of range",
            "number in the url",
            "DB index is out of range",
        ),
        (
            "WRONGTYPE: Operation against a key holding the wrong kind of value",
            "another program",
            "WRONGTYPE",
        ),
        (
            "An error was signalled by the server - ResponseError: unknown command 'MSET'",
            "lacks a command",
            "(unknown command 'MSET')",
        ),
        (
            "SqliteFailure(Error { code: DiskFull, extended_code: 13 }, Some(\"database or disk is full\"))",
            "disk with the SQLite file is full",
            "(database or disk is full)",
        ),
        (
            "database or disk is full: /srv/.spin/sqlite_key_value.db",
            "disk with the SQLite file is full",
            "/srv/.spin/sqlite_key_value.db",
        ),
        (
            "SqliteFailure(Error { code: ReadOnly, extended_code: 8 }, Some(\"attempt to write a readonly database\"))",
            "may not be written",
            "(attempt to write a readonly database)",
        ),
        (
            "attempt to write a readonly database: /srv/.spin/sqlite_key_value.db",
            "may not be written",
            "/srv/.spin/",
        ),
        (
            "SqliteFailure(Error { code: CannotOpen, extended_code: 14 }, Some(\"unable to open database file: /srv/.spin/x.db\"))",
            "cannot be opened",
            "(unable to open database file: /srv/.spin/x.db)",
        ),
        (
            "Os { code: 13, kind: PermissionDenied, message: \"Permission denied\" }",
            "cannot be opened",
            "(Permission denied)",
        ),
        (
            "SqliteFailure(Error { code: DatabaseBusy, extended_code: 5 }, Some(\"database is locked\"))",
            "another process",
            "(database is locked)",
        ),
        (
            "SqliteFailure(Error { code: NotADatabase, extended_code: 26 }, None)",
            "damaged",
            "(NotADatabase)",
        ),
        (
            "error:0A000086:SSL routines::certificate verify failed",
            "TLS connection",
            "certificate verify failed",
        ),
        ("invalid peer certificate: UnknownIssuer", "TLS connection", "UnknownIssuer"),
        (
            "failed to lookup address information: Name or service not known",
            "does not resolve",
            "lookup",
        ),
        ("Connection refused (os error 111)", "nothing listens", "os error 111"),
        ("no answer within 30 s", "in time", "30 s"),
        ("Broken pipe (os error 32)", "ended the connection", "Broken pipe"),
        ("no such store", "of the name default", "no such store"),
        ("access denied", "may not open", "access denied"),
        ("", "no reason", ""),
    ];

    #[test]
    fn what_the_libraries_give_is_told_by_cause_with_a_remedy_and_without_debug_text() {
        for (given, cause, words) in GIVEN {
            let told = told(&KeyValueError(given.to_owned()));
            assert!(told.cause.contains(cause) && told.cause.contains(words), "{given}: {told}");
            assert!(!told.remedy.is_empty(), "{given}");
            for debug in ["Some(", "{ ", "\\\"", "SqliteFailure", "An error was signalled", "\":"] {
                assert!(!told.cause.contains(debug), "{given}: {told}");
            }
        }
        let other = told(&KeyValueError("Other(\"something \\\"new\\\"\")".to_owned()));
        assert_eq!(other.cause, "something \"new\"");
        assert!(other.remedy.contains("up and reachable"));
    }

    #[test]
    fn each_word_leads_to_its_own_fault() {
        for Fault(words, cause, remedy) in &FAULTS {
            for word in *words {
                let told = told(&KeyValueError((*word).to_owned()));
                assert!(told.cause.starts_with(cause) && told.remedy == *remedy, "{word}: {told}");
            }
        }
    }

    #[test]
    fn a_demoted_redis_is_named_as_the_entrypoint_looks_for_it_and_sqlite_is_not() {
        let is_named =
            |given: &str| told(&KeyValueError(given.to_owned())).cause.contains("READONLY");
        for (given, cause, _) in GIVEN {
            assert_eq!(is_named(given), cause == "replica now", "{given}");
        }
    }
}
