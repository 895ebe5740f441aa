//! A service's endpoint in a region, by the AWS SDK's endpoint rules; `tests/endpoints.rs` holds
//! them against the SDK's own.

/// Each partition with its domain, and the domain of the endpoints that IPv6 reaches too.
const PARTITIONS: [(&str, &str, &str); 8] = [
    ("aws", "amazonaws.com", "api.aws"),
    ("aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
    ("aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
    ("aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("aws-us-gov", "amazonaws.com", "api.aws"),
];

/// Where something is in AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `aws`, `aws-cn`, `aws-us-gov` or another of AWS's.
    pub partition: String,
    /// For example `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Place {
    /// Where `arn:<partition>:<service>:<region>:<account>:<resource>` is, and the resource.
    pub fn of_arn<'a>(arn: &'a str, service: &str) -> Option<(Self, &'a str)> {
        let [scheme, partition, of, region, account, resource] =
            <[&str; 6]>::try_from(arn.splitn(6, ':').collect::<Vec<_>>()).ok()?;
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = scheme == "arn"
            && of == service
            && is_partition(partition)
            && region.contains('-')
            && region.bytes().all(lower)
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit());
        let [partition, region, account] = [partition, region, account].map(str::to_owned);
        fits.then_some((Self { partition, region, account }, resource))
    }
}

/// Which of a service's endpoints in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// The one with FIPS 140 validated cryptography.
    pub fips: bool,
    /// The one that IPv6 reaches too.
    pub dual_stack: bool,
}

/// Whether AWS has a partition of that name.
fn is_partition(name: &str) -> bool {
    PARTITIONS.iter().any(|(partition, ..)| *partition == name)
}

/// `https://<service>[-fips].<region>.<domain>`
pub fn endpoint(service: &str, place: &Place, variant: Variant) -> String {
    let known = PARTITIONS.iter().find(|(name, ..)| *name == place.partition);
    let (_, domain, dual_stack_domain) = known.unwrap_or(&PARTITIONS[0]);
    let domain = if variant.dual_stack { dual_stack_domain } else { domain };
    let fips = if variant.fips { "-fips" } else { "" };
    format!("https://{service}{fips}.{}.{domain}", place.region)
}

/// The region's Security Token Service.
pub fn sts(place: &Place, variant: Variant) -> String {
    endpoint("sts", place, usual_in_govcloud(place, variant))
}

/// The region's CloudWatch Logs.
pub fn logs(place: &Place, variant: Variant) -> String {
    endpoint("logs", place, usual_in_govcloud(place, variant))
}

/// The region's S3. Its dual-stack endpoints are in the usual domain.
pub fn s3(place: &Place, variant: Variant) -> String {
    let fips = if variant.fips { "-fips" } else { "" };
    let dual_stack = if variant.dual_stack { ".dualstack" } else { "" };
    endpoint(&format!("s3{fips}{dual_stack}"), place, Variant::default())
}

/// The partition of a region, by how its name begins.
pub fn partition_of(region: &str) -> &'static str {
    const BEGINNINGS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
    ];
    let known = BEGINNINGS.iter().find(|(beginning, _)| region.starts_with(beginning));
    known.map_or("aws", |(_, partition)| partition)
}

/// Of some services, the usual endpoint in GovCloud is the FIPS one.
fn usual_in_govcloud(place: &Place, variant: Variant) -> Variant {
    let usual_is_fips = place.partition == "aws-us-gov" && !variant.dual_stack;
    Variant { fips: variant.fips && !usual_is_fips, ..variant }
}
