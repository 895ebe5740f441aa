//! CloudTrail Lake, by PutAuditEvents of CloudTrail Data.

mod answer;
mod channel;
mod request;

pub use channel::Channel;

use crate::aws::Variant;
use crate::destination::{Answer, Batch, Limits, Profile, Protocol, Stop};
use crate::ports::{HttpRequest, HttpResponse};
use crate::terms::Event;
use crate::variables::{AllowEntry, Reader};

/// A channel of CloudTrail Lake, and the endpoint that takes its events.
#[derive(Clone, Debug, Default)]
pub struct CloudTrail {
    profile: Profile,
    url: String,
}

impl CloudTrail {
    /// As `destination` names it.
    pub const WORD: &str = "cloudtrail";
    /// The variables that no other destination reads.
    pub const VARIABLES: [&str; 3] = ["channel_arn", "external_id", "cloudtrail_endpoint"];

    /// Reads `channel_arn`, `external_id` and `cloudtrail_endpoint`; none where there is no channel.
    pub fn read(
        reader: &mut Reader<'_>,
        variant: Variant,
        allow_outbound: Option<&AllowEntry>,
    ) -> Option<Self> {
        const EXAMPLE: &str = "for example https://cloudtrail-data.eu-west-1.amazonaws.com";
        let channel = channel::read(reader);
        let external_id = external_id(reader);
        let derived = channel.as_ref().map(|channel| channel.endpoint(variant));
        let endpoint = reader.endpoint("cloudtrail_endpoint", EXAMPLE, derived, allow_outbound);
        let is_overridden = reader.set("cloudtrail_endpoint").is_some();
        Some(Self::new(channel?, endpoint, external_id.as_deref(), is_overridden))
    }

    fn new(
        channel: Channel,
        endpoint: String,
        external_id: Option<&str>,
        is_overridden: bool,
    ) -> Self {
        let Channel { arn, place } = channel;
        let target = if is_overridden { format!("{arn} at {endpoint}") } else { arn.clone() };
        Self {
            url: request::url(&endpoint, &arn, external_id),
            profile: Profile {
                word: Self::WORD,
                name: "CloudTrail",
                service: "cloudtrail-data",
                target,
                target_variables: "channel_arn and cloudtrail_endpoint",
                place,
                endpoint,
                endpoint_variable: "cloudtrail_endpoint",
                is_overridden,
                unreachable: "check the network path to the CloudTrail Data endpoint (a NAT gateway, or an interface \
                              endpoint named in cloudtrail_endpoint and allow_outbound)",
                flood: "check channel_arn and event_source, and whether a newer kong-cloudtrail is out",
                trial: "PutAuditEvents with an event that is empty and has a wrong checksum, which must be refused",
                // AWS documents no order in which it looks at rights and content.
                trial_proves: "so the right to put events is likely there",
                names: None,
                limits: Limits {
                    events: request::MAX_EVENTS,
                    bytes: request::MAX_BODY,
                    envelope: request::ENVELOPE,
                    distinct_ids: true,
                    at_once: None,
                },
            },
        }
    }
}

fn external_id(reader: &mut Reader<'_>) -> Option<String> {
    let id = reader.set("external_id")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    if !(2..=1224).contains(&id.len()) || !id.chars().all(allowed) {
        reader.mistake(
            "external_id must be 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / -",
        );
    }
    Some(id)
}

impl Protocol for CloudTrail {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn size(&self, event: &Event) -> usize {
        request::size(event)
    }

    fn request(&self, batch: &Batch, _: i64) -> Result<HttpRequest, Stop> {
        self.post(request::body(batch))
    }

    fn trial(&self, batch: &Batch) -> Result<HttpRequest, Stop> {
        self.post(request::body_with(batch, |_| Default::default()))
    }

    fn answer(&self, batch: &Batch, response: &HttpResponse) -> Answer {
        answer::read(batch, response)
    }
}

impl CloudTrail {
    fn post(&self, body: Vec<u8>) -> Result<HttpRequest, Stop> {
        let host = self.profile.endpoint.split("://").last().unwrap_or_default();
        http::Request::post(&self.url)
            .header("host", host)
            .header("content-type", "application/json")
            .body(body)
            .map_err(|error| Stop::Unsendable(error.to_string()))
    }
}
