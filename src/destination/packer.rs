//! Events as lines of JSON, and lines compressed as they come.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::terms::Event;

/// The event as one line of JSON: its id, then the members of its data.
pub fn line(event: &Event) -> String {
    let members = event.data.strip_prefix('{').unwrap_or(&event.data);
    let comma = if members.starts_with('}') { "" } else { "," };
    // Within JSON a line break stands only between tokens, where a blank is as good.
    let members = members.replace(['\n', '\r'], " ");
    format!(r#"{{"id":"{}"{comma}{members}"#, event.id)
}

/// The bytes of an event's line; never fewer.
pub fn line_bytes(event: &Event) -> usize {
    r#"{"id":"","#.len() + event.id.len() + event.data.len()
}

/// Lines that are compressed as they come, so that they take an eighth of the room.
pub struct Packer(GzEncoder<Vec<u8>>);

impl Default for Packer {
    fn default() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::fast()))
    }
}

impl Packer {
    /// Adds a line.
    pub fn push(&mut self, event: &Event) {
        let mut line = line(event);
        line.push('\n');
        // Writing into memory cannot fail.
        let _ = self.0.write_all(line.as_bytes());
    }

    /// All lines, compressed.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish().unwrap_or_default()
    }
}
