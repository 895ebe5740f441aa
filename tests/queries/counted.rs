//! The table of `verify` and that of the destination's query, over the trail that the demo ships: they agree, and
//! an entry that is taken out of either side is found.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use kong_cloudtrail::event::id_sum;
use kong_cloudtrail::ports::HttpRequest;
use kong_cloudtrail::run::run;
use kong_cloudtrail::terms::{Event, Stream};
use kong_cloudtrail::testing::{Answer, InMemory, answer};
use kong_cloudtrail::verify::{Outcome, verify};
use serde_json::{Value, json};

use super::audit::SPAN;
use super::bucket::Bucket;
use super::shipping::{self, DAY, Rows, Sent, Taken, kong, put_object, variable};
use super::trail::{TRAIL, string};
use super::{Place, Store, awkward_text, integer, text};

/// By stream and day: how many, and the sum of their `idSum`.
type Table = BTreeMap<(String, String), (i64, i64)>;

/// What is shipped, and what is kept from the first run.
struct Shipped {
    to: Place,
    ports: InMemory<'static>,
    taken: Taken,
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

/// Kong's rows: those of the trail, and three without a time of their own.
fn rows(picked: &Picked) -> Rows {
    let [mut requests, mut objects] = shipping::rows(TRAIL.requests.iter(), &TRAIL.objects);
    let large = requests.iter_mut().find(|(_, row)| row["request_id"] == json!(picked.large));
    large.unwrap().1["payload"] = json!(awkward_text(250_000));
    for n in 0..3 {
        let row = json!({"id": format!("timeless-{n}"), "dao_name": "routes", "operation": "create",
            "entity": "{}", "ttl": 20 * DAY + n});
        objects.insert(0, (None, row));
    }
    [requests, objects]
}

/// A Kong with these rows, and the destination: a bucket, or a CloudTrail that refuses one event for good.
fn service(
    picked: Picked,
    taken: Taken,
    late_is_shown: Rc<Cell<bool>>,
) -> impl FnMut(&HttpRequest) -> Answer {
    let rows = rows(&picked);
    move |request| {
        if request.method() == http::Method::PUT {
            return Ok(put_object(request, &taken));
        }
        if request.uri().path() == "/PutAuditEvents" {
            return Ok(answer(200, take(request, &picked.dead, &taken)));
        }
        let hidden = (!late_is_shown.get()).then_some(picked.late.as_str());
        Ok(kong(&rows, hidden, request))
    }
}

fn take(request: &HttpRequest, dead: &str, taken: &Taken) -> String {
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let (mut failed, mut successful) = (Vec::new(), Vec::new());
    for event in body["auditEvents"].as_array().unwrap() {
        let (id, data) = (event["id"].as_str().unwrap(), event["eventData"].as_str().unwrap());
        if id == dead {
            failed.push(json!({"id": id, "errorCode": "FieldTooLong"}));
        } else {
            successful.push(json!({"id": id, "eventID": id}));
            let event = Event { id: id.to_owned(), time: 0, data: data.to_owned() };
            taken.borrow_mut().push(Sent { object: String::new(), event });
        }
    }
    json!({"failed": failed, "successful": successful}).to_string()
}

/// Ships the trail there; then Kong shows one entry more, as if the ledger had lost it.
fn shipped(to: Place) -> Shipped {
    let newest =
        TRAIL.requests.iter().filter_map(|entry| entry["request_timestamp"].as_i64()).max();
    let (taken, late_is_shown) = (Taken::default(), Rc::new(Cell::new(false)));
    let service = service(Picked::of_the_trail(), Rc::clone(&taken), late_is_shown.clone());
    let ports = InMemory::at((newest.unwrap() + 300) * 1000, service);
    let report = ports.clock.run(run(&ports, |name| Ok(variable(to, name))));
    // S3 refuses no event by itself.
    let letters = format!(r#""dead_letters":{}"#, u8::from(to == Place::Lake));
    assert!(report.line().contains(&letters), "{}", report.line());
    late_is_shown.set(true);
    // Some events arrived twice.
    let mut events = taken.borrow_mut();
    let again: Vec<Sent> = events.iter().step_by(7).cloned().collect();
    events.extend(again);
    drop(events);
    Shipped { to, ports, taken }
}

/// What the destination must hold by the line of `verify`, and the line.
fn of_verify(shipped: &Shipped) -> (Table, Value) {
    let of = |name: &str| Ok(variable(shipped.to, name));
    let found = shipped.ports.clock.run(verify(&shipped.ports, of));
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

fn of_the_query(place: Place, taken: &[Sent]) -> Table {
    let store: Box<dyn Store> = match place {
        Place::Bucket => Box::new(Bucket::of(taken)),
        _ => place.with(taken.iter().map(|sent| &sent.event)),
    };
    let rows = store.ask("counts-by-day", &SPAN);
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
    let of_cloudtrail = shipped(Place::Lake);
    both_sides_agree(&of_cloudtrail, Place::Lake);
    both_sides_agree(&of_cloudtrail, Place::LogGroup);
    both_sides_agree(&shipped(Place::Bucket), Place::Bucket);
}

fn both_sides_agree(shipped: &Shipped, place: Place) {
    let picked = Picked::of_the_trail();
    let (expected, line) = of_verify(shipped);
    assert_eq!(line["streams"]["objects"]["derived"]["kong"], 3);
    let late = i64::from(id_sum(&picked.late));

    // The ledger's side: verify names it, and the destination lacks it too.
    let missing = line["streams"]["requests"]["missing"].as_array().unwrap();
    assert_eq!((missing.len(), &missing[0]["id"]), (1, &json!(picked.late)));
    let taken = shipped.taken.borrow().clone();
    let found = of_the_query(place, &taken);
    assert_eq!(found.len(), expected.len(), "{place:?}");
    assert_eq!(differences(&expected, &found), [("requests".to_owned(), 1, late)], "{place:?}");

    // The destination's side: one is gone from there, and another stands in the place of a third.
    let whole: Vec<&Sent> = taken.iter().filter(|sent| !sent.event.id.contains("-p")).collect();
    let [gone, replaced] = [whole[0].event.id.clone(), whole[1].event.id.clone()];
    let mut left: Vec<Sent> = taken.iter().filter(|sent| sent.event.id != gone).cloned().collect();
    for Sent { event, .. } in left.iter_mut().filter(|sent| sent.event.id == replaced) {
        let told = format!("\"idSum\":{}", id_sum(&replaced));
        event.data = event.data.replace(&replaced, "forged").replace(&told, "\"idSum\":1");
        "forged".clone_into(&mut event.id);
    }
    let expected_sum = late + i64::from(id_sum(&gone)) + i64::from(id_sum(&replaced)) - 1;
    let differences = differences(&expected, &of_the_query(place, &left));
    let all = differences.iter().fold((0, 0), |all, row| (all.0 + row.1, all.1 + row.2));
    assert_eq!(all, (2, expected_sum), "{place:?}: {differences:?}");
}
