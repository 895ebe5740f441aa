//! What of an entry can be told again from its event.

use serde_json::Value;

/// An entry without its `ttl`, which falls as time passes, and with JSON by its value, since its
/// text is kept only where a signature stands on it.
pub fn settled(mut entry: Value) -> Value {
    entry.as_object_mut().unwrap().remove("ttl");
    for field in ["payload", "entity"] {
        if let Some(value) = entry[field].as_str().and_then(|text| serde_json::from_str(text).ok())
        {
            entry[field] = value;
        }
    }
    entry
}
