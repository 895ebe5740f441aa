//! What errors of AWS's JSON protocols mean, as far as all destinations share it.

use std::borrow::Cow;

use super::{Answer, Stop};
use crate::aws::{ErrorCode, is_of_signature};
use crate::ports::HttpResponse;
use crate::wire::encoding;

/// What is a destination's own in its errors.
pub(super) struct Refusals<'r> {
    /// The destination's name.
    pub name: &'static str,
    /// Codes of a request of which a part may be accepted.
    pub splits: &'r [&'static str],
    /// What to do about an error.
    pub remedy: &'r dyn Fn(&ErrorCode) -> Cow<'static, str>,
}

impl Refusals<'_> {
    /// A refusal that ends the run.
    pub fn stop(&self, error: ErrorCode) -> Stop {
        let remedy = (self.remedy)(&error);
        let ErrorCode { code, message } = error;
        Stop::Refused { name: self.name, code, message, remedy }
    }

    /// What an answer means for the batch whose body does not tell it: one with another status than 200, or with
    /// an encoding.
    pub fn read(&self, response: &HttpResponse) -> Option<Answer> {
        if response.status() != 200 {
            return Some(self.of_error(response));
        }
        let (name, encoding) = (self.name, encoding(response)?);
        let why = format!(
            "{name}'s answer came encoded ({encoding}), though none was asked for; a proxy on the way may have done it"
        );
        Some(Answer::MayPass { throttled: false, why })
    }

    fn of_error(&self, response: &HttpResponse) -> Answer {
        let status = response.status().as_u16();
        let error = ErrorCode::of(response);
        let ErrorCode { code, message } = &error;
        let why = || {
            let words = [code.as_str(), message].join(" ");
            format!("{} answered {status} {}", self.name, words.trim()).trim_end().to_owned()
        };
        let may_pass = |throttled| Answer::MayPass { throttled, why: why() };
        match code.as_str() {
            "ThrottlingException" | "Throttling" | "TooManyRequestsException" => may_pass(true),
            "InternalServerError"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "ServiceUnavailableException" => may_pass(false),
            "RequestEntityTooLargeException" => Answer::Split(why()),
            code if self.splits.contains(&code) => Answer::Split(why()),
            code if is_of_signature(code) => Answer::Signature(self.stop(error)),
            "ExpiredTokenException" | "ExpiredToken" => {
                let code = "ExpiredTokenException".to_owned();
                Answer::Expired(self.stop(ErrorCode { code, ..error }))
            }
            _ if status == 413 => Answer::Split(why()),
            _ if status == 429 => may_pass(true),
            _ if status == 408 || status >= 500 => may_pass(false),
            "ValidationException" | "SerializationException"
                if message.contains("large") || message.contains("length") =>
            {
                Answer::Split(why())
            }
            "" => {
                let code = format!("status {status}");
                Answer::Stop(self.stop(ErrorCode { code, ..error }))
            }
            _ => Answer::Stop(self.stop(error)),
        }
    }
}
