//! An auditor's questions, asked of the trail that the demo ships, in each place. What the answers must be is
//! worked out from the entries that the simulated Kong holds, without a look at the events. A part of the trail
//! is there twice. Only the queries that are about repeats may show that.

use std::collections::{BTreeMap, BTreeSet};

use kong_cloudtrail::terms::Stream;
use rusqlite::types::Value as Column;
use serde_json::{Value, json};

use super::lake::FIRST_INGESTION;
use super::trail::{self, TRAIL, entity, event_name, is_error, moment, string, time, user};
use super::{Place, Row, derived_twice, events, integer, request, text};

/// The cells of a row.
type Cells = Vec<Option<String>>;

/// The rows of a query over all of the trail, each as these of its columns. None is there twice, and the
/// newest is first.
fn ask(place: Place, name: &str, about: &[(&str, &str)], columns: &[&str]) -> BTreeSet<Cells> {
    let span = [("<from>", "2000-01-01 00:00:00"), ("<to>", "2100-01-01 00:00:00")];
    let rows = trail::ask(place, name, &[&span, about].concat());
    let cells = |row: &Row| columns.iter().map(|column| cell(&row[*column])).collect::<Cells>();
    if !["repeats", "request-ids"].contains(&name) {
        let times: Vec<_> = rows.iter().map(|row| cell(&row["event_time"])).collect();
        assert!(times.is_sorted_by(|newer, older| newer >= older), "{name}");
    }
    let set: BTreeSet<Cells> = rows.iter().map(cells).collect();
    assert_eq!(set.len(), rows.len(), "{name} gives a row twice");
    assert!(!set.is_empty(), "{name} finds nothing");
    set
}

/// Asserts that a query has these rows in every place.
fn assert_told(
    name: &str,
    about: &[(&str, &str)],
    columns: &[&str],
    expected: impl IntoIterator<Item = Cells>,
) {
    let expected = expected.into_iter().collect();
    for place in Place::ALL {
        assert_eq!(ask(place, name, about, columns), expected, "{name} in {place:?}");
    }
}

fn cell(value: &Column) -> Option<String> {
    match value {
        Column::Null => None,
        Column::Integer(integer) => Some(integer.to_string()),
        Column::Text(text) => Some(text.clone()),
        other => panic!("{other:?}"),
    }
}

const CHANGE: [&str; 10] = [
    "event_id",
    "event_time",
    "operation",
    "entity_key",
    "entity_name",
    "principal_id",
    "user_name",
    "event_name",
    "status",
    "source_ip",
];

fn change(object: &Value) -> Cells {
    let call = TRAIL.call(object);
    vec![
        string(object, "id"),
        Some(time(object)),
        string(object, "operation"),
        string(object, "entity_key"),
        string(&entity(object), "name"),
        user(object),
        string(call, "rbac_user_name"),
        Some(event_name(call)),
        string(call, "status"),
        string(call, "client_ip"),
    ]
}

#[test]
fn who_changed_this_route_is_told_by_its_id_and_by_its_name() {
    let routes = TRAIL.objects_where(|object| object["dao_name"] == "routes");
    let deleted = routes.iter().find(|route| route["operation"] == "delete").unwrap();
    let key = deleted["entity_key"].as_str().unwrap();
    let expected = routes.iter().filter(|route| route["entity_key"] == key);
    let about = [("<table>", "routes"), ("<entity>", key)];
    assert_told("who-changed", &about, &CHANGE, expected.map(|route| change(route)));

    // Of routes that bear one name in turn, each change.
    let mut by_name: BTreeMap<String, BTreeSet<Cells>> = BTreeMap::new();
    for route in routes {
        let name = string(&entity(route), "name").unwrap();
        by_name.entry(name).or_default().insert(change(route));
    }
    let (name, expected) = by_name.into_iter().max_by_key(|(_, changes)| changes.len()).unwrap();
    assert!(expected.len() > 3, "{expected:?}");
    let about = [("<table>", "routes"), ("<entity>", name.as_str())];
    assert_told("who-changed", &about, &CHANGE, expected);
}

