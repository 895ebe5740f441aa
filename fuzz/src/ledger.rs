//! The bytes are what the store holds: each chunk is the name of a value, a line break, the value.
//! A value that begins with `=` is a sound segment: after it, the letters `a` to `c` are the
//! fingerprints of Kong's entries, and any other byte is the fingerprint of another. JSON as a head, as
//! the index of dead letters, as the ring of reports or as a lease is sealed, since nobody guesses a check.
//!
//! A run that says `failed` has left alone the value that it names, and all others too where the whole
//! ledger goes by that value. After one that says `ok`, every entry that Kong gave is in CloudTrail, or
//! was in a segment before.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use kong_cloudtrail::kong::Entry;
use kong_cloudtrail::ledger::{Fingerprint, Segment};
use kong_cloudtrail::report::{Outcome, Report};
use kong_cloudtrail::seal::{HEADER_BYTES, Seal};
use kong_cloudtrail::terms::Stream;
use serde_json::Value;

use crate::audit::{self, Channel};
use crate::chunks;
use crate::kong::{self, Kong};
use crate::world::{Values, World};

const PREFIX: &str = "kong-cloudtrail:default:{0}";

/// What the whole ledger goes by.
const NEEDED: [&str; 3] = ["head", "dead-letters", "reports"];

/// What a report says, and the judge takes for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Another host holds the lease.
    Skipped,
    /// Nobody with this key has written the lease.
    ForeignLease,
    /// A value cannot be read.
    Unreadable,
    /// The ledger is bound to another channel.
    OtherTarget,
    /// An index of dead letters that named none is gone, or went back.
    LostIndex,
    /// Dead letters are gone, or their index, or the record of interventions: until somebody acknowledges it.
    Lost,
    /// A comparison left entries behind.
    BeginsAgain,
    /// All is well.
    Ok,
}

/// Why a run may be partial: the store has lost something, or what an earlier run left behind waits.
const PARTIAL: [(&str, Said); 2] = [
    ("has lost the index of", Said::LostIndex),
    ("when this comparison ends, a new one starts", Said::BeginsAgain),
];

/// Runs both streams on the store that the input is; what the two reports said.
///
/// # Panics
/// When a run does what it must not.
pub fn check(input: &[u8]) -> [Said; 2] {
    let stored: Values = chunks(input).filter_map(value).collect();
    let kong = Kong::default();
    let asked = RefCell::new(Stream::Requests);
    let channels = RefCell::new(BTreeMap::<Stream, Channel>::new());
    let world = World::new(
        |request| {
            if let Some(stream) = kong::stream_of(request.uri()) {
                asked.replace(stream);
            }
            kong.answer(request)
        },
        |request| {
            let mut channels = channels.borrow_mut();
            Ok(channels.entry(*asked.borrow()).or_default().accept(audit::events(request)))
        },
    );
    world.store.values.replace(stored);
    // One stream a run, so that it is known which one an event is of.
    Stream::ALL.map(|stream| {
        let stored = world.store.values.borrow().clone();
        let report = world.run(&[("audit_streams", stream.name())]);
        let accepted = channels.borrow().get(&stream).map(|channel| channel.identities(stream));
        judge(
            &report,
            stream,
            &stored,
            &world.store.values.borrow(),
            &kong,
            &accepted.unwrap_or_default(),
        )
    })
}

