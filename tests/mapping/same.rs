//! When a rebuilt entry is the entry.

use std::borrow::Cow;
use std::collections::HashSet;

use kong_cloudtrail::kong::Entry;
use kong_cloudtrail::kong::entry::{Fields, text};
use kong_cloudtrail::terms::Stream;
use serde_json::value::RawValue;

/// Asserts that two entries have the same fields: each of one name in its order, each value exact.
pub fn assert_same(stream: Stream, sent: &str, rebuilt: &str) {
    let (sent, rebuilt) = (fields(stream, sent), fields(stream, rebuilt));
    let names = |fields: &[(String, &RawValue)]| -> Vec<String> {
        fields.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&sent), names(&rebuilt), "names of fields");
    let signed = sent.iter().any(|(name, value)| name == "signature" && value.get() != "null");
    for ((name, sent), (_, rebuilt)) in sent.iter().zip(&rebuilt) {
        assert!(
            same_value(sent, rebuilt) || (!signed && is_document(name) && same_json(sent, rebuilt)),
            "{name}\n   sent: {:.1000}\nrebuilt: {:.1000}",
            sent.get(),
            rebuilt.get()
        );
    }
}

/// Whether any object in a JSON text has two members of one name.
pub fn has_repeated_members(json: &str) -> bool {
    if let Ok(Fields(members)) = serde_json::from_str(json) {
        let names: HashSet<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
        return names.len() < members.len()
            || members.iter().any(|(_, value)| has_repeated_members(value.get()));
    }
    serde_json::from_str::<Vec<&RawValue>>(json)
        .is_ok_and(|items| items.iter().any(|item| has_repeated_members(item.get())))
}

fn fields(stream: Stream, entry: &str) -> Vec<(String, &RawValue)> {
    let mut fields: Vec<_> = Entry::parse(stream, entry)
        .unwrap()
        .fields
        .into_iter()
        .map(|(name, value)| (name.into_owned(), value))
        .collect();
    // A stable sort: the order among fields of one name says which of them counts.
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    fields
}

fn is_document(name: &str) -> bool {
    name == "payload" || name == "entity"
}

/// The same text, or strings that differ in their spelling alone.
fn same_value(a: &RawValue, b: &RawValue) -> bool {
    a.get() == b.get() || (text(a).is_some() && text(a) == text(b))
}

/// Strings that hold the same JSON value, all numbers spelt the same.
fn same_json(a: &RawValue, b: &RawValue) -> bool {
    let (Some(a), Some(b)) = (text(a), text(b)) else { return false };
    !has_repeated_members(&a) && exact(&a) == exact(&b)
}

/// A JSON value with its members in order of name and its numbers as they were spelt.
fn exact(json: &str) -> Cow<'_, str> {
    if let Ok(Fields(mut members)) = serde_json::from_str(json) {
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("{name:?}:{}", exact(value.get())))
            .collect();
        return format!("{{{}}}", members.join(",")).into();
    }
    if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) {
        let items: Vec<_> = items.iter().map(|item| exact(item.get())).collect();
        return format!("[{}]", items.join(",")).into();
    }
    match serde_json::from_str::<String>(json) {
        Ok(text) => format!("{text:?}").into(),
        Err(_) => json.trim().into(),
    }
}