#[test]
fn every_deletion_is_told_with_who_made_it() {
    let columns = [
        "event_id",
        "event_time",
        "entity_table",
        "entity_key",
        "entity_name",
        "principal_id",
        "user_name",
        "event_name",
        "source_ip",
    ];
    let deletions = TRAIL.objects_where(|object| object["operation"] == "delete");
    let expected = deletions.into_iter().map(|object| {
        let (call, entity) = (TRAIL.call(object), entity(object));
        vec![
            string(object, "id"),
            Some(time(object)),
            string(object, "dao_name"),
            string(object, "entity_key"),
            string(&entity, "name").or_else(|| string(&entity, "username")),
            user(object),
            string(call, "rbac_user_name"),
            Some(event_name(call)),
            string(call, "client_ip"),
        ]
    });
    assert_told("deletions", &[], &columns, expected);
}

#[test]
fn every_failed_call_is_told_once_whoever_shipped_it() {
    let columns = [
        "event_id",
        "event_time",
        "event_name",
        "status",
        "principal_id",
        "user_name",
        "source_ip",
        "workspace",
    ];
    let expected = TRAIL.requests.iter().filter(|entry| is_error(entry)).map(|entry| {
        vec![
            string(entry, "request_id"),
            Some(time(entry)),
            Some(event_name(entry)),
            string(entry, "status"),
            user(entry),
            string(entry, "rbac_user_name"),
            string(entry, "client_ip"),
            string(entry, "workspace"),
        ]
    });
    assert_told("failed-calls", &[], &columns, expected);
}

#[test]
fn logins_are_told_whatever_client_made_them_failed_ones_and_logouts_too() {
    let columns = [
        "event_id",
        "event_time",
        "what",
        "principal_id",
        "user_name",
        "request_source",
        "source_ip",
        "status",
    ];
    let expected = TRAIL.requests.iter().filter_map(|entry| {
        let what = match (entry["method"].as_str()?, entry["path"].as_str()?) {
            ("GET", "/auth") if is_error(entry) => "failed login",
            ("GET", "/auth") => "login",
            ("DELETE", "/auth?session_logout=true") => "logout",
            _ => return None,
        };
        Some(vec![
            string(entry, "request_id"),
            Some(time(entry)),
            Some(what.to_owned()),
            user(entry),
            string(entry, "rbac_user_name"),
            string(entry, "request_source"),
            string(entry, "client_ip"),
            string(entry, "status"),
        ])
    });
    let found: BTreeSet<Cells> = expected.collect();
    assert_told("logins", &[], &columns, found.clone());
    let kinds: BTreeSet<_> = found.iter().filter_map(|row| row[2].as_deref()).collect();
    assert_eq!(kinds, BTreeSet::from(["failed login", "login", "logout"]));
    let sources: BTreeSet<_> = found.iter().map(|row| row[5].as_deref()).collect();
    assert_eq!(sources, BTreeSet::from([None, Some("kong-manager")]));
}

#[test]
fn everything_by_one_user_is_told() {
    let columns = [
        "event_id",
        "event_time",
        "event_name",
        "status",
        "entity_key",
        "principal_id",
        "user_name",
        "source_ip",
        "workspace",
    ];
    let call = TRAIL.requests.iter().find(|entry| entry["rbac_user_name"] == "doc_lord").unwrap();
    let id = string(call, "rbac_user_id").unwrap();
    let calls = TRAIL.requests.iter().map(|entry| (entry, "request_id", event_name(entry)));
    let objects = TRAIL.objects.iter().map(|object| {
        let operation = string(object, "operation").unwrap().to_ascii_uppercase();
        (object, "id", operation + &string(object, "dao_name").unwrap())
    });
    let by_user = calls.chain(objects).filter(|(entry, ..)| user(entry).as_ref() == Some(&id));
    let expected: BTreeSet<Cells> = by_user
        .map(|(entry, id_field, name)| {
            vec![
                string(entry, id_field),
                Some(time(entry)),
                Some(name),
                string(entry, "status"),
                string(entry, "entity_key"),
                user(entry),
                string(entry, "rbac_user_name"),
                string(entry, "client_ip"),
                string(entry, "workspace"),
            ]
        })
        .collect();
    assert!(expected.iter().any(|row| row[4].is_some()), "rows written too");
    assert_told("by-user", &[("<user>", &id)], &columns, expected);
}

