//! The bytes are what Kong answers: settings, `GET /`, then the pages in the order of asking.
//!
//! CloudTrail takes everything. Of a run that says `ok`, CloudTrail has every entry that Kong's last
//! answers held; what CloudTrail has is within its limits, and is what Kong sent.

#![no_main]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use kong_cloudtrail::kong::Entry;
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail::ports::HttpRequest;
use kong_cloudtrail::report::Outcome;
use kong_cloudtrail_fuzz::audit::{self, Channel};
use kong_cloudtrail_fuzz::chunks;
use kong_cloudtrail_fuzz::kong::{self, LAST_PAGE};
use kong_cloudtrail_fuzz::world::{World, answer};
use libfuzzer_sys::fuzz_target;

/// Most runs of one world.
const RUNS: u32 = 4;

fuzz_target!(|input: &[u8]| check(input));

/// What Kong said, and what it has to be held against.
#[derive(Default)]
struct Told<'i> {
    pages: Vec<&'i [u8]>,
    /// Of this run, the entries of the last answer to each question.
    answers: BTreeMap<(Stream, String), Vec<String>>,
    /// Every entry ever, in the form in which an event can be compared with it.
    ever: HashSet<(Stream, String)>,
    asked_last: Option<Stream>,
}

impl Told<'_> {
    fn page(&mut self, request: &HttpRequest, stream: Stream) -> Vec<u8> {
        self.asked_last = Some(stream);
        let page = self.pages.pop().map_or_else(|| LAST_PAGE.into(), expand);
        let query = request.uri().query().unwrap_or_default().to_owned();
        if !kong::is_filtered(request.uri()) && !query.contains("offset=") {
            // The stream is read from its beginning: what was said before is said again, or gone.
            self.answers.retain(|(other, _), _| *other != stream);
        }
        let entries = kong::entries(&page).unwrap_or_default();
        self.ever.extend(entries.iter().map(|entry| (stream, kong::canonical(stream, entry))));
        let strays = entries
            .iter()
            .filter_map(|entry| Entry::parse(stream, entry).ok())
            .any(|entry| !kong::may_be_of(request.uri(), &entry));
        if kong::may_probe(request.uri()) {
            return page;
        }
        if strays {
            // A Kong that ignores filters is read as a whole, when that is due.
            self.answers.retain(|(other, _), _| *other != stream);
        } else {
            self.answers.insert((stream, query), entries);
        }
        page
    }
}

/// Puts long runs in for control characters, which JSON cannot hold, so that a short input makes
/// an entry with parts: after `\x01` to `\x07` the next byte stands 16 to 65,536 times.
fn expand(page: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(page.len());
    let mut bytes = page.iter().copied();
    let mut most = 600_000_usize;
    while let Some(byte) = bytes.next() {
        match byte {
            1..=7 => {
                let times = (1 << (2 * (byte + 1))).min(most);
                most -= times;
                out.extend(std::iter::repeat_n(bytes.next().unwrap_or(b'x'), times));
            }
            byte => out.push(byte),
        }
    }
    out
}

fn check(input: &[u8]) {
    let mut chunks = chunks(input);
    let settings = chunks.next().unwrap_or_default();
    let setting = |at: usize| settings.get(at).copied().unwrap_or_default();
    let variables = [
        ("page_size", ["1000", "1", "2", "3"][usize::from(setting(0) & 3)]),
        ("reconcile_secs", ["86400", "0"][usize::from(setting(0) >> 2 & 1)]),
        ("max_in_flight", ["16", "1"][usize::from(setting(0) >> 3 & 1)]),
    ];
    let pause = [300, 4000, 100_000, 3_000_000][usize::from(setting(1) & 3)];
    let root = chunks.next().unwrap_or(kong::ROOT.as_bytes());
    let mut pages: Vec<&[u8]> = chunks.collect();
    pages.reverse();
    let told = RefCell::new(Told { pages, ..Told::default() });

    let channels = RefCell::new(BTreeMap::<Stream, Channel>::new());
    let world = World::new(
        |request| {
            let body = match kong::stream_of(request.uri()) {
                Some(stream) => told.borrow_mut().page(request, stream),
                None => expand(root),
            };
            Ok(answer(200, body))
        },
        |request| {
            let stream = told.borrow().asked_last.expect("a page before the first event");
            Ok(channels.borrow_mut().entry(stream).or_default().accept(audit::events(request)))
        },
    );

    for _ in 0..RUNS {
        // One stream a run, so that it is known which one an event is of.
        for stream in Stream::ALL {
            told.borrow_mut().answers.clear();
            let mut variables = variables.to_vec();
            variables.push(("audit_streams", stream.name()));
            let report = world.run(&variables);
            let channel = channels.borrow();
            let entries = channel.get(&stream).map(|channel| channel.entries(stream));
            judge(&told.borrow(), stream, report.outcome, &entries.unwrap_or_default());
        }
        let told = told.borrow();
        if told.pages.is_empty() {
            break;
        }
        drop(told);
        world.advance(pause);
    }
}

/// Holds the entries that CloudTrail has after a run against what Kong said.
fn judge(told: &Told<'_>, stream: Stream, outcome: Outcome, entries: &[String]) {
    for entry in entries {
        let canonical = kong::canonical(stream, entry);
        assert!(told.ever.contains(&(stream, canonical)), "Kong never sent {entry:.2000}");
    }
    if outcome != Outcome::Ok {
        return;
    }
    let accepted: HashSet<String> =
        entries.iter().map(|entry| kong::identity(stream, entry)).collect();
    for ((_, asked), sent) in told.answers.iter().filter(|((of, _), _)| *of == stream) {
        for entry in sent {
            let is_there = accepted.contains(&kong::identity(stream, entry));
            assert!(is_there, "ok, and not in CloudTrail, of {asked}: {entry:.2000}");
        }
    }
}
