//! The demonstration's tables.

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use super::verdict::{Entry, Event, Stream};
use crate::simulators::Destination;

/// One line about a run, from its report.
pub fn summary(destination: Destination, report: &Value) -> String {
    let total = |name: &str| -> u64 {
        let of = |stream: Stream| report["streams"][stream.name()][name].as_u64();
        Stream::ALL.into_iter().filter_map(of).sum()
    };
    format!(
        "outcome {}: {} entries fetched, {} duplicates removed, {} shipped in {} {} calls, {} ms",
        report["outcome"].as_str().unwrap_or_default(),
        total("fetched"),
        total("duplicates"),
        total("shipped"),
        report["calls"]["destination"],
        destination.call(),
        report["duration_ms"],
    )
}

/// Kong against the destination, a stream a line.
pub fn streams(
    destination: Destination,
    entries: &[Entry],
    reports: &[Value],
    events: &[Event],
) -> Table {
    let arrived = format!("in {}", destination.name());
    let mut table = table(["stream", "in Kong", "shipped", "duplicates removed", &arrived]);
    for stream in Stream::ALL {
        let sum = |name: &str| -> u64 {
            reports.iter().filter_map(|run| run["streams"][stream.name()][name].as_u64()).sum()
        };
        table.add_row([
            stream.name().to_owned(),
            entries.iter().filter(|entry| entry.stream == stream).count().to_string(),
            sum("shipped").to_string(),
            sum("duplicates").to_string(),
            events.iter().filter(|event| event.stream() == Some(stream)).count().to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A few events of different kinds, from all over the trail, in the order in which they happened.
pub fn trail(events: &[Event]) -> Table {
    // Each kind is looked for a share further into the trail: requests first, then objects.
    let kinds: [fn(&Event) -> bool; 6] = [
        |event| event.data["errorCode"] == "403",
        |event| event.data["eventName"] == "GETauth" && event.data.get("errorCode").is_none(),
        |event| event.data["errorCode"].as_str().is_some_and(|code| code != "403"),
        |event| event.data["eventName"] == "CREATEroutes",
        |event| event.data["eventName"] == "DELETEroutes",
        is_example,
    ];
    let mut chosen: Vec<usize> = (1..)
        .zip(kinds)
        .filter_map(|(share, kind)| {
            events[..events.len() * share / kinds.len()].iter().rposition(kind)
        })
        .collect();
    chosen.sort_by_key(|at| events[*at].data["eventTime"].to_string());

    let mut table = table(["when", "who", "says it is", "what", "from where", "outcome"]);
    for event in chosen.into_iter().map(|at| &events[at]) {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let identity = &event.data["userIdentity"];
        table.add_row([
            text(&event.data["eventTime"]),
            text(&identity["principalId"]),
            text(&identity["details"]["userName"]),
            text(&event.data["eventName"]),
            text(&event.data["sourceIPAddress"]),
            outcome(event),
        ]);
    }
    table
}

/// The newest event that shows most of the mapping.
pub fn example(events: &[Event]) -> Option<&Value> {
    events.iter().rev().find(|event| is_example(event)).map(|event| &event.data)
}

/// A write with a payload, by somebody with a name.
fn is_example(event: &Event) -> bool {
    event.data["requestParameters"].get("name").is_some()
        && event.data["userIdentity"]["details"].get("userName").is_some()
        && event.data.get("errorCode").is_none()
}

fn outcome(event: &Event) -> String {
    let additional = &event.data["additionalEventData"];
    let status = &additional["status"];
    match status.as_u64() {
        None if additional["operation"] == "delete" => "row deleted".to_owned(),
        None => "row written".to_owned(),
        Some(401 | 403) => format!("{status}, refused"),
        Some(400..) => format!("{status}, failed"),
        Some(_) => format!("{status}, done"),
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(header);
    table
}
