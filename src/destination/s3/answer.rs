//! What the answers of PutObject mean.
//!
//! Sources: S3 API reference, PutObject and Error responses; S3 user guide, conditional writes.

use std::borrow::Cow;

use super::Bucket;
use crate::aws::{ErrorCode, credentials_remedy};
use crate::destination::refusal::Refusals;
use crate::destination::{Answer, Batch, Outcome};
use crate::ports::HttpResponse;

const NAME: &str = "S3";

/// What an answer means for the batch: all of it is there, or nothing is known of it.
pub fn read(bucket: &Bucket, batch: &Batch, response: &HttpResponse) -> Answer {
    let accepted = || Answer::Outcomes(batch.items.iter().map(|_| Outcome::Accepted).collect());
    let remedy = |error: &ErrorCode| remedy(bucket, error);
    let refusals = Refusals { name: NAME, splits: &[], remedy: &remedy };
    let status = response.status().as_u16();
    let error = ErrorCode::of(response);
    let may_pass = |throttled| {
        let words = format!("{NAME} answered {status} {} {}", error.code, error.message);
        Answer::MayPass { throttled, why: words.trim_end().to_owned() }
    };
    match (status, error.code.as_str()) {
        // S3 names the object that it wrote by a tag. An answer without one is somebody else's.
        (200, _) if response.headers().contains_key("etag") => accepted(),
        (200, _) => Answer::MayPass {
            throttled: false,
            why: format!("the answer of {NAME} has no ETag; a proxy on the way may have given it"),
        },
        (412, "PreconditionFailed") if batch.is_untried => Answer::Taken,
        (412, "PreconditionFailed") if batch.name.is_empty() => Answer::Stop(refusals.stop(error)),
        // It is there already: an earlier call arrived.
        (412, "PreconditionFailed") => accepted(),
        // Only a trial has no name. S3 has looked at the body.
        (_, "BadDigest") if batch.name.is_empty() => {
            let why = format!("{} {}", error.code, error.message);
            let refused = || Outcome::Refused(why.trim_end().to_owned());
            Answer::Outcomes(batch.items.iter().map(|_| refused()).collect())
        }
        (_, "SlowDown" | "RequestLimitExceeded") => may_pass(true),
        (
            _,
            "ConditionalRequestConflict"
            | "OperationAborted"
            | "RequestTimeout"
            | "InternalError"
            | "BadDigest"
            | "XAmzContentSHA256Mismatch"
            | "IncompleteBody",
        ) => may_pass(false),
        (_, "NotImplemented") => Answer::Stop(refusals.stop(error)),
        (413, _) | (_, "EntityTooLarge" | "MaxMessageLengthExceeded") => {
            let code = if error.code.is_empty() { "status 413" } else { "EntityTooLarge" };
            Answer::Stop(refusals.stop(ErrorCode { code: code.to_owned(), ..error }))
        }
        // What goes out under a name is never taken apart.
        _ => match refusals.read(response) {
            None | Some(Answer::Split(_)) => may_pass(false),
            Some(answer) => answer,
        },
    }
}

fn remedy(bucket: &Bucket, error: &ErrorCode) -> Cow<'static, str> {
    let Bucket { name, place, .. } = bucket;
    let (region, account) = (&place.region, &place.account);
    match error.code.as_str() {
        "AccessDenied" => format!(
            "allow the principal s3:PutObject on {}, and kms:GenerateDataKey where the bucket has a key of its own; if it \
             is allowed, check that account_id ({account}) owns the bucket, and what the bucket's policy denies",
            bucket.objects()
        )
        .into(),
        "NoSuchBucket" => {
            format!("check bucket and bucket_region: there is no bucket {name} in {region}").into()
        }
        "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "PermanentRedirect"
        | "TemporaryRedirect"
        | "status 301"
        | "status 307" => format!(
            "check bucket_region: the bucket {name} is not in {region}; if it was made within the last hours and is, wait"
        )
        .into(),
        "InvalidRequest" => {
            "check what the bucket asks of a PutObject in its policy and its Object Lock, and aws_endpoint_url_s3: what \
             answers there may not know If-None-Match or checksums"
                .into()
        }
        "PreconditionFailed" => format!(
            "nothing was tried: at the name of the trial, or at any, there is an object already; try again, and if it stays, \
             check aws_endpoint_url_s3, since a proxy on the way may answer 412 to everything, and who else may put objects \
             at {}",
            bucket.objects()
        )
        .into(),
        "NotImplemented" => {
            "check aws_endpoint_url_s3: what answers there does not know If-None-Match, which keeps repeats out".into()
        }
        "EntityTooLarge" | "status 413" => {
            "let the proxy on the way to S3 pass bodies of 8 MiB, or go around it".into()
        }
        code if code.starts_with("KMS.") => {
            "check the key of the bucket's encryption: it must be enabled, and its policy must let the principal use it"
                .into()
        }
        code => credentials_remedy(code)
            .unwrap_or(
                "check aws_endpoint_url_s3, bucket, bucket_region and the credentials; a proxy on the way may answer \
                 instead of AWS",
            )
            .into(),
    }
}
