//! An entry of `/audit/objects`: a row that was written.

use super::document::Document;
use super::envelope::{LONG, Placed, shorten};
use super::section::{Member, Section};
use crate::kong::Entry;

/// Where the entity stands when it is not spread.
pub(super) const ENTITY: &str = "entity";

/// Operation in capitals and table: `CREATEconsumers`.
pub(super) fn event_name(entry: &Entry<'_>) -> String {
    let operation = entry.text("operation").unwrap_or_default();
    operation.to_ascii_uppercase() + entry.text("dao_name").as_deref().unwrap_or_default()
}

/// Copies to search by: the originals stand in `additionalEventData`.
pub(super) fn request_parameters<'a>(entry: &Entry<'a>) -> Section<'a> {
    let mut section = Section::request_parameters();
    for (name, field) in [("entityKey", "entity_key"), ("requestId", "request_id")] {
        if let Some(text) = entry.text(field) {
            section.members.push(Member::text(name, shorten(text, LONG)));
        }
    }
    section
}

/// The entity, as it is after the operation.
pub(super) fn response_elements<'a>(entry: &Entry<'a>, placed: &mut Placed) -> Section<'a> {
    let mut section = Section::response_elements();
    section.document = Document::of(entry, ENTITY, &[ENTITY], placed);
    section
}
