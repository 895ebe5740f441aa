//! Of several events with one id, how many are not alike, and which these are.

use std::collections::BTreeSet;

use kong_cloudtrail::terms::Stream;
use serde_json::json;

use super::audit::SPAN;
use super::trail::{self, Added, TRAIL, string};
use super::{Place, events, integer, request, text};

#[test]
fn a_time_that_is_not_derived_and_a_ttl_that_kong_was_sent_do_not_age() {
    let entry = |fields| events(Stream::Requests, &request("r1", fields));
    let shipped = entry(json!({"payload": r#"{"config":{"ttl":300}}"#}));
    for (what, other) in [
        (
            "the time",
            json!({"payload": r#"{"config":{"ttl":300}}"#, "request_timestamp": 1_676_424_703}),
        ),
        ("the payload", json!({"payload": r#"{"config":{"ttl":0}}"#})),
    ] {
        let other = entry(other);
        for place in Place::ALL {
            let rows = place.with(shipped.iter().chain(&other)).rows("differing", "");
            let found: Vec<_> =
                rows.iter().map(|row| (text(row, "uid"), integer(row, "place"))).collect();
            assert_eq!(found, [("r1", 1), ("r1", 2)], "{what} in {place:?}");
        }
    }
}

#[test]
fn how_many_different_events_have_an_id_is_told_and_all_of_these_are_listed() {
    let forged = TRAIL.forged_ids();
    let lambda = |id: &str| {
        let call = TRAIL.calls.get(id);
        call.is_some_and(|call| TRAIL.is_first_from_the_lambda(Place::Lake, call))
    };
    for place in Place::ALL {
        for added in Added::ALL {
            let is_forged = |id: &str| added == Added::Forgeries && forged.contains(id);
            let from_lambda = |id: &str| place == Place::Lake && lambda(id);
            let different = |id: &str| 1 + i64::from(is_forged(id)) + i64::from(from_lambda(id));
            let rows = trail::ask(place, added, "without-repeats", &SPAN);
            for row in &rows {
                let id = text(row, "uid");
                assert_eq!(
                    integer(row, "different"),
                    different(id),
                    "{id} in {place:?}, {added:?}"
                );
            }
            let rows = trail::ask(place, added, "differing", &SPAN);
            let listed: BTreeSet<&str> = rows.iter().map(|row| text(row, "uid")).collect();
            let all = TRAIL.calls.keys().cloned();
            let all = all.chain(TRAIL.objects.iter().filter_map(|object| string(object, "id")));
            let expected: BTreeSet<String> = all.filter(|id| different(id) > 1).collect();
            assert!(
                listed.iter().copied().eq(expected.iter().map(String::as_str)),
                "{place:?}, {added:?}"
            );
            assert!(
                rows.iter().all(|row| integer(row, "different") == different(text(row, "uid")))
            );
        }
    }
}

#[test]
fn each_query_of_rows_tells_how_many_different_events_have_an_id() {
    let user = TRAIL.somebody();
    let routes = TRAIL.objects_where(|object| object["dao_name"] == "routes");
    let about = [
        ("<user>", user.as_str()),
        ("<table>", "routes"),
        ("<entity>", routes[0]["entity_key"].as_str().unwrap()),
    ];
    let forged = TRAIL.forged_ids();
    for place in Place::ALL {
        for name in ["who-changed", "failed-calls", "logins", "by-user", "deletions"] {
            let rows = trail::ask(place, Added::Forgeries, name, &[&SPAN[..], &about].concat());
            for row in rows {
                let different =
                    integer(&row, "different") - i64::from(forged.contains(text(&row, "event_id")));
                assert!((1..=2).contains(&different), "{name} in {place:?}: {row:?}");
                assert!(different == 1 || place == Place::Lake, "{name} in {place:?}: {row:?}");
            }
        }
    }
}
