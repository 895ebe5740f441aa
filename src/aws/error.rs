//! Errors of AWS's JSON protocols, and of those that answer in XML.

use serde::Deserialize;

use super::Xml;
use crate::ports::HttpResponse;
use crate::words::shown;

/// What an answer other than 200 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// AWS's code; empty where the answer is not AWS's.
    pub code: String,
    /// AWS's words.
    pub message: String,
}

impl ErrorCode {
    /// Reads `x-amzn-errortype` or the body's `__type`, without the name space before `#` and the address
    /// after `:`; or `Code` and `Message` of a body that is XML.
    pub fn of(response: &HttpResponse) -> Self {
        #[derive(Default, Deserialize)]
        struct Body {
            #[serde(rename = "__type", default)]
            kind: String,
            #[serde(default)]
            code: String,
            #[serde(default, alias = "Message")]
            message: String,
        }
        let mut body: Body = serde_json::from_slice(response.body()).unwrap_or_default();
        if response.body().trim_ascii_start().starts_with(b"<") {
            let document = Xml::of(response.body());
            let text = |name| document.text(name).unwrap_or_default().to_owned();
            (body.code, body.message) = (text("Code"), text("Message"));
        }
        let header = response.headers().get("x-amzn-errortype");
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let told = [header, &body.kind, &body.code].into_iter().find(|code| !code.is_empty());
        let code = told.and_then(|code| code.split(':').next()).unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        Self { code: shown(code), message: shown(&body.message) }
    }
}

/// Whether a code says that a signature is refused: for a wrong secret, or for a wrong clock.
pub fn is_of_signature(code: &str) -> bool {
    is_of_clock(code) || matches!(code, "InvalidSignatureException" | "SignatureDoesNotMatch")
}

/// Whether a code says that the request was signed at a wrong time.
fn is_of_clock(code: &str) -> bool {
    matches!(code, "RequestExpired" | "RequestTimeTooSkewed")
}

/// What to do about an error that is about the credentials or the signature, by any service's code for it.
pub fn credentials_remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        code if is_of_clock(code) => {
            "set this machine's clock right: AWS refuses requests that are signed five minutes off (compare with date -u)"
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            "check aws_secret_access_key (and aws_session_token): they do not belong to aws_access_key_id"
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidToken" => {
            "check aws_access_key_id and aws_session_token: AWS does not know these credentials"
        }
        "ExpiredTokenException" => {
            "renew aws_session_token and its two keys; if you set none of these, the credentials come from a role, and its \
             source (container endpoint, STS or EC2) handed out expired ones: check this machine's clock (date -u), and \
             that source"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_code_is_in_the_header_or_the_body() {
        for (header, body, code) in [
            ("One", r#"{"__type":"Two","code":"Three"}"#, "One"),
            ("", r#"{"__type":"Two","code":"Three"}"#, "Two"),
            ("", r#"{"code":"Three"}"#, "Three"),
            ("com.amazonaws#One:http://internal/", "", "One"),
            ("", "<html>", ""),
            ("", "<Error><Code>One</Code><Message>m</Message></Error>", "One"),
        ] {
            let response = http::Response::builder().status(403).header("x-amzn-errortype", header);
            let response = response.body(body.as_bytes().to_vec()).unwrap();
            assert_eq!(ErrorCode::of(&response).code, code);
        }
    }
}
