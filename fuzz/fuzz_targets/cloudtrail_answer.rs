//! The bytes are CloudTrail's answers to the calls of one run: a line with the status, lines of
//! headers, an empty line, the body. The status `reset`, `timeout`, `large` or `denied` is no answer.
//!
//! Then the same run with a CloudTrail that takes everything says `ok`, and sends what no answer
//! called successful and that is no dead letter, and nothing that an answer as documented did.

#![no_main]

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

use kong_cloudtrail::ledger::DeadLetters;
use kong_cloudtrail::ports::{Ends, HttpError};
use kong_cloudtrail::report::Outcome;
use kong_cloudtrail::store::Store;
use kong_cloudtrail::testing::Memory;
use kong_cloudtrail_fuzz::audit::{self, Channel};
use kong_cloudtrail_fuzz::chunks;
use kong_cloudtrail_fuzz::kong::{self, Kong};
use kong_cloudtrail_fuzz::world::{Answer, Values, World};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    let kong = Kong::default();
    let mut answers = chunks(input);
    // Ids of events: sent at all, called successful by any reading, and by the documented one.
    let mut sent = BTreeSet::new();
    let mut maybe = HashSet::new();
    let mut surely = HashSet::new();
    let values = {
        let world = World::new(
            |request| kong.answer(request),
            |request| {
                let batch: HashSet<String> =
                    audit::events(request).into_iter().map(|event| event.id).collect();
                sent.extend(batch.iter().cloned());
                let answer = answers.next().map_or_else(reset, answer);
                if let Ok(response) = &answer
                    && response.status() == 200
                {
                    maybe.extend(named_successful(response.body()));
                    surely.extend(
                        accepted(response.body()).into_iter().filter(|id| batch.contains(id)),
                    );
                }
                answer
            },
        );
        world.run(&[]);
        world.store.values.take()
    };
    let dead = dead_letters(&values);

    let resent = RefCell::new(BTreeSet::new());
    let mut channel = Channel::default();
    let world = World::new(
        |request| kong.answer(request),
        |request| {
            let events = audit::events(request);
            resent.borrow_mut().extend(events.iter().map(|event| event.id.clone()));
            Ok(channel.accept(events))
        },
    );
    world.store.values.replace(values);
    world.advance(300);
    let report = world.run(&[]);
    assert_eq!(report.outcome, Outcome::Ok, "{:?}", report.error);
    let resent = resent.borrow();
    for id in sent.iter().filter(|id| !maybe.contains(*id) && !dead.contains(*id)) {
        assert!(resent.contains(id), "no answer called {id} successful, and it is not sent again");
    }
    for id in &surely {
        assert!(!resent.contains(id), "CloudTrail accepted {id}, and it is sent again");
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

/// The ids that an answer calls successful, whatever else it says of them.
fn named_successful(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        successful: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let body = serde_json::from_slice::<Body>(body).ok();
    body.into_iter().flat_map(|body| body.successful).map(|event| event.id).collect()
}

/// The ids that an answer as AWS documents it calls successful, and not failed.
fn accepted(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        failed: Vec<Failed>,
        successful: Vec<Successful>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code)]
    struct Failed {
        id: String,
        error_code: String,
        error_message: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code)]
    struct Successful {
        id: String,
        #[serde(rename = "eventID")]
        event_id: String,
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return Vec::new() };
    let failed: HashSet<&str> = body.failed.iter().map(|event| event.id.as_str()).collect();
    let successful = body.successful.iter().map(|event| event.id.clone());
    successful.filter(|id| !failed.contains(id.as_str())).collect()
}
