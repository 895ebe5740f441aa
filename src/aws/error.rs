//! Errors of AWS's JSON protocols.

use serde::Deserialize;

use crate::ports::HttpResponse;

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
    /// after `:`.
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
        let body: Body = serde_json::from_slice(response.body()).unwrap_or_default();
        let header = response.headers().get("x-amzn-errortype");
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let told = [header, &body.kind, &body.code].into_iter().find(|code| !code.is_empty());
        let code = told.and_then(|code| code.split(':').next()).unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        Self { code: shortened(code), message: shortened(&body.message) }
    }
}

/// Words from outside as they are printed and kept: all of what AWS is known to say, and of a proxy's page
/// enough.
pub fn shortened(words: &str) -> String {
    words.chars().take(300).collect()
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
        ] {
            let response = http::Response::builder().status(403).header("x-amzn-errortype", header);
            let response = response.body(body.as_bytes().to_vec()).unwrap();
            assert_eq!(ErrorCode::of(&response).code, code);
        }
    }

    #[test]
    fn words_from_outside_are_cut() {
        assert_eq!(shortened(&"é".repeat(500)).chars().count(), 300);
    }
}
