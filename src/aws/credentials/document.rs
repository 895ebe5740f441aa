//! The JSON in which container endpoints and instance metadata hand out credentials.

use serde_json::Value;

use super::{Credentials, Temporary};
use crate::terms::Secret;
use crate::wire::read_rfc3339;

/// Why a document holds no credentials.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is an error document.
    Refused { code: String, message: String },
    /// It is none of those that are documented; in words that quote nothing of it.
    Malformed(&'static str),
}

/// The credentials in `body`.
pub(super) fn read(body: &[u8]) -> Result<Temporary, Fault> {
    // Not the parser's words: they quote what they stumble over.
    let document: Value =
        serde_json::from_slice(body).map_err(|_| Fault::Malformed("is not the JSON documented"))?;
    let text = |names: [&str; 2]| {
        let value = names.iter().find_map(|name| document.get(name)?.as_str());
        value.map(str::to_owned)
    };
    if let Some(code) = text(["Code", "code"]).filter(|code| code != "Success") {
        let message = text(["Message", "message"]).unwrap_or_default();
        return Err(Fault::Refused { code, message });
    }
    let keys = (text(["AccessKeyId", ""]), text(["SecretAccessKey", ""]));
    let (Some(id), Some(secret)) = keys else {
        return Err(Fault::Malformed("has no AccessKeyId or no SecretAccessKey"));
    };
    let expiration = text(["Expiration", ""]);
    temporary(id, secret, text(["Token", "SessionToken"]), expiration.as_deref())
}

/// Credentials of these parts, which must fit into headers.
pub(super) fn temporary(
    id: String,
    secret: String,
    token: Option<String>,
    expiration: Option<&str>,
) -> Result<Temporary, Fault> {
    let fits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits(&id) || !fits(&secret) || token.as_deref().is_some_and(|token| !fits(token)) {
        return Err(Fault::Malformed("has keys or a token that cannot be ones"));
    }
    let no_time = Fault::Malformed("has an expiration that is no time of RFC 3339");
    let expires = expiration.map(|text| read_rfc3339(text).ok_or(no_time)).transpose()?;
    let expires_ms = expires.map(|seconds| seconds.saturating_mul(1000));
    let credentials = Credentials {
        access_key_id: id,
        secret_access_key: Secret::new(secret),
        session_token: token.map(Secret::new),
    };
    Ok(Temporary { credentials, expires_ms })
}
