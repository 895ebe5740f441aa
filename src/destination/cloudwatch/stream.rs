//! The log stream, and what its group's ARN says: partition, region, account, endpoint.

use crate::aws::{Place, Variant, logs};
use crate::variables::Reader;

/// A log stream of CloudWatch Logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogStream {
    /// The log group's name.
    pub group: String,
    /// The stream's name.
    pub name: String,
    /// Where they are.
    pub place: Place,
}

impl LogStream {
    /// Reads `arn:<partition>:logs:<region>:<account>:log-group:<group>`, with or without `:*` behind it.
    pub fn parse(group_arn: &str, name: &str) -> Option<Self> {
        let (place, resource) = Place::of_arn(group_arn, "logs")?;
        let group = resource.strip_prefix("log-group:")?;
        let group = group.strip_suffix(":*").unwrap_or(group);
        // CreateLogGroup and CreateLogStream, API reference.
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_/#".contains(&b);
        let fits = (1..=512).contains(&group.len()) && group.bytes().all(allowed);
        let (group, name) = (group.to_owned(), name.to_owned());
        (fits && is_stream_name(&name)).then_some(Self { group, name, place })
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        let Self { group, name, place: Place { partition, region, account } } = self;
        format!("arn:{partition}:logs:{region}:{account}:log-group:{group}:log-stream:{name}")
    }

    /// The region's endpoint of CloudWatch Logs.
    pub fn endpoint(&self, variant: Variant) -> String {
        logs(&self.place, variant)
    }

    /// The AWS CLI's command that makes the group.
    pub fn make_group(&self) -> String {
        let Self { group, place, .. } = self;
        format!("aws logs create-log-group --region {} --log-group-name '{group}'", place.region)
    }

    /// The AWS CLI's command that makes the stream.
    pub fn make_stream(&self) -> String {
        let Self { group, name, place } = self;
        let name = name.replace('\'', r"'\''");
        format!(
            "aws logs create-log-stream --region {} --log-group-name '{group}' --log-stream-name '{name}'",
            place.region
        )
    }
}

fn is_stream_name(name: &str) -> bool {
    (1..=512).contains(&name.chars().count())
        && !name.contains([':', '*'])
        && !name.chars().any(char::is_control)
}

/// Reads `log_group_arn` and `log_stream`.
pub fn read(reader: &mut Reader<'_>) -> Option<LogStream> {
    const FORM: &str = "arn:aws:logs:<region>:<account>:log-group:<name>";
    let name = reader.set("log_stream").unwrap_or_default();
    let named_well = is_stream_name(&name);
    if !named_well {
        reader.mistake(format!(
            "log_stream {name:?} must be 1 to 512 characters without : and * and without control characters"
        ));
    }
    let Some(value) = reader.set("log_group_arn") else {
        reader.mistake(format!(
            "log_group_arn is not set: give the ARN of the log group of CloudWatch Logs, {FORM}"
        ));
        return None;
    };
    let stream = LogStream::parse(&value, &name);
    if named_well && stream.is_none() {
        reader.mistake(format!(
            "log_group_arn {value:?} is not the ARN of a log group of CloudWatch Logs, {FORM}"
        ));
    }
    stream
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_arn_gives_group_region_account_and_endpoint_in_each_partition() {
        for (partition, region, endpoint) in [
            ("aws", "us-east-1", "https://logs.us-east-1.amazonaws.com"),
            ("aws-cn", "cn-north-1", "https://logs.cn-north-1.amazonaws.com.cn"),
            ("aws-us-gov", "us-gov-west-1", "https://logs.us-gov-west-1.amazonaws.com"),
        ] {
            let bare =
                format!("arn:{partition}:logs:{region}:123456789012:log-group:/kong/a.b_c#1");
            for arn in [bare.clone(), format!("{bare}:*")] {
                let stream = LogStream::parse(&arn, "kong").unwrap();
                assert_eq!(
                    (stream.group.as_str(), stream.name.as_str()),
                    ("/kong/a.b_c#1", "kong")
                );
                assert_eq!(stream.place.account, "123456789012");
                assert_eq!(stream.endpoint(Variant::default()), endpoint);
                let fips = stream.endpoint(Variant { fips: true, ..Variant::default() });
                let usual = partition == "aws-us-gov";
                let expected =
                    endpoint.replace("logs.", if usual { "logs." } else { "logs-fips." });
                assert_eq!(fips, expected, "in GovCloud the usual one is the FIPS one");
                assert_eq!(stream.arn(), format!("{bare}:log-stream:kong"));
            }
        }
    }

    #[test]
    fn anything_else_is_no_group() {
        let long = format!("arn:aws:logs:us-east-1:123456789012:log-group:{}", "x".repeat(513));
        for bad in [
            "",
            "arn:aws:logs:us-east-1:123456789012:log-group:",
            "arn:aws:logs:us-east-1:123456789012:log-group::*",
            "arn:aws:logs:us-east-1:123456789012:log-group:a:log-stream:b",
            "arn:aws:logs:us-east-1:123456789012:log-group:a:*:*",
            "arn:aws:logs:us-east-1:123456789012:log-group:a b",
            "arn:aws:logs:us-east-1:12345:log-group:a",
            "arn:aws:logs::123456789012:log-group:a",
            "arn:aws:cloudtrail:us-east-1:123456789012:log-group:a",
            "arn:aws:logs:us-east-1:123456789012:destination:a",
            "arn:aws-eu:logs:us-east-1:123456789012:log-group:a",
            &long,
        ] {
            assert_eq!(LogStream::parse(bad, "kong"), None, "{bad}");
        }
        let group = "arn:aws:logs:us-east-1:123456789012:log-group:a";
        for bad in ["", "a:b", "*", "a\n", &"x".repeat(513)] {
            assert_eq!(LogStream::parse(group, bad), None, "{bad:?}");
        }
        assert!(LogStream::parse(group, &"é".repeat(512)).is_some());
    }

    #[test]
    fn a_name_stays_one_word_of_a_command() {
        let group = "arn:aws:logs:us-east-1:123456789012:log-group:/a";
        let stream = LogStream::parse(group, "it's $(x)").unwrap();
        assert_eq!(
            stream.make_stream(),
            r"aws logs create-log-stream --region us-east-1 --log-group-name '/a' --log-stream-name 'it'\''s $(x)'"
        );
    }
}
