//! Signature Version 4, by AWS's own crate.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;

use super::Credentials;
use crate::ports::HttpRequest;

/// Why a request could not be signed; no value of a credential is in it.
#[derive(Debug)]
pub struct SignError(String);

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request could not be signed: {}", self.0)
    }
}

/// Adds `authorization`, `x-amz-date` and, with temporary credentials, `x-amz-security-token`.
///
/// All headers that `request` has are signed with it; its `host` header must be there.
pub fn sign(
    request: &mut HttpRequest,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now_ms: i64,
) -> Result<(), SignError> {
    let fault = |why: &dyn fmt::Display| SignError(why.to_string());
    let identity = aws_credential_types::Credentials::new(
        &credentials.access_key_id,
        credentials.secret_access_key.expose(),
        credentials.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        "kong-cloudtrail",
    )
    .into();
    let since_epoch = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::UNIX_EPOCH + since_epoch)
        .settings(settings(service))
        .build()
        .map_err(|error| fault(&error))?
        .into();
    let uri = request.uri().to_string();
    let headers: Vec<(&str, &str)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let signable = SignableRequest::new(
        request.method().as_str(),
        &uri,
        headers.into_iter(),
        SignableBody::Bytes(request.body()),
    )
    .map_err(|error| fault(&error))?;
    let (instructions, _) = aws_sigv4::http_request::sign(signable, &parameters)
        .map_err(|error| fault(&error))?
        .into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

/// S3 takes the path as it is sent, and wants the body's hash in a header.
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::terms::Secret;

    /// AWS's published example `get-vanilla` of the Signature Version 4 test suite.
    #[test]
    fn signs_as_the_published_example_says() {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        };
        let mut request = http::Request::get("https://example.amazonaws.com/")
            .header("host", "example.amazonaws.com")
            .body(Vec::new())
            .unwrap();
        // 2015-08-30T12:36:00Z
        sign(&mut request, &credentials, "us-east-1", "service", 1_440_938_160_000).unwrap();
        assert_eq!(
            request.headers()["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert_eq!(request.headers()["x-amz-date"], "20150830T123600Z");
    }
}
