//! The table of `verify` and that of the destination's query, over the trail that the demo ships: they agree, and
//! an entry that is taken out of either side is found.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use kong_cloudtrail::event::id_sum;
use kong_cloudtrail::ports::HttpRequest;
use kong_cloudtrail::run::run;
use kong_cloudtrail::terms::{Event, Stream};
use kong_cloudtrail::testing::{Answer, InMemory, answer};
use kong_cloudtrail::verify::{Outcome, verify};
use kong_cloudtrail_sim::kong as sim;
use kong_cloudtrail_sim::kong::page::{Manner, Place as Position, Rows, page};
use serde_json::{Value, json};

use super::trail::{TRAIL, string};
use super::{Place, awkward_text, integer, text};

const DAY: i64 = 86_400;

/// By stream and day: how many, and the sum of their `idSum`.
type Table = BTreeMap<(String, String), (i64, i64)>;

/// What is shipped, and what is kept from the first run.
struct Shipped {
    ports: InMemory<'static>,
    sent: Rc<RefCell<Vec<Event>>>,
}

/// Of which entries something is made.
struct Picked {
    dead: String,
    /// Kong shows it once the run is over.
    late: String,
    large: String,
}

impl Picked {
    fn of_the_trail() -> Self {
        let quarter = TRAIL.requests.len() / 4;
        let id = |at: usize| string(&TRAIL.requests[at], "request_id").unwrap();
        Self { dead: id(quarter), late: id(2 * quarter), large: id(3 * quarter) }
    }
}

/// Kong's rows by stream, the newest first: those of the trail, and three without a time of their own.
fn rows(picked: &Picked) -> [Vec<(Option<i64>, Value)>; 2] {
    let timed = |entries: &[Value]| -> Vec<(Option<i64>, Value)> {
        let time = |entry: &Value| entry["request_timestamp"].as_i64();
        let mut rows: Vec<_> = entries.iter().map(|entry| (time(entry), entry.clone())).collect();
        rows.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        rows
    };
    let mut requests = timed(&TRAIL.requests);
    let large = requests.iter_mut().find(|(_, row)| row["request_id"] == json!(picked.large));
    large.unwrap().1["payload"] = json!(awkward_text(250_000));
    let mut objects = timed(&TRAIL.objects);
    for n in 0..3 {
        let row = json!({"id": format!("timeless-{n}"), "dao_name": "routes", "operation": "create",
            "entity": "{}", "ttl": 20 * DAY + n});
        objects.insert(0, (None, row));
    }
    [requests, objects]
}

struct Shown<'k>(Vec<&'k (Option<i64>, Value)>);

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn place(&self, n: usize) -> Position {
        (self.0[n].0.unwrap_or(i64::MAX), (self.0.len() - n) as u64)
    }
    fn stored_at(&self, n: usize) -> Option<i64> {
        self.0[n].0
    }
    fn write(&self, n: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0[n].1.to_string().as_bytes());
    }
}

/// A Kong with these rows, and a CloudTrail that refuses one event for good.
fn service(
    picked: Picked,
    sent: Rc<RefCell<Vec<Event>>>,
    late_is_shown: Rc<Cell<bool>>,
) -> impl FnMut(&HttpRequest) -> Answer {
    let rows = rows(&picked);
    let version: sim::version::Version = "3.9.0.0-enterprise-edition".parse().unwrap();
    move |request| {
        let stream = match request.uri().path() {
            "/PutAuditEvents" => return Ok(answer(200, take(request, &picked.dead, &sent))),
            "/" => {
                let configuration = json!({"audit_log": true, "audit_log_record_ttl": 30 * DAY});
                let root = json!({"version": version.to_string(), "configuration": configuration});
                return Ok(answer(200, root.to_string()));
            }
            "/audit/requests" => sim::Stream::Requests,
            _ => sim::Stream::Objects,
        };
        let is_shown = |row: &&(Option<i64>, Value)| {
            late_is_shown.get()
                || row.1["request_id"] != json!(picked.late)
                || stream == sim::Stream::Objects
        };
        let shown = rows[usize::from(stream == sim::Stream::Objects)].iter().filter(is_shown);
        let query = request.uri().query().unwrap_or_default();
        let page = page(Manner::sound(&version), stream, &Shown(shown.collect()), query);
        Ok(answer(200, page.unwrap()))
    }
}

fn take(request: &HttpRequest, dead: &str, sent: &RefCell<Vec<Event>>) -> String {
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let (mut failed, mut successful) = (Vec::new(), Vec::new());
    for event in body["auditEvents"].as_array().unwrap() {
        let (id, data) = (event["id"].as_str().unwrap(), event["eventData"].as_str().unwrap());
        if id == dead {
            failed.push(json!({"id": id, "errorCode": "FieldTooLong"}));
        } else {
            successful.push(json!({"id": id, "eventID": id}));
            sent.borrow_mut().push(Event { id: id.to_owned(), time: 0, data: data.to_owned() });
        }
    }
    json!({"failed": failed, "successful": successful}).to_string()
}

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "kong_admin_api" => "https://kong:8444",
        "channel_arn" => "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a",
        "aws_access_key_id" | "aws_secret_access_key" => "AKIDEXAMPLE",
        "max_calls_per_sec" => "1000",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Ships the trail; then Kong shows one entry more, as if the ledger had lost it.
