//! Whether each entry in Kong is in the destination exactly once, whole, and nothing else is there.
//!
//! Written from the event mapping in the docs, not from the component's code: a mistake there must
//! not hide itself here.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    Requests,
    Objects,
}

impl Stream {
    pub const ALL: [Self; 2] = [Self::Requests, Self::Objects];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Objects => "objects",
        }
    }

    const fn id_field(self) -> &'static str {
        match self {
            Self::Requests => "request_id",
            Self::Objects => "id",
        }
    }
}

/// What Kong holds.
pub struct Entry {
    pub stream: Stream,
    pub fields: Value,
}

impl Entry {
    fn id(&self) -> &str {
        self.fields[self.stream.id_field()].as_str().unwrap_or_default()
    }
}

/// What the destination holds.
pub struct Event {
    pub id: String,
    pub data: Value,
}

impl Event {
    /// The stream it came from, by the fields that only that stream has.
    pub fn stream(&self) -> Option<Stream> {
        let additional = &self.data["additionalEventData"];
        match (additional.get("method"), additional.get("dao_name")) {
            (Some(_), None) => Some(Stream::Requests),
            (None, Some(_)) => Some(Stream::Objects),
            _ => None,
        }
    }

    /// The value of an entry's field, as the event tells it. JSON that Kong keeps as text may come
    /// back as the value that it stands for.
    fn tells(&self, stream: Stream, field: &str) -> Option<Value> {
        let data = &self.data;
        if let Some(verbatim) = data["additionalEventData"].get(field) {
            return Some(verbatim.clone());
        }
        let identity = &data["userIdentity"];
        match (stream, field) {
            (Stream::Requests, "request_id") | (Stream::Objects, "id") => data.get("UID").cloned(),
            (_, "rbac_user_id") if identity["type"] == "RBACUser" => {
                identity.get("principalId").cloned()
            }
            (_, "rbac_user_name") => identity["details"].get("userName").cloned(),
            (_, "request_timestamp") => {
                let time = OffsetDateTime::parse(data["eventTime"].as_str()?, &Rfc3339).ok()?;
                Some(time.unix_timestamp().into())
            }
            (Stream::Requests, "client_ip") => data.get("sourceIPAddress").cloned(),
            (Stream::Requests, "payload") => document(&data["requestParameters"], field),
            (Stream::Objects, "entity") => document(&data["responseElements"], field),
            _ => None,
        }
    }
}

/// A JSON text of Kong's: whole under its own name, or spread over the section.
fn document(section: &Value, name: &str) -> Option<Value> {
    if let Some(whole) = section.get(name) {
        return Some(whole.clone());
    }
    let mut members = section.as_object()?.clone();
    members.remove("queryParameters");
    Some(Value::Object(members))
}

/// What the comparison found. Every list names entries or events, with what is wrong.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    entries: usize,
    /// In Kong, not in the destination.
    missing: Vec<String>,
    /// More than once in the destination.
    repeated: Vec<String>,
    /// In the destination, not in Kong.
    foreign: Vec<String>,
    /// In both, and not the same.
    altered: Vec<String>,
}

/// Compares both ways, by ids and by content.
pub fn check(entries: &[Entry], events: &[Event]) -> Verdict {
    let mut verdict = Verdict { entries: entries.len(), ..Verdict::default() };
    let mut seen: HashMap<(Stream, &str), (&Entry, usize)> =
        entries.iter().map(|entry| ((entry.stream, entry.id()), (entry, 0))).collect();
    for event in events {
        let key = event.stream().zip(event.data["UID"].as_str());
        let Some((entry, times)) = key.and_then(|key| seen.get_mut(&key)) else {
            verdict.foreign.push(event.id.clone());
            continue;
        };
        *times += 1;
        if *times == 2 {
            verdict.repeated.push(event.id.clone());
        }
        if let Some(what) = difference(entry, event) {
            verdict.altered.push(format!("{}: {what}", event.id));
        }
    }
    // Two entries under one id could hide behind one event.
    let shared = entries.len() - seen.len();
    if shared > 0 {
        verdict.altered.push(format!("{shared} entries share an id with another"));
    }
    for entry in entries {
        if seen[&(entry.stream, entry.id())].1 == 0 {
            verdict.missing.push(format!("{} of {}", entry.id(), entry.stream.name()));
        }
    }
    verdict
}