#[test]
fn whatever_name_a_caller_gives_it_was_the_one_whom_kong_knows() {
    let call = |id: &str, user: Option<&str>, name: &str| {
        let fields = json!({"rbac_user_id": user, "rbac_user_name": name});
        events(Stream::Requests, &request(id, fields))
    };
    let calls = [
        call("r1", Some("alice-id"), "alice"),
        call("r2", Some("mallory-id"), "alice"),
        call("r3", None, "alice"),
    ];
    for place in Place::ALL {
        let store = place.with(calls.iter().flatten());
        for (user, expected) in [
            ("alice", &[][..]),
            ("alice-id", &["r1"]),
            ("mallory-id", &["r2"]),
            ("anonymous", &["r3"]),
        ] {
            let about = [("<from>", "2023-02-01"), ("<to>", "2023-03-01"), ("<user>", user)];
            let rows = store.ask("by-user", &about);
            let found: Vec<_> = rows.iter().map(|row| text(row, "event_id")).collect();
            assert_eq!(found, expected, "{user} in {place:?}");
        }
    }
}

#[test]
fn a_row_that_was_shipped_twice_is_one_though_its_derived_time_moved() {
    let [first, second] = derived_twice("{}");
    assert_ne!(first[0].data, second[0].data);
    for place in Place::ALL {
        let store = place.with(first.iter().chain(&second));
        let rows = store.rows("without-repeats", "");
        assert_eq!(rows.len(), 1, "{place:?}");
        assert_eq!((text(&rows[0], "uid"), integer(&rows[0], "times")), ("o1", 2));
        assert_eq!(text(&rows[0], "event_time"), "2023-02-15 01:31:43");
        let rows = store.rows("repeats", "");
        assert_eq!(rows.len(), 1, "{place:?}");
        assert_eq!((text(&rows[0], "uid"), integer(&rows[0], "times")), ("o1", 2));
        let entity =
            [("<table>", "routes"), ("<entity>", "k1"), ("<from>", "2023"), ("<to>", "2024")];
        assert_eq!(store.ask("who-changed", &entity).len(), 1, "{place:?}");
    }
}

#[test]
fn in_a_log_group_a_row_is_of_one_delivery_the_latest() {
    let [earlier, later] = derived_twice("{}");
    let store = Place::LogGroup.with(later.iter().chain(&earlier));
    let entity = [("<table>", "routes"), ("<entity>", "k1"), ("<from>", "2023"), ("<to>", "2024")];
    for rows in [store.ask("who-changed", &entity), store.rows("without-repeats", "")] {
        assert_eq!(rows.len(), 1);
        assert_eq!(text(&rows[0], "event_time"), "2023-02-15 01:31:42");
    }
}

#[test]
fn without_repeats_each_event_is_told_once_the_latest() {
    let columns = ["uid", "times", "principal_id"];
    let twice: BTreeSet<_> = TRAIL.twice().map(|entry| string(entry, "request_id")).collect();
    let requests = TRAIL.requests.iter().map(|entry| (string(entry, "request_id"), user(entry)));
    let objects = TRAIL.objects.iter().map(|object| (string(object, "id"), user(object)));
    let expected = requests.chain(objects).map(|(id, user)| {
        let times = if twice.contains(&id) { "2" } else { "1" };
        vec![id, Some(times.to_owned()), user]
    });
    assert_told("without-repeats", &[], &columns, expected);

    // What came in first is in no row.
    let last_of_the_first = moment(FIRST_INGESTION + i64::try_from(twice.len()).unwrap());
    for place in Place::ALL {
        let latest = ask(place, "without-repeats", &[], &["ingestiontime"]);
        assert!(latest.iter().all(|row| row[0].as_ref() > Some(&last_of_the_first)), "{place:?}");
    }
}

#[test]
fn repeats_are_told_with_how_often_and_when() {
    let expected: BTreeSet<Cells> = TRAIL
        .twice()
        .map(|entry| {
            vec![
                string(entry, "request_id"),
                Some("2".to_owned()),
                Some(time(entry)),
                Some(event_name(entry)),
            ]
        })
        .collect();
    let columns = ["uid", "times", "event_time", "event_name"];
    assert_told("repeats", &[], &columns, expected);
}

#[test]
fn the_ids_of_all_calls_are_those_that_kong_holds() {
    let expected = TRAIL.calls.keys().map(|id| vec![Some(id.clone())]);
    assert_told("request-ids", &[], &["request_id"], expected);
}
