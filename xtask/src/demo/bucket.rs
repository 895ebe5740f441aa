//! What the demonstration's bucket holds: its objects, read as whoever has the bucket reads them.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use serde_json::Value;

use super::verdict::Event;
use crate::simulators::Channel;

/// An object: its name, its bytes, and the lines in them.
pub struct Object {
    key: String,
    bytes: Vec<u8>,
    lines: String,
}

/// All objects of the bucket by name, those of requests first.
pub fn objects(channel: &Channel) -> Result<Vec<Object>> {
    let read = |(key, bytes): (String, Vec<u8>)| {
        let mut lines = String::new();
        let text = GzDecoder::new(&bytes[..]).read_to_string(&mut lines);
        text.with_context(|| format!("{key} is no gzip"))?;
        Ok(Object { key, bytes, lines })
    };
    let mut objects: Vec<Object> =
        channel.objects()?.into_iter().map(read).collect::<Result<_>>()?;
    objects.sort_by_key(|object| object.key.contains("/stream=objects/"));
    Ok(objects)
}

/// The events in them. Each must be in the folder of its stream and day.
pub fn events(objects: &[Object]) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for Object { key, lines, .. } in objects {
        for line in lines.lines() {
            let mut data: Value =
                serde_json::from_str(line).with_context(|| format!("{key}: {line:.80}"))?;
            let id = data.as_object_mut().and_then(|members| members.remove("id"));
            let id = id.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            let event = Event { id, data };
            let folder = folder(&event).with_context(|| format!("{} has no folder", event.id))?;
            ensure!(key.contains(&folder), "{} is in {key}, not in {folder}", event.id);
            events.push(event);
        }
    }
    Ok(events)
}

/// The folder of a bucket that an event belongs in.
fn folder(event: &Event) -> Option<String> {
    let (day, _) = event.data["eventTime"].as_str()?.split_once('T')?;
    Some(format!("/stream={}/date={day}/", event.stream()?.name()))
}

/// Writes the objects below `folder`, and tells of them, with a line of the newest.
pub fn keep(objects: &[Object], folder: &Path) -> Result<String> {
    for object in objects {
        let file = folder.join(&object.key);
        std::fs::create_dir_all(file.parent().context("an object has a folder")?)?;
        std::fs::write(file, &object.bytes)?;
    }
    let newest = objects.iter().max_by_key(|object| object.key.rsplit('/').next());
    let newest = newest.context("there is no object")?;
    let bytes: usize = objects.iter().map(|object| object.bytes.len()).sum();
    let of_lines: usize = objects.iter().map(|object| object.lines.len()).sum();
    Ok(format!(
        "The {} objects are below {}: {bytes} bytes, {of_lines} before compression.\n\
         zcat {} | head -1:\n{}",
        objects.len(),
        folder.display(),
        newest.key,
        newest.lines.lines().next().unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn object(key: &str) -> Object {
        let line = r#"{"id":"a","UID":"a","eventTime":"2026-11-28T01:02:03Z","additionalEventData":{"method":"GET"}}"#;
        Object { key: key.to_owned(), bytes: Vec::new(), lines: format!("{line}\n") }
    }

    #[test]
    fn an_event_is_read_from_the_folder_of_its_stream_and_day() {
        let object = object("kong-audit/default/stream=requests/date=2026-11-28/a.ndjson.gz");
        let events = events(&[object]).unwrap();
        assert_eq!((events[0].id.as_str(), &events[0].data["UID"]), ("a", &Value::from("a")));
        assert!(events[0].data.get("id").is_none());
    }

    #[test]
    fn an_event_in_another_folder_is_an_error() {
        for key in ["k/stream=objects/date=2026-11-28/a", "k/stream=requests/date=2026-11-29/a"] {
            assert!(events(&[object(key)]).is_err(), "{key}");
        }
    }
}
