//! Who calls: the access key that signed a request, and `GetCallerIdentity`, by which STS tells it.
//!
//! Source: AWS STS API reference (version 2011-06-15): a signed form, answered in XML; the query protocol's
//! codes for what other protocols call by longer names.

use axum::response::{IntoResponse, Response};
use http::header;
use http::request::Parts;

use crate::cloudtrail::Credentials;
use crate::cloudtrail::error::ServiceError;
use crate::cloudtrail::sigv4::{SECURITY_TOKEN, Scope, Signed, verify};
use crate::credentials::sts;
use crate::issuer::Issuer;

/// The access key that signed a request: one of `keys`, or a temporary one that the issuer gave and that has not
/// ended.
pub(crate) fn authenticate(
    (head, body): (&Parts, &[u8]),
    scope: &Scope<'_>,
    mut keys: Vec<Credentials>,
    issuer: Option<&Issuer>,
) -> Result<String, ServiceError> {
    let signed = Signed {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        body,
    };
    let token = head.headers.get(&SECURITY_TOKEN).and_then(|value| value.to_str().ok());
    let temporary = token.and_then(|token| issuer?.recognize(token));
    let has_ended = temporary.as_ref().is_some_and(|temporary| temporary.expires <= scope.now);
    keys.extend(temporary.map(|temporary| temporary.credentials));
    let key = verify(&signed, scope, &keys)?;
    let is_temporary = key.session_token.as_deref() == token && token.is_some();
    if has_ended && is_temporary {
        return Err(ServiceError::usual("ExpiredTokenException"));
    }
    Ok(key.access_key_id.clone())
}

/// STS's answer to one whose key is of `account`.
pub(crate) fn identity(signed_by: Result<String, ServiceError>, account: &str) -> Response {
    let key = match signed_by {
        Ok(key) => key,
        Err(ServiceError { kind, message, .. }) => {
            let code = match kind.as_ref() {
                "InvalidSignatureException" => "SignatureDoesNotMatch",
                "UnrecognizedClientException" => "InvalidClientTokenId",
                kind => kind.trim_end_matches("Exception"),
            };
            return sts::error(code, &message);
        }
    };
    let (namespace, request_id) = (sts::NAMESPACE, sts::REQUEST_ID);
    let xml = format!(
        r#"<GetCallerIdentityResponse xmlns="{namespace}">
  <GetCallerIdentityResult>
    <Arn>arn:aws:iam::{account}:user/{key}</Arn>
    <UserId>{key}</UserId>
    <Account>{account}</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>
</GetCallerIdentityResponse>
"#
    );
    ([(header::CONTENT_TYPE, "text/xml")], xml).into_response()
}
