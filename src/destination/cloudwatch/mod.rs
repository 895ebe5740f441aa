//! CloudWatch Logs, by PutLogEvents.
//!
//! Its requests name no account: the caller's is meant. So STS must say first that the credentials are of the
//! account in `log_group_arn`.

mod answer;
mod request;
mod stream;

pub use stream::LogStream;

use super::caller::{Caller, sts_endpoint};
use crate::aws::Variant;
use crate::destination::{Answer, Batch, Item, Limits, Profile, Protocol, Stop};
use crate::ports::{HttpRequest, HttpResponse};
use crate::terms::Event;
use crate::variables::{AllowEntry, Reader};

/// A log stream, and the endpoint that takes its events.
#[derive(Clone, Debug, Default)]
pub struct CloudWatch {
    profile: Profile,
    stream: LogStream,
    caller: Caller,
}

impl CloudWatch {
    /// As `destination` names it.
    pub const WORD: &str = "cloudwatch";
    /// The variables that no other destination reads.
    pub const VARIABLES: [&str; 3] =
        ["log_group_arn", "log_stream", "aws_endpoint_url_cloudwatch_logs"];

    /// Reads `log_group_arn`, `log_stream`, `aws_endpoint_url_cloudwatch_logs` and `aws_endpoint_url_sts`; none
    /// where there is no group.
    pub fn read(
        reader: &mut Reader<'_>,
        variant: Variant,
        allow_outbound: Option<&AllowEntry>,
    ) -> Option<Self> {
        const EXAMPLE: &str = "for example https://logs.eu-west-1.amazonaws.com";
        const ENDPOINT: &str = "aws_endpoint_url_cloudwatch_logs";
        let stream = stream::read(reader);
        let derived = stream.as_ref().map(|stream| stream.endpoint(variant));
        let endpoint = reader.endpoint(ENDPOINT, EXAMPLE, derived, allow_outbound);
        let place = stream.as_ref().map(|stream| &stream.place);
        let sts = sts_endpoint(reader, place, variant, allow_outbound);
        let is_overridden = reader.set(ENDPOINT).is_some();
        Some(Self::new(stream?, endpoint, sts, is_overridden))
    }

    fn new(stream: LogStream, endpoint: String, sts: String, is_overridden: bool) -> Self {
        let arn = stream.arn();
        let target = if is_overridden { format!("{arn} at {endpoint}") } else { arn };
        Self {
            profile: Profile {
                word: Self::WORD,
                name: "CloudWatch Logs",
                service: "logs",
                target,
                target_variables: "log_group_arn, log_stream and aws_endpoint_url_cloudwatch_logs",
                place: stream.place.clone(),
                endpoint,
                endpoint_variable: "aws_endpoint_url_cloudwatch_logs",
                is_overridden,
                unreachable: "check the network path to the endpoint of CloudWatch Logs (a NAT gateway, or an interface \
                              endpoint named in aws_endpoint_url_cloudwatch_logs and allow_outbound)",
                flood: "check log_group_arn and log_stream, and whether a newer kong-cloudtrail is out",
                trial: "PutLogEvents with an event of 15 days ago, which must be refused for its age",
                trial_proves: "so the log stream and the right to put events are there",
                names: None,
                limits: Limits {
                    events: request::MAX_EVENTS,
                    bytes: request::MAX_BYTES,
                    envelope: 0,
                    distinct_ids: false,
                    at_once: None,
                },
            },
            caller: Caller::new(sts, stream.place.clone(), "log_group_arn", "log group"),
            stream,
        }
    }
}

impl Protocol for CloudWatch {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn size(&self, event: &Event) -> usize {
        request::size(event)
    }

    fn arrange(&self, batch: &mut Batch, now_ms: i64) -> Option<Batch> {
        request::arrange(batch, now_ms)
    }

    fn gate(&self) -> Option<&dyn Protocol> {
        Some(&self.caller)
    }

    fn request(&self, batch: &Batch, now_ms: i64) -> Result<HttpRequest, Stop> {
        self.post(request::body(&self.stream, batch, |item| request::timestamp(item, now_ms)))
    }

    fn trial(&self, batch: &Batch) -> Result<HttpRequest, Stop> {
        let own_time = |item: &Item| item.event.time.saturating_mul(1000);
        self.post(request::body(&self.stream, batch, own_time))
    }

    fn answer(&self, batch: &Batch, response: &HttpResponse) -> Answer {
        answer::read(&self.stream, batch, response)
    }
}

impl CloudWatch {
    fn post(&self, body: Vec<u8>) -> Result<HttpRequest, Stop> {
        let endpoint = &self.profile.endpoint;
        http::Request::post(format!("{endpoint}/"))
            .header("host", endpoint.split("://").last().unwrap_or_default())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "Logs_20140328.PutLogEvents")
            .body(body)
            .map_err(|error| Stop::Unsendable(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
