//! Entries as Kong's documentation shows them, version by version, and the events they become, written from
//! the table of the mapping. `tests/golden/README.md` says where each is from.

use std::collections::{BTreeSet, HashMap};

use kong_cloudtrail::event::{Context, Times};
use kong_cloudtrail::terms::Stream;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{context, map_with};

const FILES: [(&str, &str); 5] = [
    ("kong-0.34.json", include_str!("../golden/kong-0.34.json")),
    ("kong-2.8.json", include_str!("../golden/kong-2.8.json")),
    ("kong-3.1.json", include_str!("../golden/kong-3.1.json")),
    ("kong-3.2.json", include_str!("../golden/kong-3.2.json")),
    ("kong-3.10.json", include_str!("../golden/kong-3.10.json")),
];
const SOURCES: &str = include_str!("../golden/README.md");
const DOCUMENTATION: &str = include_str!("../../docs/event-mapping.md");

#[derive(Deserialize)]
struct Sample<'s> {
    #[serde(rename = "sample")]
    name: &'s str,
    stream: &'s str,
    kong: Kong<'s>,
    #[serde(borrow)]
    entry: &'s RawValue,
    #[serde(borrow)]
    event: &'s RawValue,
}

/// The Kong that shows the entry, which keeps entries for 30 days.
#[derive(Deserialize)]
struct Kong<'s> {
    version: &'s str,
    enforce_rbac: &'s str,
    date: &'s str,
}

impl Sample<'_> {
    fn stream(&self) -> Stream {
        Stream::ALL.into_iter().find(|stream| stream.name() == self.stream).unwrap()
    }

    /// The id and the text of the one event that the entry becomes.
    fn mapped(&self) -> (String, String) {
        let request_times = HashMap::new();
        let now = OffsetDateTime::parse(self.kong.date, &Rfc3339).unwrap().unix_timestamp();
        let like = context(&request_times);
        let context = Context {
            kong_version: self.kong.version,
            rbac_is_off: self.kong.enforce_rbac == "off",
            times: Times { now, date: now, ..like.times },
            ..like
        };
        let mut events = map_with(self.stream(), self.entry.get(), &context);
        let event = events.remove(0);
        assert_eq!(events, [], "parts");
        (event.id, event.data)
    }
}

fn samples(file: &'static str) -> Vec<Sample<'static>> {
    serde_json::from_str(file).unwrap()
}

/// A JSON text without the white space between its tokens.
fn tight(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|character| {
            if !in_string && character.is_whitespace() {
                return false;
            }
            in_string ^= *character == '"' && !escaped;
            escaped = in_string && *character == '\\' && !escaped;
            true
        })
        .collect()
}

#[test]
fn the_sample_entries_of_every_version_become_the_expected_events() {
    for (file_name, file) in FILES {
        for sample in samples(file) {
            let (id, data) = sample.mapped();
            let what = format!("{file_name}, {}", sample.name);
            let [mapped, expected]: [Value; 2] =
                [&data, sample.event.get()].map(|json| serde_json::from_str(json).unwrap());
            assert_eq!(mapped, expected, "{what}");
            assert_eq!(json!(id), expected["UID"], "{what}");
            // The order of the members, and the spelling of numbers, count too.
            assert_eq!(tight(&data), tight(sample.event.get()), "{what}");
        }
    }
}

#[test]
fn every_sample_says_where_it_is_from() {
    let rows: BTreeSet<(&str, &str)> = SOURCES
        .lines()
        .filter_map(|line| {
            let (file, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            Some((file, rest.split(" | ").next()?))
        })
        .collect();
    let held: BTreeSet<(&str, &str)> = FILES
        .into_iter()
        .flat_map(|(name, file)| samples(file).into_iter().map(move |held| (name, held.name)))
        .collect();
    assert_eq!(rows, held);
}

#[test]
fn the_documentation_shows_an_event_of_each_stream_as_it_is() {
    let shown: Vec<String> = DOCUMENTATION
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|example| example.contains("\"eventData\""))
        .map(tight)
        .collect();
    let held: Vec<_> = FILES.into_iter().flat_map(|(_, file)| samples(file)).collect();
    let golden = |stream: Stream| {
        held.iter().filter(move |sample| sample.stream() == stream).map(|sample| {
            let (id, data) = sample.mapped();
            tight(&format!(r#"{{"id":"{id}","eventData":{data}}}"#))
        })
    };
    assert_eq!(shown.len(), 2, "an example of each stream");
    assert!(golden(Stream::Requests).any(|event| event == shown[0]), "no sample: {}", shown[0]);
    assert!(golden(Stream::Objects).any(|event| event == shown[1]), "no sample: {}", shown[1]);
}

/// The names that Kong's Lambda writes, version 1.0.1.
#[test]
fn an_event_has_all_that_the_lambdas_has() {
    let event = super::request(
        r#"{"client_ip":"10.0.4.17","method":"POST","path":"/services?tags=a","payload":"{\"name\":\"s\"}",
            "rbac_user_id":null,"removed_from_payload":null,"request_id":"r1","request_timestamp":1676424611,
            "signature":"c2ln","status":201,"ttl":2591990,"workspace":"w"}"#,
    );
    assert_eq!(event["version"], "3.9.0.0-enterprise-edition");
    assert_eq!(event["userIdentity"]["principalId"], "anonymous");
    assert_eq!(event["userIdentity"]["type"], "Anonymous");
    assert!(event["userIdentity"]["details"].is_object());
    assert_eq!(event["eventSource"], "kong-gateway");
    assert_eq!(event["eventName"], "POSTservices");
    assert_eq!(event["eventTime"], "2023-02-15T01:30:11Z");
    assert_eq!(event["UID"], "r1");
    assert_eq!(event["requestParameters"]["name"], "s");
    assert_eq!(event["requestParameters"]["queryParameters"], "tags=a");
    assert_eq!(event["sourceIPAddress"], "10.0.4.17");
    assert_eq!(event["recipientAccountId"], "123456789012");
    let additional = &event["additionalEventData"];
    assert_eq!(additional["method"], "POST");
    assert_eq!(additional["status"], 201);
    assert_eq!(additional["signature"], "c2ln");
    assert_eq!(additional["ttl"], 2_591_990);
    assert_eq!(additional["workspace"], "w");
    assert_eq!(additional["konghostname"], "https://kong-admin.example.com:8444");
}
