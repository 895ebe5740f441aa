//! The keys that Kong's Lambda left in a shared Redis, read while moving away from it.
//!
//! For each request entry the Lambda writes a key equal to its `request_id`, with the value `1` and
//! the entry's `ttl` (Kong/kong-cloudtrails-integration, `internal/database/redis.go`). While
//! `adopt_lambda_keys` is on, such a key says that the entry is shipped. The Lambda writes it
//! also when publishing failed, so whoever adopts its keys adopts its losses (`docs/migrating.md`).
//!
//! Its keys are read, never written and never deleted.

use crate::kong::Entry;
use crate::ports::KeyValue;
use crate::store::{Store, StoreError};
use crate::terms::Stream;

/// What the Lambda writes: Go's `true`, as its Redis client spells it.
const VALUE: &[u8] = b"1";

/// Letters and digits of Kong's ids, in all versions that the Lambda knew. A key of another shape is somebody
/// else's.
const ID_CHARS: usize = 32;

/// Whether the Lambda recorded the entry as shipped.
pub fn has_key<P: KeyValue>(store: &Store<'_, P>, entry: &Entry<'_>) -> Result<bool, StoreError> {
    // It read no objects.
    let id = entry.id().filter(|_| entry.stream == Stream::Requests);
    let Some(id) = id.filter(|id| is_kongs(id)) else { return Ok(false) };
    Ok(store.get_foreign(&id)?.as_deref() == Some(VALUE))
}

fn is_kongs(id: &str) -> bool {
    id.len() == ID_CHARS && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::testing::Memory;

    const ID: &str = "0bAf1b0nfOZsMSEByhhgn8FHdra7DjRp";

    /// Whether an entry counts as shipped where its id has this value, and how many values were read.
    fn asked(value: &[u8], stream: Stream, id: &str) -> (bool, usize) {
        let memory = Memory::default();
        memory.values.borrow_mut().insert(id.to_owned(), value.to_vec());
        let entry = json!({ stream.id_field(): id }).to_string();
        let entry = Entry::parse(stream, &entry).unwrap();
        let answer = has_key(&Store::new(&memory, "default"), &entry).unwrap();
        (answer, memory.reads.get())
    }

    #[test]
    fn the_key_is_the_bare_request_id() {
        assert_eq!(asked(b"1", Stream::Requests, ID), (true, 1));
    }

    #[test]
    fn a_key_with_another_value_is_not_the_lambdas() {
        for value in [&b"true"[..], b"", b"10"] {
            assert_eq!(asked(value, Stream::Requests, ID), (false, 1));
        }
    }

    #[test]
    fn only_what_can_be_an_id_of_kongs_is_looked_up() {
        let long = format!("{ID}x");
        for id in [
            "",
            "late",
            &ID[1..],
            &long,
            "kong-cloudtrail:default:head0000",
            "0bAf1b0nfOZsMSEByhhgn8FHdra7Dj-p",
        ] {
            assert_eq!(asked(b"1", Stream::Requests, id), (false, 0), "{id}");
        }
    }

    #[test]
    fn objects_are_not_looked_up() {
        assert_eq!(asked(b"1", Stream::Objects, ID), (false, 0));
    }
}