/// What a run of `stream` left of what was stored, and whether it says so.
fn judge(
    report: &Report,
    stream: Stream,
    stored: &Values,
    left: &Values,
    kong: &Kong,
    accepted: &HashSet<String>,
) -> Said {
    let unchanged = |but: &str| {
        let others = |values: &Values| -> Values {
            values
                .iter()
                .filter(|(key, _)| **key != but)
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect()
        };
        others(stored) == others(left)
    };
    let error = report.error.clone().unwrap_or_default();
    match report.outcome {
        Outcome::Skipped => {
            assert!(unchanged(""), "a run without the lease changed the store");
            Said::Skipped
        }
        Outcome::Failed => {
            let is_named = |key: &&String| {
                let of_key = error.split_once(&format!("the ledger's value at {key} "));
                of_key.is_some_and(|(_, rest)| rest.contains("(nothing was changed)"))
            };
            let unreadable: Vec<&String> = stored.keys().filter(is_named).collect();
            let other_target = error.contains("it remembers what went to");
            let lease = format!("the lease at {} was written with another ledger_key", key_of("lease"));
            let said = match unreadable.is_empty() {
                false => Said::Unreadable,
                _ if error.contains("nothing is sent until that is decided") => Said::Lost,
                _ if other_target => Said::OtherTarget,
                _ if error.contains(&lease) => Said::ForeignLease,
                _ => panic!("failed without a value's name: {error}"),
            };
            for key in &unreadable {
                let (was, is) = (stored.get(*key), left.get(*key));
                assert_eq!(was, is, "{key} is unreadable, and was changed");
            }
            let is_needed = |key: &&String| NEEDED.map(key_of).contains(key);
            if said != Said::Unreadable || unreadable.iter().any(is_needed) {
                let but = if said == Said::ForeignLease { String::new() } else { key_of("lease") };
                assert!(
                    unchanged(&but),
                    "the ledger is unreadable, and the store was changed: {error}"
                );
            }
            said
        }
        outcome => {
            let reason = PARTIAL.iter().find(|(reason, _)| error.contains(reason));
            assert!(outcome == Outcome::Ok || reason.is_some(), "partial: {error}");
            let known = known(stored, kong);
            for (_, entry) in kong.served.borrow().iter().filter(|(of, _)| *of == stream) {
                let is_there = accepted.contains(&kong::identity(stream, entry));
                assert!(is_there || known.contains(entry), "ok, and nowhere: {entry:.500}");
            }
            reason.map_or(Said::Ok, |(_, said)| *said)
        }
    }
}

/// Kong's entries that segments hold, whether a head names them or not.
fn known(stored: &Values, kong: &Kong) -> HashSet<String> {
    let segments = stored
        .iter()
        .filter_map(|(key, value)| Some((key, Segment::decode(value.get(HEADER_BYTES..)?).ok()?)));
    let entries = entries(kong);
    let of_segment = |(key, segment): (&String, Segment)| {
        let is_held = |(stream, entry): &&(Stream, String)| {
            let name = key_of(&format!("segment:{}:", stream.name()));
            key.starts_with(&name) && segment.contains(&fingerprint(*stream, entry))
        };
        entries.iter().filter(is_held).map(|(_, entry)| entry.clone()).collect::<Vec<_>>()
    };
    segments.flat_map(of_segment).collect()
}

