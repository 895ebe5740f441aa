//! The channel, and what its ARN says: partition, region, account, endpoint.

use crate::aws::{Place, Variant, endpoint};
use crate::variables::Reader;

/// A CloudTrail Lake channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// The whole ARN.
    pub arn: String,
    /// Where it is; its account is the events' `recipientAccountId`.
    pub place: Place,
}

impl Channel {
    /// Reads `arn:<partition>:cloudtrail:<region>:<account>:channel/<uuid>`.
    pub fn parse(arn: &str) -> Option<Self> {
        let (place, resource) = Place::of_arn(arn, "cloudtrail")?;
        let name = resource.strip_prefix("channel/")?;
        let fits = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/".contains(&b));
        fits.then(|| Self { arn: arn.to_owned(), place })
    }

    /// The region's CloudTrail Data endpoint.
    pub fn endpoint(&self, variant: Variant) -> String {
        endpoint("cloudtrail-data", &self.place, variant)
    }
}

/// Reads `channel_arn`.
pub fn read(reader: &mut Reader<'_>) -> Option<Channel> {
    const FORM: &str = "arn:aws:cloudtrail:<region>:<account>:channel/<uuid>";
    let Some(value) = reader.set("channel_arn") else {
        reader.mistake(format!(
            "channel_arn is not set: give the ARN of the CloudTrail Lake channel, {FORM}"
        ));
        return None;
    };
    let channel = Channel::parse(&value);
    if channel.is_none() {
        reader.mistake(format!(
            "channel_arn {value:?} is not the ARN of a CloudTrail channel, {FORM}"
        ));
    }
    channel
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Channel, Variant};

    #[test]
    fn an_arn_gives_region_account_and_endpoint_in_each_partition() {
        for (partition, region, endpoint) in [
            ("aws", "us-east-1", "https://cloudtrail-data.us-east-1.amazonaws.com"),
            ("aws-cn", "cn-north-1", "https://cloudtrail-data.cn-north-1.amazonaws.com.cn"),
            ("aws-us-gov", "us-gov-west-1", "https://cloudtrail-data.us-gov-west-1.amazonaws.com"),
        ] {
            let arn = format!("arn:{partition}:cloudtrail:{region}:123456789012:channel/0a-1b");
            let channel = Channel::parse(&arn).unwrap();
            assert_eq!(
                (channel.place.region.as_str(), channel.place.account.as_str()),
                (region, "123456789012")
            );
            assert_eq!(channel.endpoint(Variant::default()), endpoint);
        }
    }

    #[test]
    fn anything_else_is_no_channel() {
        for bad in [
            "",
            "arn:aws:cloudtrail:us-east-1:123456789012:trail/x",
            "arn:aws:cloudtrail:us-east-1:12345:channel/x",
            "arn:aws:cloudtrail::123456789012:channel/x",
            "arn:aws:s3:us-east-1:123456789012:channel/x",
            "arn:aws:cloudtrail:us-east-1:123456789012:channel/",
            "arn:aws-eu:cloudtrail:us-east-1:123456789012:channel/x",
            "arn:aws:cloudtrail:us-east-1:123456789012:channel/x:y",
            "arn:aws:cloudtrail:evil-example.com/:123456789012:channel/x",
            "arn:aws:cloudtrail:US-EAST-1:123456789012:channel/x",
            "urn:aws:cloudtrail:us-east-1:123456789012:channel/x",
            "arn:aws:cloudtrail:useast1:123456789012:channel/x",
            "arn:aws:cloudtrail:us-east-1:12345678901a:channel/x",
            "arn:aws:cloudtrail:us-east-1:123456789012:channel/x y",
        ] {
            assert_eq!(Channel::parse(bad), None, "{bad}");
        }
    }
}