fn shipped() -> Shipped {
    let newest =
        TRAIL.requests.iter().filter_map(|entry| entry["request_timestamp"].as_i64()).max();
    let (sent, late_is_shown) = (Rc::default(), Rc::new(Cell::new(false)));
    let service = service(Picked::of_the_trail(), Rc::clone(&sent), late_is_shown.clone());
    let ports = InMemory::at((newest.unwrap() + 300) * 1000, service);
    let report = ports.clock.run(run(&ports, |name| Ok(variable(name))));
    assert!(report.line().contains(r#""dead_letters":1"#), "{}", report.line());
    late_is_shown.set(true);
    // Some events arrived twice.
    let mut events = sent.borrow_mut();
    let again: Vec<Event> = events.iter().step_by(7).cloned().collect();
    events.extend(again);
    drop(events);
    Shipped { ports, sent }
}

/// What the destination must hold by the line of `verify`, and the line.
fn of_verify(shipped: &Shipped) -> (Table, Value) {
    let found = shipped.ports.clock.run(verify(&shipped.ports, |name| Ok(variable(name))));
    assert_eq!(found.outcome, Outcome::Missing);
    let line: Value = serde_json::from_str(&found.line()).unwrap();
    let mut table = Table::new();
    for stream in Stream::ALL.map(Stream::name) {
        let told = &line["streams"][stream];
        let days = told["days"].as_array().unwrap().iter();
        let days = days.map(|row| (row["day"].as_str().unwrap(), row));
        for (day, row) in days.chain([("derived", &told["derived"])]) {
            let count = |name: &str| row[name].as_i64().unwrap();
            let sound = count("recorded") + count("dead_letters") + count("missing");
            assert_eq!(count("kong"), sound, "{row}");
            let expected = (count("kong") - count("dead_letters"), count("id_sum"));
            if expected.0 > 0 {
                table.insert((stream.to_owned(), day.to_owned()), expected);
            }
        }
    }
    (table, line)
}

fn of_the_query(place: Place, events: &[Event]) -> Table {
    let span = [("<from>", "2000-01-01 00:00:00"), ("<to>", "2100-01-01 00:00:00")];
    let rows = place.with(events).ask("counts-by-day", &span);
    let cells = rows.iter().map(|row| {
        let key = (text(row, "stream").to_owned(), text(row, "day").to_owned());
        (key, (integer(row, "entries"), integer(row, "id_sum")))
    });
    cells.collect()
}

/// The rows in which two tables differ: how many more the first has, and by what their sums differ.
fn differences(left: &Table, right: &Table) -> Vec<(String, i64, i64)> {
    let mut keys: Vec<_> = left.keys().chain(right.keys()).collect();
    keys.sort();
    keys.dedup();
    let of = |table: &Table, key| table.get(key).copied().unwrap_or_default();
    let all = keys.into_iter().map(|key| {
        let (left, right) = (of(left, key), of(right, key));
        (key.0.clone(), left.0 - right.0, left.1 - right.1)
    });
    all.filter(|(_, count, sum)| (*count, *sum) != (0, 0)).collect()
}

#[test]
fn verify_and_the_query_count_the_same_and_what_is_taken_out_of_either_side_is_found() {
    let shipped = shipped();
    let picked = Picked::of_the_trail();
    let (expected, line) = of_verify(&shipped);
    assert_eq!(line["streams"]["objects"]["derived"]["kong"], 3);
    let late = i64::from(id_sum(&picked.late));

    // The ledger's side: verify names it, and the destination lacks it too.
    let missing = line["streams"]["requests"]["missing"].as_array().unwrap();
    assert_eq!((missing.len(), &missing[0]["id"]), (1, &json!(picked.late)));
    let events = shipped.sent.borrow().clone();
    for place in Place::ALL {
        let found = of_the_query(place, &events);
        assert_eq!(found.len(), expected.len(), "{place:?}");
        assert_eq!(differences(&expected, &found), [("requests".to_owned(), 1, late)], "{place:?}");
    }

    // The destination's side: one is gone from there, and another stands in the place of a third.
    let whole: Vec<&Event> = events.iter().filter(|event| !event.id.contains("-p")).collect();
    let [gone, replaced] = [whole[0].id.clone(), whole[1].id.clone()];
    let mut left: Vec<Event> = events.iter().filter(|event| event.id != gone).cloned().collect();
    for event in left.iter_mut().filter(|event| event.id == replaced) {
        let told = format!("\"idSum\":{}", id_sum(&replaced));
        event.data = event.data.replace(&replaced, "forged").replace(&told, "\"idSum\":1");
        event.id = "forged".to_owned();
    }
    let expected_sum = late + i64::from(id_sum(&gone)) + i64::from(id_sum(&replaced)) - 1;
    for place in Place::ALL {
        let differences = differences(&expected, &of_the_query(place, &left));
        let all = differences.iter().fold((0, 0), |all, row| (all.0 + row.1, all.1 + row.2));
        assert_eq!(all, (2, expected_sum), "{place:?}: {differences:?}");
    }
}