fn key_of(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn value(chunk: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = chunk.iter().position(|byte| *byte == b'\n')?;
    let name = str::from_utf8(&chunk[..end]).ok()?;
    let value = &chunk[end + 1..];
    let key = key_of(name);
    let sealed = |mark: &[u8; 4], body: &[u8]| Seal::Unkeyed.close(&key, *mark, body);
    let value = match (name, value.first()) {
        (_, Some(b'=')) => sealed(b"kcs2", &segment(name, &value[1..]).encode()),
        ("head", Some(b'{')) => sealed(b"kch2", value),
        ("dead-letters", Some(b'{')) => sealed(b"kdi2", value),
        ("reports", Some(b'{')) => sealed(b"kcr2", value),
        ("lease", Some(b'{')) => lease(&key, value).unwrap_or_else(|| value.to_vec()),
        _ => value.to_vec(),
    };
    Some((key, value))
}

/// A lease with its check, where it has an owner and an end.
fn lease(key: &str, value: &[u8]) -> Option<Vec<u8>> {
    let mut lease: Value = serde_json::from_slice(value).ok()?;
    let body = format!("{} {}", lease["owner"].as_str()?, lease["until_ms"].as_i64()?);
    let check = Seal::Unkeyed.check(key, *b"kcl2", body.as_bytes());
    lease["check"] = hex::encode(check).into();
    Some(lease.to_string().into_bytes())
}

fn segment(name: &str, letters: &[u8]) -> Segment {
    let stream = if name.contains("objects") { Stream::Objects } else { Stream::Requests };
    let of_stream: Vec<_> =
        entries(&Kong::default()).into_iter().filter(|(other, _)| *other == stream).collect();
    let mut fingerprints = letters
        .iter()
        .map(|letter| match of_stream.get(usize::from(letter.wrapping_sub(b'a'))) {
            Some((stream, entry)) => fingerprint(*stream, entry),
            None => Fingerprint([*letter; Fingerprint::LEN]),
        })
        .collect();
    let mut segment = Segment::default();
    segment.fill(&mut fingerprints);
    segment
}

fn fingerprint(stream: Stream, entry: &str) -> Fingerprint {
    let entry = Entry::parse(stream, entry).expect("an entry of ours");
    Fingerprint::of(stream, &entry.identity())
}

/// All that Kong has.
fn entries(kong: &Kong) -> Vec<(Stream, String)> {
    kong.entries().map(|(stream, entry)| (stream, entry.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = r#""target":"arn:aws:cloudtrail:eu-west-1:123456789012:channel/a","kong":"http://kong:8001""#;

    /// A head of that target, with these members.
    fn head(members: &str) -> String {
        format!("head\n{{\"generation\":1,{TARGET},{members}}}")
    }

    fn said(values: &[String]) -> [Said; 2] {
        check(values.join("\0").as_bytes())
    }

    #[test]
    fn an_input_leads_to_whatever_a_report_may_say() {
        let nothing = || head(r#""streams":{}"#);
        let letters = r#""dead_letters":{"generation":3,"letters":1},"streams":{}"#;
        let index = |chunk: &str| {
            format!(
                "dead-letters\n{{\"generation\":3,\"next\":1,\"chunks\":[{chunk}],\"failing\":{{}}}}"
            )
        };
        let chunk = r#"{"number":0,"letters":1,"replays":1,"bytes":10,"generation":1}"#;
        let left_behind = r#""streams":{"requests":{"watermark":1795348500,"looked_back":1795348500,
            "reconciled":1795262400,"sweep":{"began":1795348700,"version":"3.9.0.0-enterprise-edition",
            "offset":null,"buckets":[],"left_behind":true}}}"#;
        for (values, expected) in [
            (vec![], [Said::Ok; 2]),
            (vec![nothing()], [Said::Ok; 2]),
            (
                vec!["lease\n{\"owner\":\"x\",\"until_ms\":1795348860000}".to_owned()],
                [Said::Skipped; 2],
            ),
            (
                // It does not begin with a brace, so it is taken as it stands.
                vec!["lease\n {\"owner\":\"x\",\"until_ms\":1,\"check\":\"00\"}".to_owned()],
                [Said::ForeignLease; 2],
            ),
            (vec!["head\nkch2".to_owned()], [Said::Unreadable; 2]),
            (vec![nothing(), "dead-letters\nkdi2".to_owned()], [Said::Unreadable; 2]),
            (vec![nothing().replace("channel/a", "channel/b")], [Said::OtherTarget; 2]),
            (vec![head(letters)], [Said::Lost; 2]),
            (vec![head(&letters.replace("\"letters\":1", "\"letters\":0"))], [Said::LostIndex, Said::Ok]),
            (vec![head(letters), index(chunk)], [Said::Lost; 2]),
            (vec![head(r#""interventions":1,"streams":{}"#)], [Said::Lost; 2]),
            (vec![head(left_behind)], [Said::BeginsAgain, Said::Ok]),
        ] {
            assert_eq!(said(&values), expected, "{values:#?}");
        }
    }

    #[test]
    fn what_a_sound_segment_holds_is_not_shipped_and_a_damaged_one_is_named() {
        let named =
            head(r#""streams":{"requests":{"buckets":{"83117":[[1,1795348770,1795348770]]}}}"#);
        let sound = "segment:requests:83117:0\n=a".to_owned();
        assert_eq!(said(&[named.clone(), sound]), [Said::Ok; 2]);
        let damaged = "segment:requests:83117:0\nkcs2".to_owned();
        assert_eq!(said(&[named, damaged]), [Said::Unreadable, Said::Ok]);
    }

    #[test]
    fn the_inputs_in_git_are_judged() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut seen = Vec::new();
        for folder in ["corpus/ledger", "regressions/ledger"] {
            for input in std::fs::read_dir(root.join(folder)).unwrap() {
                let input = input.unwrap().path();
                let said = check(&std::fs::read(&input).unwrap());
                println!("{}: {said:?}", input.display());
                seen.push(said);
            }
        }
        assert!(seen.contains(&[Said::Ok; 2]) && seen.contains(&[Said::Unreadable; 2]));
    }
}
