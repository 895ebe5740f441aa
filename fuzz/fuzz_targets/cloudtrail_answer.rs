//! The bytes are CloudTrail's answers to the calls of one run, as [`answers`] reads them.

#![no_main]

use std::collections::HashSet;

use kong_cloudtrail::ports::HttpRequest;
use kong_cloudtrail_fuzz::answers::{self, Reading, success};
use kong_cloudtrail_fuzz::audit::{self, Channel};
use kong_cloudtrail_fuzz::world::Answer;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

const CLOUDTRAIL: Reading = Reading {
    variables: &[],
    events: |request| Some(audit::events(request)),
    maybe: |_, response| named_successful(success(response)),
    surely: |sent, response| {
        accepted(success(response)).into_iter().filter(|id| sent.contains(id)).collect()
    },
    accept,
};

fuzz_target!(|input: &[u8]| answers::check(input, &CLOUDTRAIL));

#[expect(clippy::unnecessary_wraps, reason = "an answer, as lost ones are")]
fn accept(request: &HttpRequest) -> Answer {
    Ok(Channel::default().accept(audit::events(request)))
}

/// The ids that an answer calls successful, whatever else it says of them.
fn named_successful(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        successful: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let body = serde_json::from_slice::<Body>(body).ok();
    body.into_iter().flat_map(|body| body.successful).map(|event| event.id).collect()
}

/// The ids that an answer as AWS documents it calls successful, and not failed.
fn accepted(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        failed: Vec<Failed>,
        successful: Vec<Successful>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code)]
    struct Failed {
        id: String,
        error_code: String,
        error_message: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code)]
    struct Successful {
        id: String,
        #[serde(rename = "eventID")]
        event_id: String,
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return Vec::new() };
    let failed: HashSet<&str> = body.failed.iter().map(|event| event.id.as_str()).collect();
    let successful = body.successful.iter().map(|event| event.id.clone());
    successful.filter(|id| !failed.contains(id.as_str())).collect()
}
