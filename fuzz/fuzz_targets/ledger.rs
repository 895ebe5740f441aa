//! The bytes are what the store holds: each chunk is the name of a value, a line break, the value.
//! A value that begins with `=` is a sound segment: after it, the letters `a` to `c` are the
//! fingerprints of Kong's entries, and any other byte is the fingerprint of another. JSON as a head,
//! or as the index of dead letters, is sealed, since nobody guesses a check.
//!
//! A run that says `failed` has left alone the value that it names, and all others too where that
//! value is the head. After one that says `ok`, every entry that Kong gave is in CloudTrail, or was
//! in a segment before.

#![no_main]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use kong_cloudtrail::kong::{Entry, Stream};
use kong_cloudtrail::ledger::{Fingerprint, Segment, sealed};
use kong_cloudtrail::report::{Outcome, Report};
use kong_cloudtrail_fuzz::audit::{self, Channel};
use kong_cloudtrail_fuzz::chunks;
use kong_cloudtrail_fuzz::kong::{self, Kong};
use kong_cloudtrail_fuzz::world::{Values, World};
use libfuzzer_sys::fuzz_target;

const PREFIX: &str = "kong-cloudtrail:default:";

fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
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
    world.values.replace(stored);
    // One stream a run, so that it is known which one an event is of.
    for stream in Stream::ALL {
        let stored = world.values.borrow().clone();
        let report = world.run(&[("audit_streams", stream.name())]);
        let accepted = channels.borrow().get(&stream).map(|channel| channel.identities(stream));
        judge(
            &report,
            stream,
            &stored,
            &world.values.borrow(),
            &kong,
            &accepted.unwrap_or_default(),
        );
    }
}

/// What a run of `stream` left of what was stored, and whether it says so.
fn judge(
    report: &Report,
    stream: Stream,
    stored: &Values,
    left: &Values,
    kong: &Kong,
    accepted: &HashSet<String>,
) {
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
    let (lease, head) = (format!("{PREFIX}lease"), format!("{PREFIX}head"));
    match report.outcome {
        Outcome::Skipped => assert!(unchanged(""), "a run without the lease changed the store"),
        Outcome::Failed => {
            let error = report.error.clone().unwrap_or_default();
            let named = stored.keys().filter(|key| error.contains(&format!("at {key} ")));
            let named: Vec<&String> = named.collect();
            let other_channel = error.contains("belongs to the channel");
            assert!(!named.is_empty() || other_channel, "failed without a value's name: {error}");
            for key in &named {
                assert_eq!(
                    stored.get(*key),
                    left.get(*key),
                    "{key} is unreadable, and was changed"
                );
            }
            if other_channel || named.contains(&&head) {
                assert!(unchanged(&lease), "the head is unreadable, and the store was changed");
            }
        }
        outcome => {
            if outcome == Outcome::Partial {
                let error = report.error.clone().unwrap_or_default();
                assert!(error.contains("lost or damaged the dead letters"), "partial: {error}");
            }
            let known: HashSet<String> = stored
                .iter()
                .filter_map(|(key, value)| Some((key, Segment::decode(value).ok()?)))
                .flat_map(|(key, segment)| {
                    entries(kong).into_iter().filter_map(move |(stream, entry)| {
                        let name = format!("{PREFIX}segment:{}:", stream.name());
                        let fingerprint = fingerprint(stream, &entry);
                        (key.starts_with(&name) && segment.contains(&fingerprint)).then_some(entry)
                    })
                })
                .collect();
            for (_, entry) in kong.served.borrow().iter().filter(|(of, _)| *of == stream) {
                let is_there = accepted.contains(&kong::identity(stream, entry));
                assert!(is_there || known.contains(entry), "ok, and nowhere: {entry:.500}");
            }
        }
    }
}

fn value(chunk: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = chunk.iter().position(|byte| *byte == b'\n')?;
    let name = str::from_utf8(&chunk[..end]).ok()?;
    let value = &chunk[end + 1..];
    let value = match (name, value.first()) {
        (_, Some(b'=')) => segment(name, &value[1..]).encode(),
        ("head", Some(b'{')) => sealed::seal(*b"kch1", value),
        ("dead-letters", Some(b'{')) => sealed::seal(*b"kdi1", value),
        _ => value.to_vec(),
    };
    Some((format!("{PREFIX}{name}"), value))
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
    Fingerprint::of(&Entry::parse(stream, entry).expect("an entry of ours"))
}

/// All that Kong has.
fn entries(kong: &Kong) -> Vec<(Stream, String)> {
    kong.entries().map(|(stream, entry)| (stream, entry.to_owned())).collect()
}
