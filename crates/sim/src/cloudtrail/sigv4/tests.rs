//! AWS's own test vectors: the cases of its Signature Version 4 test suite that a request on the
//! wire can bring, with the signatures that AWS publishes for them.
#![allow(clippy::unwrap_used)]

use http::HeaderValue;

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SCOPE: &str = "20150830/us-east-1/service/aws4_request";
const SIGNED_AT: &str = "20150830T123600Z";
/// 2015-08-30T12:36:00Z
const NOW: i64 = 1_440_938_160;
const STS_TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

struct Case {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    query: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    signature: &'static str,
}

const GET: Case = Case {
    name: "get-vanilla",
    method: "GET",
    path: "/",
    query: "",
    headers: &[],
    body: "",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
};

const FORM_HASH: &str = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";

const CASES: [Case; 11] = [
    GET,
    Case {
        name: "get-vanilla-query-order-key-case",
        query: "Param2=value2&Param1=value1",
        signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ..GET
    },
    Case {
        name: "get-vanilla-query-order-encoded",
        query: "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
        signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ..GET
    },
    Case {
        name: "get-vanilla-query-unreserved",
        query: "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ..GET
    },
    Case {
        name: "get-vanilla-utf8-query",
        query: "%E1%88%B4=bar",
        signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ..GET
    },
    Case {
        name: "get-header-key-duplicate",
        headers: &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
        signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ..GET
    },
    Case {
        name: "get-header-value-trim",
        headers: &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
        signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ..GET
    },
    Case { name: "get-slash-dot-slash-normalized", path: "/./", ..GET },
    Case {
        name: "post-vanilla-query",
        method: "POST",
        query: "Param1=value1",
        signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ..GET
    },
    Case {
        name: "post-x-www-form-urlencoded",
        method: "POST",
        headers: &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", "13"),
            ("x-amz-content-sha256", FORM_HASH),
        ],
        body: "Param1=value1",
        signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
        ..GET
    },
    Case {
        name: "post-sts-header-before",
        method: "POST",
        headers: &[("x-amz-security-token", STS_TOKEN)],
        signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ..GET
    },
];

impl Case {
    fn headers(&self) -> HeaderMap {
        let given = [("host", "example.amazonaws.com"), ("x-amz-date", SIGNED_AT)];
        let mut headers = HeaderMap::new();
        for (name, value) in given.iter().chain(self.headers) {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let mut names = headers.keys().map(HeaderName::as_str).collect::<Vec<_>>();
        names.sort_unstable();
        let authorization = format!(
            "{ALGORITHM} Credential=AKIDEXAMPLE/{SCOPE}, SignedHeaders={}, Signature={}",
            names.join(";"),
            self.signature
        );
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        headers
    }

    fn verify(&self, headers: &HeaderMap, now: i64) -> Result<(), ServiceError> {
        let token = headers.get(SECURITY_TOKEN).map(|token| token.to_str().unwrap().to_owned());
        let key = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: SECRET.to_owned(),
            session_token: token,
        };
        let Self { method, path, query, body, .. } = *self;
        let signed = Signed { method, path, query, headers, body: body.as_bytes() };
        let scope = Scope { region: "us-east-1", service: "service", now };
        verify(&signed, &scope, &[key]).map(drop)
    }
}

/// The type and message with which a change to the simplest case is refused.
fn refusal(change: impl FnOnce(&mut HeaderMap), now: i64) -> (String, String) {
    let mut headers = GET.headers();
    change(&mut headers);
    let error = GET.verify(&headers, now).unwrap_err();
    (error.kind.into_owned(), error.message)
}

fn authorization(from: &str, to: &str) -> impl FnOnce(&mut HeaderMap) {
    move |headers| {
        let header = headers[header::AUTHORIZATION].to_str().unwrap();
        assert!(header.contains(from), "{from} is not in {header}");
        let changed = header.replace(from, to);
        headers.insert(header::AUTHORIZATION, changed.parse().unwrap());
    }
}

#[test]
fn the_signatures_that_aws_publishes_are_accepted() {
    for case in CASES {
        assert_eq!(case.verify(&case.headers(), NOW), Ok(()), "{}", case.name);
    }
}

#[test]
fn the_canonical_request_of_a_published_case_is_aws_s() {
    let case = &CASES[1];
    let headers = case.headers();
    let Case { method, path, query, .. } = *case;
    let signed = Signed { method, path, query, headers: &headers, body: b"" };
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(
        canonical_request(&signed, &canonical_path(signed.path), &["host", "x-amz-date"]),
        format!(
            "GET\n/\nParam1=value1&Param2=value2\nhost:example.amazonaws.com\n\
             x-amz-date:20150830T123600Z\n\nhost;x-amz-date\n{empty}"
        )
    );
}

#[test]
fn a_path_is_encoded_once_more_than_it_came_and_normalized() {
    assert_eq!(canonical_path("/example%20space/"), "/example%2520space/");
    assert_eq!(canonical_path("//a/./b/../c"), "/a/c");
    assert_eq!(canonical_path("/../"), "/");
}