/// The first thing that the event tells differently from the entry.
fn difference(entry: &Entry, event: &Event) -> Option<String> {
    let Some(fields) = entry.fields.as_object() else {
        return Some("the entry is no object".to_owned());
    };
    for (field, want) in fields {
        let Some(told) = event.tells(entry.stream, field) else {
            return Some(format!("{field} is lost"));
        };
        let same = match field.as_str() {
            // The seconds left to live: they ran on since the entry was shipped.
            "ttl" => told.as_i64() >= want.as_i64(),
            "payload" | "entity" if told.is_object() => {
                want.as_str().and_then(|text| serde_json::from_str(text).ok()) == Some(told)
            }
            _ => *want == told,
        };
        if !same {
            return Some(format!("{field} differs"));
        }
    }
    let Some(additional) = event.data["additionalEventData"].as_object() else {
        return Some("additionalEventData is lost".to_owned());
    };
    let ours = ["konghostname", "absentFields", "idSum"];
    let added = additional
        .keys()
        .find(|name| !fields.contains_key(*name) && !ours.contains(&name.as_str()));
    if let Some(name) = added {
        return Some(format!("{name} is not Kong's"));
    }
    let own_id =
        entry.id().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if own_id && event.id != entry.id() {
        return Some("another id".to_owned());
    }
    if additional.get("idSum") != Some(&id_sum(&event.id).into()) {
        return Some("idSum differs".to_owned());
    }
    (event.data["eventName"] != name(entry)).then(|| "eventName differs".to_owned())
}

