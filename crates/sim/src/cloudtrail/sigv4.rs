//! Verifies Signature Version 4, written from AWS's specification ("Create a signed AWS API
//! request", IAM user guide) and independent of the crate with which the shipper signs.
//!
//! The order of the checks and their words follow what AWS's services are known to answer; the
//! words stand in "Troubleshoot Signature Version 4 signing".

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::{Digest, Sha256};
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::error::ServiceError;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(crate) const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What AWS leaves as it is when it encodes: letters, digits, `-`, `.`, `_` and `~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An access key that the simulator knows.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret that signs.
    pub secret_access_key: String,
    /// For temporary credentials, the token that comes with them.
    pub session_token: Option<String>,
}

/// A request as it came.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// What a signature must be made for.
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    /// The service's time, in Unix seconds.
    pub(crate) now: i64,
}

/// Whose request it is; an error in AWS's words when it is not signed as it must be.
pub(crate) fn verify<'k>(
    request: &Signed<'_>,
    scope: &Scope<'_>,
    keys: &'k [Credentials],
) -> Result<&'k Credentials, ServiceError> {
    let header = request.headers.get(header::AUTHORIZATION).ok_or_else(|| {
        ServiceError::new("MissingAuthenticationTokenException", "Missing Authentication Token")
    })?;
    let authorization = Authorization::parse(header.to_str().unwrap_or_default())?;
    let amz_date = text(request.headers, &AMZ_DATE).ok_or_else(|| {
        incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    })?;
    check_time(&amz_date, scope.now)?;
    for (name, shown) in [("host", "'Host' or ':authority'"), ("x-amz-date", "'X-Amz-Date'")] {
        authorization.must_sign(name, shown)?;
    }
    if request.headers.contains_key(&SECURITY_TOKEN) {
        authorization.must_sign(SECURITY_TOKEN.as_str(), "'X-Amz-Security-Token'")?;
    }
    let access_key_id = authorization.check_scope(scope, &amz_date)?;
    let key = keys
        .iter()
        .find(|key| key.access_key_id == access_key_id)
        .filter(|key| key.session_token == text(request.headers, &SECURITY_TOKEN))
        .ok_or_else(|| ServiceError::usual("UnrecognizedClientException"))?;

    let credential_scope = authorization.credential.split_once('/').map_or("", |(_, scope)| scope);
    let path =
        if scope.service == "s3" { request.path.to_owned() } else { canonical_path(request.path) };
    let canonical = canonical_request(request, &path, &authorization.signed_headers);
    let to_sign = string_to_sign(&amz_date, credential_scope, &canonical);
    let signing_key = signing_key(&key.secret_access_key, credential_scope);
    let signature = hex::decode(authorization.signature).unwrap_or_default();
    // Compares in constant time.
    hmac(&signing_key, to_sign.as_bytes()).verify_slice(&signature).map_err(|_| {
        invalid(
            "The request signature we calculated does not match the signature you provided. \
             Check your AWS Secret Access Key and signing method. Consult the service \
             documentation for details.",
        )
    })?;
    Ok(key)
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidSignatureException", message)
}

fn incomplete(message: impl Into<String>) -> ServiceError {
    ServiceError::new("IncompleteSignatureException", message)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

/// At most five minutes off.
fn check_time(amz_date: &str, now: i64) -> Result<(), ServiceError> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let signed_at = PrimitiveDateTime::parse(amz_date, format)
        .map_err(|_| {
            incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{amz_date}'. \
                 See http://en.wikipedia.org/wiki/ISO_8601"
            ))
        })?
        .assume_utc();
    let now = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let shown = |time: OffsetDateTime| time.format(format).unwrap_or_default();
    let skew = Duration::minutes(5);
    if signed_at < now - skew {
        return Err(invalid(format!(
            "Signature expired: {amz_date} is now earlier than {} ({} - 5 min.)",
            shown(now - skew),
            shown(now)
        )));
    }
    if signed_at > now + skew {
        return Err(invalid(format!(
            "Signature not yet current: {amz_date} is still later than {} ({} + 5 min.)",
            shown(now + skew),
            shown(now)
        )));
    }
    Ok(())
}

/// The parts of an `Authorization` header.
struct Authorization<'a> {
    credential: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Result<Self, ServiceError> {
        let (algorithm, parameters) = header.split_once(' ').unwrap_or((header, ""));
        if algorithm != ALGORITHM {
            return Err(incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
        }
        let parameter = |name: &str| {
            parameters
                .split([',', ' '])
                .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
                .filter(|value| !value.is_empty())
                .ok_or_else(|| {
                    incomplete(format!("Authorization header requires '{name}' parameter."))
                })
        };
        Ok(Self {
            credential: parameter("Credential")?,
            signed_headers: parameter("SignedHeaders")?.split(';').collect(),
            signature: parameter("Signature")?,
        })
    }

    fn must_sign(&self, name: &str, shown: &str) -> Result<(), ServiceError> {
        if self.signed_headers.contains(&name) {
            return Ok(());
        }
        Err(invalid(format!("{shown} must be a 'SignedHeader' in the AWS Authorization.")))
    }

    /// The access key's id, once the rest of the credential names this service's scope.
    fn check_scope(&self, scope: &Scope<'_>, amz_date: &str) -> Result<&'a str, ServiceError> {
        let parts = self.credential.split('/').collect::<Vec<_>>();
        let [access_key_id, date, region, service, terminator] = parts[..] else {
            return Err(incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term",
            ));
        };
        if region != scope.region {
            return Err(invalid(format!(
                "Credential should be scoped to a valid Region, not '{region}'."
            )));
        }
        if service != scope.service {
            return Err(invalid(format!(
                "Credential should be scoped to correct service: '{}'.",
                scope.service
            )));
        }
        if terminator != TERMINATOR {
            return Err(invalid(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
            )));
        }
        if amz_date.get(..8) != Some(date) {
            return Err(invalid(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{date}' != '{}', from '{amz_date}'.",
                amz_date.get(..8).unwrap_or_default()
            )));
        }
        Ok(access_key_id)
    }
}

/// Step 1 of the specification.
fn canonical_request(request: &Signed<'_>, path: &str, signed_headers: &[&str]) -> String {
    let mut names = signed_headers.to_vec();
    names.sort_unstable();
    let headers = names.iter().fold(String::new(), |mut lines, name| {
        let values = request.headers.get_all(*name).iter().map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            value.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        lines.extend([name, ":", &values.collect::<Vec<_>>().join(","), "\n"]);
        lines
    });
    [
        request.method,
        path,
        &canonical_query(request.query),
        &headers,
        &names.join(";"),
        &hex::encode(Sha256::digest(request.body)),
    ]
    .join("\n")
}

/// The path without `.`, `..` and doubled slashes, encoded once more than it came: every service
/// but S3 encodes twice. S3 takes it as it came.
fn canonical_path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(encode(segment.as_bytes())),
        }
    }
    let slash = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{slash}", segments.join("/"))
}

/// The parameters encoded as AWS encodes, in the order of their names, then values.
fn canonical_query(query: &str) -> String {
    let mut parameters = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let [name, value] =
                [name, value].map(|part| encode(&percent_decode_str(part).collect::<Vec<u8>>()));
            (name, value)
        })
        .collect::<Vec<_>>();
    parameters.sort_unstable();
    let parameters = parameters.into_iter().map(|(name, value)| format!("{name}={value}"));
    parameters.collect::<Vec<_>>().join("&")
}

fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}

/// Steps 2 and 3.
fn string_to_sign(amz_date: &str, scope: &str, canonical_request: &str) -> String {
    let hash = hex::encode(Sha256::digest(canonical_request));
    [ALGORITHM, amz_date, scope, &hash].join("\n")
}

/// The key of step 4, derived through the parts of the scope.
fn signing_key(secret: &str, scope: &str) -> Vec<u8> {
    scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| {
        hmac(&key, part.as_bytes()).finalize().into_bytes().to_vec()
    })
}

fn hmac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    // A key of any length will do: longer ones are hashed, shorter ones filled up.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(message);
    mac
}

#[cfg(test)]
mod tests;