#[test]
fn whatever_is_signed_cannot_be_changed() {
    let mismatch = "The request signature we calculated does not match the signature you provided. \
                    Check your AWS Secret Access Key and signing method. Consult the service \
                    documentation for details.";
    for case in CASES {
        let mut changed = Case { body: "another", ..case };
        assert_eq!(changed.verify(&changed.headers(), NOW).unwrap_err().message, mismatch);
        changed = Case { query: "another=1", ..case };
        assert_eq!(changed.verify(&changed.headers(), NOW).unwrap_err().message, mismatch);
        changed = Case { method: "PUT", ..case };
        assert_eq!(changed.verify(&changed.headers(), NOW).unwrap_err().message, mismatch);
    }
    let other_host = refusal(
        |headers| drop(headers.insert("host", HeaderValue::from_static("elsewhere.example.com"))),
        NOW,
    );
    assert_eq!(other_host, ("InvalidSignatureException".to_owned(), mismatch.to_owned()));
    let no_hex = refusal(authorization(GET.signature, "zz"), NOW);
    assert_eq!(no_hex.1, mismatch);
}

#[test]
fn a_date_more_than_five_minutes_off_is_refused_with_both_times() {
    for (now, message) in [
        (
            NOW + 301,
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
             (20150830T124101Z - 5 min.)",
        ),
        (
            NOW - 301,
            "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z \
             (20150830T123059Z + 5 min.)",
        ),
    ] {
        let expected = ("InvalidSignatureException".to_owned(), message.to_owned());
        assert_eq!(refusal(|_| {}, now), expected);
    }
    assert_eq!(GET.verify(&GET.headers(), NOW + 300), Ok(()));
    assert_eq!(GET.verify(&GET.headers(), NOW - 300), Ok(()));
}

#[test]
fn what_must_be_signed_and_is_not_is_refused() {
    for (change, names) in [
        (authorization("SignedHeaders=host;", "SignedHeaders="), "'Host' or ':authority'"),
        (authorization(";x-amz-date", ""), "'X-Amz-Date'"),
    ] {
        let (kind, message) = refusal(change, NOW);
        assert_eq!(kind, "InvalidSignatureException");
        assert_eq!(message, format!("{names} must be a 'SignedHeader' in the AWS Authorization."));
    }
    let token = refusal(
        |headers| drop(headers.insert(SECURITY_TOKEN, HeaderValue::from_static("token"))),
        NOW,
    );
    assert!(token.1.starts_with("'X-Amz-Security-Token'"), "{token:?}");
}

#[test]
fn a_scope_that_is_not_the_service_s_is_refused() {
    for (from, to, message) in [
        ("us-east-1", "eu-west-1", "scoped to a valid Region, not 'eu-west-1'"),
        ("/service/", "/cloudtrail/", "scoped to correct service: 'service'"),
        ("aws4_request", "aws4", "valid terminator: 'aws4_request', not 'aws4'"),
        ("AKIDEXAMPLE/20150830", "AKIDEXAMPLE/20150831", "Date in Credential scope does not match"),
    ] {
        let (kind, refused) = refusal(authorization(from, to), NOW);
        assert_eq!(kind, "InvalidSignatureException", "{to}");
        assert!(refused.contains(message), "{refused}");
    }
}

#[test]
fn a_key_or_a_token_that_is_unknown_is_unrecognized() {
    let unknown = "The security token included in the request is invalid.";
    let key = refusal(authorization("AKIDEXAMPLE", "AKIDANOTHER"), NOW);
    assert_eq!(key, ("UnrecognizedClientException".to_owned(), unknown.to_owned()));

    let case = &CASES[10];
    let mut headers = case.headers();
    let keys = [Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: Some("another".to_owned()),
    }];
    let scope = Scope { region: "us-east-1", service: "service", now: NOW };
    let Case { method, path, query, .. } = *case;
    let signed = Signed { method, path, query, headers: &headers, body: b"" };
    let wrong_token = verify(&signed, &scope, &keys).map(drop).unwrap_err();
    assert_eq!(wrong_token.kind, "UnrecognizedClientException");

    headers = GET.headers();
    let signed = Signed { method: "GET", path, query, headers: &headers, body: b"" };
    let no_token = verify(&signed, &scope, &keys).map(drop).unwrap_err();
    assert_eq!(no_token.kind, "UnrecognizedClientException");
}

#[test]
fn an_authorization_that_is_missing_or_incomplete_says_what_it_lacks() {
    let missing = refusal(|headers| drop(headers.remove(header::AUTHORIZATION)), NOW);
    assert_eq!(missing.0, "MissingAuthenticationTokenException");
    for (from, to, message) in [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'."),
        ("Credential=", "Key=", "Authorization header requires 'Credential' parameter."),
        ("SignedHeaders=", "Headers=", "Authorization header requires 'SignedHeaders' parameter."),
        ("Signature=", "Sig=", "Authorization header requires 'Signature' parameter."),
        ("/service/", "/", "Credential must have exactly 5 slash-delimited elements"),
    ] {
        let (kind, refused) = refusal(authorization(from, to), NOW);
        assert_eq!(kind, "IncompleteSignatureException", "{to}");
        assert!(refused.contains(message), "{refused}");
    }
    let undated = refusal(|headers| drop(headers.remove(AMZ_DATE)), NOW);
    assert_eq!(undated.0, "IncompleteSignatureException");
    let garbled =
        refusal(|headers| drop(headers.insert(AMZ_DATE, HeaderValue::from_static("today"))), NOW);
    assert!(garbled.1.contains("'today'"), "{garbled:?}");
}
