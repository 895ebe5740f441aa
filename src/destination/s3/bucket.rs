//! The bucket, and where it is.

use crate::aws::{Place, Variant, partition_of, s3};
use crate::variables::Reader;

/// A bucket, and where in it objects go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What the names of all objects begin with.
    pub prefix: String,
    /// Where it is, and whose.
    pub place: Place,
    /// Its name stands in the path of a request, and not in the host's name.
    pub in_path: bool,
}

impl Bucket {
    /// The endpoint for its requests.
    pub fn endpoint(&self, variant: Variant) -> String {
        let service = s3(&self.place, variant);
        match service.split_once("://") {
            Some((scheme, host)) if !self.in_path => format!("{scheme}://{}.{host}", self.name),
            _ => service,
        }
    }

    /// All that goes into it.
    pub fn objects(&self) -> String {
        format!("{}/{}/*", self.name, self.prefix)
    }
}

/// Reads `bucket`, `bucket_region`, `bucket_prefix` and `account_id`.
pub fn read(reader: &mut Reader<'_>) -> Option<Bucket> {
    let name = checked(
        reader,
        "bucket",
        is_bucket,
        "the name of a bucket of S3: 3 to 63 lower-case letters, digits, hyphens and dots",
    );
    let region =
        checked(reader, "bucket_region", is_region, "the bucket's region, for example eu-west-1");
    let account = checked(
        reader,
        "account_id",
        is_account,
        "the account that owns the bucket, twelve digits",
    );
    let prefix = checked(
        reader,
        "bucket_prefix",
        is_prefix,
        "at most 512 letters, digits and _ . - in parts between single slashes",
    );
    let (name, region, account, prefix) = (name?, region?, account?, prefix?);
    let partition = partition_of(&region).to_owned();
    // A certificate of S3 covers one level below it.
    let in_path = name.contains('.');
    Some(Bucket { name, prefix, place: Place { partition, region, account }, in_path })
}

fn checked(
    reader: &mut Reader<'_>,
    variable: &str,
    fits: impl Fn(&str) -> bool,
    form: &str,
) -> Option<String> {
    let Some(value) = reader.set(variable) else {
        reader.mistake(format!("{variable} is not set: give {form}"));
        return None;
    };
    if !fits(&value) {
        reader.mistake(format!("{variable} {value:?} must be {form}"));
        return None;
    }
    Some(value)
}

/// S3 user guide, rules for bucket naming.
fn is_bucket(name: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = [name.bytes().next(), name.bytes().next_back()];
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| alphanumeric(b) || b == b'-' || b == b'.')
        && ends.into_iter().flatten().all(alphanumeric)
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

fn is_region(region: &str) -> bool {
    region.contains('-')
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_account(account: &str) -> bool {
    account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
}

fn is_prefix(prefix: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(allowed);
    prefix.len() <= 512 && prefix.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The bucket of these variables, or the mistakes.
    fn read_from(variables: &[(&str, &str)]) -> Result<Bucket, String> {
        let all = [
            ("bucket", "kong-trail"),
            ("bucket_region", "eu-west-1"),
            ("account_id", "123456789012"),
        ];
        let lookup = |name: &str| {
            let found = variables.iter().chain(&all).find(|(known, _)| *known == name);
            Ok(found.map(|(_, value)| (*value).to_owned()))
        };
        let mut reader = Reader::new(&lookup);
        let bucket = read(&mut reader);
        reader.finish(()).map(|()| bucket.unwrap()).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn a_region_gives_the_partition_and_the_endpoint() {
        for (region, partition, endpoint) in [
            ("eu-west-1", "aws", "https://kong-trail.s3.eu-west-1.amazonaws.com"),
            ("cn-north-1", "aws-cn", "https://kong-trail.s3.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "https://kong-trail.s3.us-gov-west-1.amazonaws.com"),
            ("eusc-de-east-1", "aws-eusc", "https://kong-trail.s3.eusc-de-east-1.amazonaws.eu"),
        ] {
            let bucket = read_from(&[("bucket_region", region)]).unwrap();
            assert_eq!(bucket.place.partition, partition);
            assert_eq!(bucket.endpoint(Variant::default()), endpoint);
            assert_eq!(bucket.objects(), "kong-trail/kong-audit/*");
        }
        let bucket = read_from(&[]).unwrap();
        let both = Variant { fips: true, dual_stack: true };
        assert_eq!(
            bucket.endpoint(both),
            "https://kong-trail.s3-fips.dualstack.eu-west-1.amazonaws.com"
        );
    }

    #[test]
    fn a_bucket_with_dots_is_named_in_the_path() {
        let bucket = read_from(&[("bucket", "kong.trail")]).unwrap();
        assert_eq!(bucket.endpoint(Variant::default()), "https://s3.eu-west-1.amazonaws.com");
        assert!(bucket.in_path);
    }

    #[test]
    fn what_is_none_is_told() {
        for (variable, bad) in [
            ("bucket", "ab"),
            ("bucket", "Kong"),
            ("bucket", "-kong"),
            ("bucket", "kong-"),
            ("bucket", "a..b"),
            ("bucket", "10.0.0.1"),
            ("bucket", "arn:aws:s3:::kong"),
            ("bucket_region", "Ireland"),
            ("bucket_region", "eu west"),
            ("account_id", "12345"),
            ("account_id", "12345678901a"),
            ("bucket_prefix", "/a"),
            ("bucket_prefix", "a/"),
            ("bucket_prefix", "a//b"),
            ("bucket_prefix", "a/../b"),
            ("bucket_prefix", "a b"),
            ("bucket_prefix", "a=b"),
        ] {
            let told = read_from(&[(variable, bad)]).unwrap_err();
            assert!(told.starts_with(variable) && told.contains(bad), "{told}");
        }
        for variable in ["bucket", "bucket_region", "account_id"] {
            let told = read_from(&[(variable, "")]).unwrap_err();
            assert!(told.starts_with(&format!("{variable} is not set")), "{told}");
        }
        assert_eq!(read_from(&[("bucket_prefix", "a/b_c.d-e")]).unwrap().prefix, "a/b_c.d-e");
    }
}
