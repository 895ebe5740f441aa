//! S3, by PutObject: an object of compressed lines a batch.
//!
//! An object is written only where there is none of its name. So a batch that is sent again under its name is not
//! there twice, and delivery has the ledger store the name before the first call.

mod answer;
mod bucket;

pub use bucket::Bucket;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::aws::Variant;
use crate::destination::{
    Answer, Batch, Item, Limits, Packer, Profile, Protocol, Stop, line_bytes, place,
};
use crate::ports::{HttpRequest, HttpResponse};
use crate::terms::Event;
use crate::variables::{AllowEntry, Reader};
use crate::wire::rfc3339;

/// Most events of an object, so that the ledger can store their fingerprints in one value.
const MAX_EVENTS: usize = 10_000;
/// Most bytes of an object before compression.
const MAX_BYTES: usize = 8 << 20;
/// Most objects under way at once.
const AT_ONCE: usize = 4;

/// A bucket, and the endpoint that takes its objects.
#[derive(Clone, Debug, Default)]
pub struct S3 {
    profile: Profile,
    bucket: Bucket,
}

impl S3 {
    /// As `destination` names it.
    pub const WORD: &str = "s3";
    /// The variables that no other destination reads.
    pub const VARIABLES: [&str; 5] =
        ["bucket", "bucket_region", "bucket_prefix", "account_id", "aws_endpoint_url_s3"];

    /// Reads `bucket`, `bucket_region`, `bucket_prefix`, `account_id`, `aws_endpoint_url_s3` and `ledger`; none
    /// where they do not name a bucket.
    pub fn read(
        reader: &mut Reader<'_>,
        variant: Variant,
        allow_outbound: Option<&AllowEntry>,
    ) -> Option<Self> {
        const EXAMPLE: &str = "for example https://s3.eu-west-1.amazonaws.com";
        const ENDPOINT: &str = "aws_endpoint_url_s3";
        let bucket = bucket::read(reader);
        let is_overridden = reader.set(ENDPOINT).is_some();
        let derived = bucket.as_ref().map(|bucket| bucket.endpoint(variant));
        let endpoint = reader.endpoint(ENDPOINT, EXAMPLE, derived, allow_outbound);
        let ledger = reader.set("ledger").unwrap_or_default();
        Some(Self::new(bucket?, &ledger, endpoint, is_overridden))
    }

    fn new(mut bucket: Bucket, ledger: &str, endpoint: String, is_overridden: bool) -> Self {
        bucket.in_path |= is_overridden;
        let uri = format!("s3://{}/{}", bucket.name, bucket.prefix);
        let target = if is_overridden { format!("{uri} at {endpoint}") } else { uri };
        let names = format!("{}/{ledger}/", bucket.prefix);
        Self {
            profile: Profile {
                word: Self::WORD,
                name: "S3",
                service: "s3",
                target,
                target_variables: "bucket, bucket_prefix and aws_endpoint_url_s3",
                place: bucket.place.clone(),
                endpoint,
                endpoint_variable: "aws_endpoint_url_s3",
                is_overridden,
                unreachable: "check the network path to S3 (a gateway endpoint, a NAT gateway, or an interface endpoint \
                              named in aws_endpoint_url_s3 and allow_outbound), and bucket and bucket_region",
                flood: "check bucket and bucket_prefix, and whether a newer kong-cloudtrail is out",
                trial: "PutObject with a checksum that is not its body's, which must be refused",
                // AWS documents no order in which it looks at rights and content.
                trial_proves: "so the bucket is there and its owner's, and the right to put objects likely; the right to use \
                               a key of the bucket's encryption is not tried",
                names: Some(names),
                limits: Limits {
                    events: MAX_EVENTS,
                    bytes: MAX_BYTES,
                    envelope: 0,
                    distinct_ids: false,
                    at_once: Some(AT_ONCE),
                },
            },
            bucket,
        }
    }
}

impl Protocol for S3 {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn size(&self, event: &Event) -> usize {
        line_bytes(event) + 1
    }

    /// `<bucket_prefix>/<ledger>/stream=<stream>/date=<day>`, the day being the event's in UTC.
    fn folder(&self, item: &Item) -> String {
        let names = self.profile.names.as_deref().unwrap_or_default();
        let day: String = rfc3339(item.event.time).chars().take(10).collect();
        format!("{names}stream={}/date={day}", item.stream.name())
    }

    fn name(&self, batch: &Batch, now_ms: i64, random: u128) -> String {
        let folder = batch.items.first().map(|item| self.folder(item)).unwrap_or_default();
        let time = rfc3339(now_ms.div_euclid(1000)).replace(['-', ':'], "");
        format!("{folder}/{time}-{random:032x}.ndjson.gz")
    }

    fn request(&self, batch: &Batch, _: i64) -> Result<HttpRequest, Stop> {
        let body = body(batch);
        let digest = Sha256::digest(&body);
        self.put(&batch.name, body, digest)
    }

    /// Under a name that no batch has, and that is another one each second: should it be taken, the next is not.
    fn trial(&self, batch: &Batch) -> Result<HttpRequest, Stop> {
        let names = self.profile.names.as_deref().unwrap_or_default();
        let time = batch.items.first().map_or(0, |item| item.event.time);
        let name = format!("{names}check-{time}");
        self.put(&name, body(batch), Sha256::digest(b"another body"))
    }

    /// S3 names the object in some of its errors. The random part of its name is left out of them.
    fn answer(&self, batch: &Batch, response: &HttpResponse) -> Answer {
        let random = batch.name.strip_prefix(place(&batch.name)).unwrap_or_default();
        let random = random.split('.').next().unwrap_or_default();
        let text = String::from_utf8_lossy(response.body());
        if random.is_empty() || !text.contains(random) {
            return answer::read(&self.bucket, batch, response);
        }
        let body = text.replace(random, "-…").into_bytes();
        answer::read(&self.bucket, batch, &response.clone().map(|_| body))
    }
}

impl S3 {
    /// A request that writes an object of that name, with that checksum.
    fn put(
        &self,
        name: &str,
        body: Vec<u8>,
        digest: impl AsRef<[u8]>,
    ) -> Result<HttpRequest, Stop> {
        let endpoint = &self.profile.endpoint;
        // The path is sent as it is signed.
        let path = name.replace('=', "%3D");
        let path = if self.bucket.in_path { format!("{}/{path}", self.bucket.name) } else { path };
        http::Request::put(format!("{endpoint}/{path}"))
            .header("host", endpoint.split("://").last().unwrap_or_default())
            .header("content-type", "application/gzip")
            .header("if-none-match", "*")
            .header("x-amz-checksum-sha256", STANDARD.encode(digest))
            .header("x-amz-sdk-checksum-algorithm", "SHA256")
            .header("x-amz-expected-bucket-owner", &self.bucket.place.account)
            .body(body)
            .map_err(|error| Stop::Unsendable(error.to_string()))
    }
}

/// The batch's lines, compressed.
fn body(batch: &Batch) -> Vec<u8> {
    if !batch.packed.is_empty() {
        return batch.packed.clone();
    }
    let mut packer = Packer::default();
    batch.items.iter().for_each(|item| packer.push(&item.event));
    packer.finish()
}

#[cfg(test)]
mod tests;