/// The first 32 bits of the SHA-256 of an event's id, as a number.
fn id_sum(id: &str) -> u32 {
    let digest: [u8; 32] = Sha256::digest(id).into();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// `GETservices`, `CREATEconsumers`.
fn name(entry: &Entry) -> String {
    let text = |field: &str| entry.fields[field].as_str().unwrap_or_default();
    match entry.stream {
        Stream::Requests => {
            let path = text("path").split('?').next().unwrap_or_default();
            format!("{}{}", text("method"), path.strip_prefix('/').unwrap_or(path))
        }
        Stream::Objects => {
            format!("{}{}", text("operation").to_ascii_uppercase(), text("dao_name"))
        }
    }
}

impl Verdict {
    pub fn holds(&self) -> bool {
        [&self.missing, &self.repeated, &self.foreign, &self.altered]
            .iter()
            .all(|list| list.is_empty())
    }
}

impl Verdict {
    /// The verdict in words, on a destination of that name.
    pub fn told(&self, destination: &str) -> String {
        if self.holds() {
            return format!(
                "VERDICT: each of the {} entries in Kong is in {destination} exactly once, field by \
                 field; nothing else is there.",
                self.entries
            );
        }
        let mut told =
            format!("VERDICT: IT DOES NOT HOLD for the {} entries in Kong.", self.entries);
        let findings = [
            (format!("missing in {destination}"), &self.missing),
            (format!("more than once in {destination}"), &self.repeated),
            (format!("in {destination}, not in Kong"), &self.foreign),
            ("not the same in both".to_owned(), &self.altered),
        ];
        for (finding, list) in findings.iter().filter(|(_, list)| !list.is_empty()) {
            let first: Vec<&str> = list.iter().take(5).map(String::as_str).collect();
            // Writing into a string cannot fail.
            let _ = write!(told, "\n  {} {finding}, such as {}", list.len(), first.join(", "));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn request() -> Entry {
        let fields = json!({
            "client_ip": "10.0.4.52", "method": "POST", "path": "/services?size=1", "status": 201,
            "payload": "{\"name\":\"pay\"}", "rbac_user_id": "f035", "rbac_user_name": "doc_lord",
            "removed_from_payload": null, "request_id": "Zr8", "request_timestamp": 1_676_424_702,
            "ttl": 2_591_800
        });
        Entry { stream: Stream::Requests, fields }
    }

    fn object() -> Entry {
        let fields = json!({
            "dao_name": "consumers", "operation": "create", "id": "7eba", "entity": "{\"id\":1}",
            "expire": 1, "request_id": "Zr8", "rbac_user_id": null
        });
        Entry { stream: Stream::Objects, fields }
    }

    fn event_of_request() -> Event {
        let data = json!({
            "userIdentity": {
                "type": "RBACUser", "principalId": "f035", "details": { "userName": "doc_lord" }
            },
            "eventName": "POSTservices", "eventTime": "2023-02-15T01:31:42Z", "UID": "Zr8",
            "requestParameters": { "name": "pay", "queryParameters": "size=1" },
            "sourceIPAddress": "10.0.4.52",
            "additionalEventData": {
                "method": "POST", "path": "/services?size=1", "status": 201, "ttl": 2_591_899,
                "removed_from_payload": null, "konghostname": "http://kong",
                "idSum": id_sum("Zr8")
            }
        });
        Event { id: "Zr8".to_owned(), data }
    }

    fn event_of_object() -> Event {
        let data = json!({
            "userIdentity": { "type": "Anonymous", "principalId": "anonymous" },
            "eventName": "CREATEconsumers", "eventTime": "2023-02-15T01:31:42Z", "UID": "7eba",
            "responseElements": { "id": 1 },
            "additionalEventData": {
                "dao_name": "consumers", "operation": "create", "expire": 1, "request_id": "Zr8",
                "rbac_user_id": null, "konghostname": "http://kong", "idSum": id_sum("7eba")
            }
        });
        Event { id: "7eba".to_owned(), data }
    }

    fn shipped() -> Verdict {
        Verdict { entries: 2, ..Verdict::default() }
    }

    #[test]
    fn each_entry_once_and_nothing_else_holds() {
        let verdict = check(&[request(), object()], &[event_of_object(), event_of_request()]);
        assert_eq!(verdict, shipped());
        assert!(verdict.holds());
    }

    #[test]
    fn a_missing_event_fails_it() {
        let verdict = check(&[request(), object()], &[event_of_request()]);
        assert_eq!(verdict, Verdict { missing: vec!["7eba of objects".into()], ..shipped() });
        assert!(!verdict.holds());
        assert!(
            verdict.told("CloudTrail").contains("1 missing in CloudTrail, such as 7eba of objects")
        );
    }

    #[test]
    fn a_repeated_event_fails_it_and_is_named_once() {
        let events =
            [event_of_request(), event_of_object(), event_of_request(), event_of_request()];
        let verdict = check(&[request(), object()], &events);
        assert_eq!(verdict, Verdict { repeated: vec!["Zr8".into()], ..shipped() });
        assert!(!verdict.holds());
    }

    #[test]
    fn a_foreign_event_fails_it() {
        let mut foreign = event_of_object();
        foreign.id = "0c6f".to_owned();
        foreign.data["UID"] = json!("0c6f");
        let events = [event_of_request(), event_of_object(), foreign];
        let verdict = check(&[request(), object()], &events);
        assert_eq!(verdict, Verdict { foreign: vec!["0c6f".into()], ..shipped() });
        assert!(!verdict.holds());
    }

    /// What comes of one change to the request's event.
    fn altered(change: impl FnOnce(&mut Event)) -> Vec<String> {
        let mut event = event_of_request();
        change(&mut event);
        let verdict = check(&[request(), object()], &[event, event_of_object()]);
        assert!(!verdict.holds());
        verdict.altered
    }

    #[test]
    fn a_lost_changed_or_invented_field_fails_it() {
        let lost = altered(|event| {
            event.data["additionalEventData"].as_object_mut().unwrap().remove("status");
        });
        assert_eq!(lost, ["Zr8: status is lost"]);
        let changed = altered(|event| event.data["requestParameters"]["name"] = json!("paid"));
        assert_eq!(changed, ["Zr8: payload differs"]);
        let changed = altered(|event| event.data["eventTime"] = json!("2023-02-15T01:31:43Z"));
        assert_eq!(changed, ["Zr8: request_timestamp differs"]);
        let changed = altered(|event| event.data["userIdentity"]["principalId"] = json!("root"));
        assert_eq!(changed, ["Zr8: rbac_user_id differs"]);
        let invented = altered(|event| event.data["additionalEventData"]["extra"] = json!(1));
        assert_eq!(invented, ["Zr8: extra is not Kong's"]);
        let summed = altered(|event| event.data["additionalEventData"]["idSum"] = json!(1));
        assert_eq!(summed, ["Zr8: idSum differs"]);
        let renamed = altered(|event| event.data["eventName"] = json!("GETservices"));
        assert_eq!(renamed, ["Zr8: eventName differs"]);
        let other_id = altered(|event| event.id = "Zr9".to_owned());
        assert_eq!(other_id, ["Zr9: another id"]);
    }

    #[test]
    fn a_ttl_that_grew_since_shipping_fails_it() {
        let younger = altered(|event| event.data["additionalEventData"]["ttl"] = json!(2_591_799));
        assert_eq!(younger, ["Zr8: ttl differs"]);
    }
}
