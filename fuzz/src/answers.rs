//! What the targets share whose bytes are a destination's answers to the calls of one run: of each, a line with the
//! status, lines of headers, an empty line, the body. The status `reset`, `timeout`, `large` or `denied` is no
//! answer.
//!
//! Then the same run with a destination that takes everything says `ok`, and sends what no answer called accepted
//! and that is no dead letter, and nothing that an answer as documented did.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

use kong_cloudtrail::ledger::DeadLetters;
use kong_cloudtrail::ports::{Ends, HttpError, HttpRequest, HttpResponse};
use kong_cloudtrail::report::Outcome;
use kong_cloudtrail::store::Store;
use kong_cloudtrail::terms::Event;
use kong_cloudtrail::testing::Memory;

use crate::chunks;
use crate::kong::{self, Kong};
use crate::world::{Answer, Values, World};

/// How a destination's calls and answers are read.
pub struct Reading {
    /// The variables that choose it.
    pub variables: &'static [(&'static str, &'static str)],
    /// The events of a call; none where the call is to another service, which has answers of its own.
    pub events: fn(&HttpRequest) -> Option<Vec<Event>>,
    /// The ids, of those sent, that an answer calls accepted by any reading.
    pub maybe: fn(&[String], &HttpResponse) -> Vec<String>,
    /// Those that it calls accepted by the documented reading.
    pub surely: fn(&[String], &HttpResponse) -> Vec<String>,
    /// The answer that accepts all of a call.
    pub accept: fn(&HttpRequest) -> Answer,
}

/// The body of an answer that is a success.
pub fn success(response: &HttpResponse) -> &[u8] {
    if response.status() == 200 { response.body() } else { &[] }
}

/// Runs the answers of `input`, and judges.
///
/// # Panics
/// When something is lost, or sent again that surely arrived.
pub fn check(input: &[u8], reading: &Reading) {
    let kong = Kong::default();
    let mut answers = chunks(input);
    // Ids of events: sent at all, called accepted by any reading, and by the documented one.
    let mut sent = BTreeSet::new();
    let mut maybe = HashSet::new();
    let mut surely = HashSet::new();
    let values = {
        let world = World::new(
            |request| kong.answer(request),
            |request| {
                let answer = answers.next().map_or_else(reset, answer);
                let Some(events) = (reading.events)(request) else {
                    // An empty one stands for the other service's own.
                    return answer.or_else(|_| (reading.accept)(request));
                };
                let ids: Vec<String> = events.into_iter().map(|event| event.id).collect();
                sent.extend(ids.iter().cloned());
                if let Ok(response) = &answer {
                    maybe.extend((reading.maybe)(&ids, response));
                    surely.extend((reading.surely)(&ids, response));
                }
                answer
            },
        );
        world.run(reading.variables);
        world.store.values.take()
    };
    let dead = dead_letters(&values);

    let resent = RefCell::new(BTreeSet::new());
    let world = World::new(
        |request| kong.answer(request),
        |request| {
            let events = (reading.events)(request).unwrap_or_default();
            resent.borrow_mut().extend(events.into_iter().map(|event| event.id));
            (reading.accept)(request)
        },
    );
    world.store.values.replace(values);
    world.advance(300);
    let report = world.run(reading.variables);
    assert_eq!(report.outcome, Outcome::Ok, "{:?}", report.error);
    let resent = resent.borrow();
    for id in sent.iter().filter(|id| !maybe.contains(*id) && !dead.contains(*id)) {
        assert!(resent.contains(id), "no answer called {id} accepted, and it is not sent again");
    }
    for id in &surely {
        assert!(!resent.contains(id), "{id} was accepted, and it is sent again");
    }
    for (stream, entry) in kong.served.borrow().iter() {
        let id = kong::identity(*stream, entry);
        let sent = resent.contains(&id) || maybe.contains(&id) || dead.contains(&id);
        assert!(sent, "{id} was never sent");
    }
}

/// The ids of the dead letters among stored values.
fn dead_letters(values: &Values) -> HashSet<String> {
    let memory = Memory::default();
    memory.values.replace(values.clone());
    let store = Store::new(&memory, "default");
    let mut letters = DeadLetters::load(&store).expect("an index that a run has written");
    let chunks = letters.chunks();
    let letters = chunks.into_iter().flat_map(|chunk| letters.read(chunk).expect("a sound chunk"));
    letters.map(|letter| letter.id).collect()
}

fn reset() -> Answer {
    Err(HttpError::Connection("reset".to_owned()))
}

fn answer(bytes: &[u8]) -> Answer {
    let (head, body) = match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (bytes, &b""[..]),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let mut response = http::Response::builder();
    response = match lines.next().unwrap_or_default() {
        "timeout" => return Err(HttpError::Timeout("first byte".to_owned())),
        "large" => return Err(HttpError::TooLarge(Ends::default())),
        "denied" => return Err(HttpError::Denied),
        status => match status.parse::<u16>().ok().filter(|status| (100..1000).contains(status)) {
            Some(status) => response.status(status),
            None => return reset(),
        },
    };
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let fits =
            http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value).is_ok();
        if fits {
            response = response.header(name, value);
        }
    }
    Ok(response.body(body.to_vec()).expect("a response of sound parts"))
}
