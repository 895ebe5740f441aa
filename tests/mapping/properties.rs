//! Whatever an entry holds, it can be rebuilt from its events and every limit holds.

use std::collections::HashMap;

use kong_cloudtrail::event::{Context, Times};
use kong_cloudtrail::terms::Stream;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::{context, map_with};

const NAMES: [&str; 36] = [
    "absentFields",
    "additionalEventData",
    "bytes",
    "client_ip",
    "dao_name",
    "entity",
    "entity_key",
    "expire",
    "id",
    "konghostname",
    "method",
    "operation",
    "otherFields",
    "part",
    "parts",
    "path",
    "payload",
    "queryParameters",
    "rbac_user_id",
    "rbac_user_name",
    "removed_from_payload",
    "request_id",
    "request_source",
    "request_timestamp",
    "sha256",
    "signature",
    "status",
    "ttl",
    "workspace",
    "",
    "é😀",
    "a\"b\\c",
    "new\u{0}field",
    "a.b",
    "$ref",
    "request_Id",
];

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        9 => select(vec!["", "x", "x-p1", "{}", "[]", "null", "42", "anonymous", "unix:", "10.0.0.1",
            "POST", "create", "/a/b?c=d?e", "a?", "?", "403", "1676424611", "-1", "1e400"])
            .prop_map(str::to_owned),
        9 => any::<String>(),
        2 => "[a-z0-9]{32}",
        // Rarely, since they are long.
        1 => (select(vec!["x", "\"", "\u{1}", "é", "😀", "\\\n"]), 0..30_000_usize)
            .prop_map(|(text, times)| text.repeat(times)),
    ]
    .boxed()
}

fn number() -> BoxedStrategy<String> {
    prop_oneof![
        select(vec![
            "0",
            "-0",
            "1.0",
            "1e3",
            "1E+400",
            "-1e400",
            "1e-400",
            "12345678901234567890",
            "-9223372036854775809",
            "399.5",
            "400",
            "0.10000000000000000001",
            "253402300800"
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        (0..2_000_000_000_i64).prop_map(|number| number.to_string()),
    ]
    .boxed()
}

/// The text of a JSON value, white space, repeated members and other traps included.
fn json() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        2 => select(vec!["null", "true", "false", r#""\ud800""#, r#""\udc00\ud800 \u0000""#, r#""\/\u0041""#])
            .prop_map(str::to_owned),
        2 => number(),
        3 => text().prop_map(|text| quoted(&text)),
        1 => (1..200_usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let space = select(vec!["", " ", "\n\t"]);
        prop_oneof![
            (vec(inner.clone(), 0..4), space.clone())
                .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(","))),
            (vec((select(NAMES.to_vec()), inner), 0..6), space).prop_map(|(members, space)| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("{space}{}:{space}{value}", quoted(name)))
                    .collect();
                format!("{{{}{space}}}", members.join(","))
            }),
        ]
    })
    .boxed()
}

/// A field's value: any JSON, or a string that holds JSON as payloads and entities do.
fn value() -> BoxedStrategy<String> {
    prop_oneof![
        2 => json(),
        2 => json().prop_map(|json| quoted(&json)),
        1 => json().prop_map(|json| quoted(&format!(" {json}\n"))),
        1 => text().prop_map(|text| quoted(&text)),
    ]
    .boxed()
}

fn entry() -> BoxedStrategy<String> {
    let known = vec((select(NAMES.to_vec()).prop_map(str::to_owned), value()), 0..24);
    let unknown = prop_oneof![
        6 => vec((any::<String>(), value()), 0..3),
        1 => vec(("[a-z]{1,9}", number()), 0..2_000),
        1 => vec((text(), number()), 0..3),
    ];
    (known, unknown)
        .prop_map(|(known, unknown)| {
            let fields: Vec<String> = known
                .iter()
                .chain(&unknown)
                .map(|(name, value)| format!("{}:{value}", quoted(name)))
                .collect();
            format!("{{{}}}", fields.join(","))
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_entry_can_be_rebuilt_and_every_event_is_within_the_limits(
        stream in select(Stream::ALL.to_vec()),
        entry in entry(),
    ) {
        map_with(stream, &entry, &context(&HashMap::new()));
    }

    #[test]
    fn any_context_gives_events_within_the_limits(
        version in any::<String>(),
        source in text(),
        hostname in text(),
        retention in any::<i64>(),
        time in any::<i64>(),
        date in any::<i64>(),
        entry in entry(),
    ) {
        let request_times = HashMap::from([("x".to_owned(), time)]);
        let context = Context {
            kong_version: &version,
            event_source: &source,
            kong_hostname: &hostname,
            times: Times {
                now: time,
                host_now: time,
                date,
                retention_secs: retention,
                not_before: Some(time),
                request_times: &request_times,
            },
            ..context(&request_times)
        };
        map_with(Stream::Objects, &entry, &context);
    }
}
