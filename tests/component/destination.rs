//! Where the component sends its events: the simulator of CloudTrail Data, CloudWatch Logs or S3.
#![allow(dead_code, reason = "each test file uses its own part")]

use kong_cloudtrail_sim::cloudtrail::{Call, Credentials, Event, Faults, Status};
use kong_cloudtrail_sim::credentials::Issuer;
use kong_cloudtrail_sim::{cloudtrail, cloudwatch, s3};

pub const CHANNEL: &str =
    "arn:aws:cloudtrail:eu-west-1:123456789012:channel/3f2a1b4c-5d6e-4f70-8a9b-0c1d2e3f4a5b";
/// Of every kind of character that one may have.
const EXTERNAL_ID: &str = "Kong_1+=,.@:/-";
pub const LOG_GROUP: &str = "arn:aws:logs:eu-west-1:123456789012:log-group:/kong/audit";
pub const BUCKET: &str = "kong-trail";
pub const LOG_STREAM: &str = "kong-cloudtrail";

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    CloudTrail,
    CloudWatch,
    S3,
}

impl Kind {
    /// The one that the environment names, and CloudTrail where it names none. `cargo xtask test` runs the faults
    /// and the model once for each.
    pub fn of_environment() -> Self {
        match std::env::var("KONG_CLOUDTRAIL_TEST_DESTINATION").as_deref() {
            Ok("cloudwatch") => Self::CloudWatch,
            Ok("s3") => Self::S3,
            Ok("cloudtrail") | Err(_) => Self::CloudTrail,
            Ok(other) => panic!("no destination: {other}"),
        }
    }

    /// The most events of a batch.
    pub fn batch(self) -> usize {
        match self {
            Self::CloudTrail => 100,
            Self::CloudWatch => 500,
            Self::S3 => 10_000,
        }
    }

    /// How many entries a test needs for as many batches as a hundred make for CloudTrail. For S3 it is their days
    /// that make batches.
    pub fn hundreds(self, hundreds: u32) -> u32 {
        let batch = if self == Self::S3 { 100 } else { self.batch() };
        hundreds * u32::try_from(batch).unwrap()
    }

    /// Over how many days a test spreads its entries that counts its calls: one of CloudWatch's takes less than a
    /// day.
    pub fn span_days(self) -> u32 {
        match self {
            Self::CloudTrail | Self::S3 => 30,
            Self::CloudWatch => 1,
        }
    }

    /// The code by which it refuses an event for good. S3 refuses none.
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Self::CloudTrail => Some("FieldTooLong"),
            Self::CloudWatch => Some("InvalidParameterException"),
            Self::S3 => None,
        }
    }

    /// The variable that names its target, and the one that overrides its endpoint.
    pub fn variables(self) -> [&'static str; 2] {
        match self {
            Self::CloudTrail => ["channel_arn", "cloudtrail_endpoint"],
            Self::CloudWatch => ["log_group_arn", "aws_endpoint_url_cloudwatch_logs"],
            Self::S3 => ["bucket", "aws_endpoint_url_s3"],
        }
    }
}

/// A simulator, which takes the keys given and those of the issuer `aws`.
pub enum Destination {
    CloudTrail(cloudtrail::Simulator),
    CloudWatch(cloudwatch::Simulator),
    S3(s3::Simulator),
}

macro_rules! of_all {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $($(#[$doc])* pub fn $name(&self, $($argument: $type),*) -> $result {
            match self {
                Self::CloudTrail(simulator) => simulator.$name($($argument),*),
                Self::CloudWatch(simulator) => simulator.$name($($argument),*),
                Self::S3(simulator) => simulator.$name($($argument),*),
            }
        })*
    };
}

impl Destination {
    pub fn start(kind: Kind, credentials: Credentials) -> Self {
        let issuer = Some(Issuer::new("aws"));
        match kind {
            Kind::CloudTrail => {
                let options = cloudtrail::Options::new(CHANNEL, credentials);
                let external_id = Some(EXTERNAL_ID.to_owned());
                let options = cloudtrail::Options { issuer, external_id, ..options };
                Self::CloudTrail(cloudtrail::Simulator::start(options).unwrap())
            }
            Kind::CloudWatch => {
                let options = cloudwatch::Options::new(LOG_GROUP, LOG_STREAM, credentials);
                let options = cloudwatch::Options { issuer, ..options };
                Self::CloudWatch(cloudwatch::Simulator::start(options).unwrap())
            }
            Kind::S3 => {
                let options = s3::Options::new(BUCKET, "eu-west-1", "123456789012", credentials);
                Self::S3(s3::Simulator::start(s3::Options { issuer, ..options }).unwrap())
            }
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::CloudTrail(_) => Kind::CloudTrail,
            Self::CloudWatch(_) => Kind::CloudWatch,
            Self::S3(_) => Kind::S3,
        }
    }

    /// The variables that lead the component to it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::CloudTrail(simulator) => vec![
                ("channel_arn", CHANNEL.to_owned()),
                ("external_id", EXTERNAL_ID.to_owned()),
                ("cloudtrail_endpoint", simulator.url()),
                ("allow_outbound", simulator.url()),
            ],
            Self::CloudWatch(simulator) => vec![
                ("destination", "cloudwatch".to_owned()),
                ("log_group_arn", LOG_GROUP.to_owned()),
                ("aws_endpoint_url_cloudwatch_logs", simulator.url()),
                ("aws_endpoint_url_sts", simulator.sts_url()),
                // STS has a port of its own.
                ("allow_outbound", "http://127.0.0.1:*".to_owned()),
            ],
            Self::S3(simulator) => vec![
                ("destination", "s3".to_owned()),
                ("bucket", BUCKET.to_owned()),
                ("bucket_region", "eu-west-1".to_owned()),
                ("account_id", "123456789012".to_owned()),
                ("aws_endpoint_url_s3", simulator.url()),
                ("allow_outbound", simulator.url()),
            ],
        }
    }

    /// The one of S3.
    pub fn s3(&self) -> &s3::Simulator {
        match self {
            Self::S3(simulator) => simulator,
            _ => panic!("it is another one"),
        }
    }

    /// The one of CloudWatch Logs.
    pub fn cloudwatch(&self) -> &cloudwatch::Simulator {
        match self {
            Self::CloudWatch(simulator) => simulator,
            _ => panic!("it is another one"),
        }
    }

    of_all! {
        url() -> String;
        status() -> Status;
        events(from: usize, limit: usize) -> Vec<Event>;
        ids() -> Vec<String>;
        calls() -> Vec<Call>;
        set_faults(faults: Faults) -> ();
        set_credentials(credentials: Vec<Credentials>) -> ();
        set_clock(offset_secs: i64) -> ();
    }
}
