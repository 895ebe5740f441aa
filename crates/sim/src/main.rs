//! `kong-cloudtrail-sim`: the simulators from a shell. Once one is ready it prints a line of JSON
//! that says where it listens, and runs until SIGINT or SIGTERM.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use kong_cloudtrail_sim::{cloudtrail, cloudwatch, kong, s3};
use tokio::signal::unix::{SignalKind, signal};

/// Simulators of the Kong Admin API's audit log, and of the CloudTrail Data, CloudWatch Logs and S3 endpoints.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    service: Service,
}

#[derive(Subcommand)]
enum Service {
    /// Simulate the Admin API of a Kong Gateway control plane.
    Kong(Kong),
    /// Simulate the CloudTrail Data endpoint of one channel.
    Cloudtrail(CloudTrail),
    /// Simulate the CloudWatch Logs endpoint of one log stream, and STS beside it.
    Cloudwatch(CloudWatch),
    /// Simulate the S3 endpoint of one bucket with Object Lock.
    S3(S3),
}

#[derive(Args)]
struct Kong {
    /// Request entries at the start.
    #[arg(long, default_value_t = 1000)]
    requests: u32,
    /// Object entries at the start.
    #[arg(long, default_value_t = 1000)]
    objects: u32,
    /// Fill payloads and entities up to this many bytes; 0 leaves them as they are.
    #[arg(long, default_value_t = 0)]
    payload_bytes: usize,
    /// Token that Kong-Admin-Token must carry.
    #[arg(long)]
    token: String,
    /// Least time that a call takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

/// Whose calls an endpoint of AWS takes, and how.
#[derive(Args)]
struct Taking {
    /// The access key that may put events or objects.
    #[arg(long)]
    access_key_id: String,
    /// Its secret.
    #[arg(long)]
    secret_access_key: String,
    /// Calls answered within any one second; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    calls_per_sec: u32,
    /// What is kept of what is accepted.
    #[arg(long, value_enum, default_value_t)]
    keep: cloudtrail::Keep,
    /// Least time that a call takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

impl Taking {
    fn credentials(self) -> cloudtrail::Credentials {
        cloudtrail::Credentials {
            access_key_id: self.access_key_id,
            secret_access_key: self.secret_access_key,
            session_token: None,
        }
    }
}

#[derive(Args)]
struct CloudTrail {
    /// The channel; region and account come from it.
    #[arg(long)]
    channel_arn: String,
    #[command(flatten)]
    taking: Taking,
}

#[derive(Args)]
struct CloudWatch {
    /// The log group; region and account come from it. The stream in it is kong-cloudtrail.
    #[arg(long)]
    log_group_arn: String,
    #[command(flatten)]
    taking: Taking,
}

#[derive(Args)]
struct S3 {
    /// The bucket's name.
    #[arg(long)]
    bucket: String,
    /// Its region.
    #[arg(long)]
    region: String,
    /// The account that owns it.
    #[arg(long)]
    account: String,
    #[command(flatten)]
    taking: Taking,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    // Before anything is announced, so that no signal finds the default handler in place.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Held until the end: a simulator stops when it is dropped.
    let _simulator: Box<dyn std::any::Any> = match Cli::parse().service {
        Service::Kong(args) => {
            let kong = kong::Simulator::start(args.into()).context("starting Kong")?;
            announce(&kong.url(), None)?;
            Box::new(kong)
        }
        Service::Cloudtrail(args) => {
            let endpoint =
                cloudtrail::Simulator::start(args.into()).context("starting CloudTrail Data")?;
            announce(&endpoint.url(), None)?;
            Box::new(endpoint)
        }
        Service::Cloudwatch(args) => {
            let endpoint =
                cloudwatch::Simulator::start(args.into()).context("starting CloudWatch Logs")?;
            announce(&endpoint.url(), Some(&endpoint.sts_url()))?;
            Box::new(endpoint)
        }
        Service::S3(args) => {
            let endpoint = s3::Simulator::start(args.into()).context("starting S3")?;
            announce(&endpoint.url(), None)?;
            Box::new(endpoint)
        }
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn announce(url: &str, sts: Option<&str>) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    let mut ready = serde_json::json!({ "listening": url });
    if let Some(sts) = sts {
        ready["sts"] = sts.into();
    }
    writeln!(stdout, "{ready}")?;
    stdout.flush()
}

impl From<Kong> for kong::Options {
    fn from(args: Kong) -> Self {
        Self {
            requests: args.requests,
            objects: args.objects,
            payload_bytes: args.payload_bytes,
            token: Some(args.token),
            latency: Duration::from_millis(args.latency_ms),
            ..Self::default()
        }
    }
}

impl From<CloudTrail> for cloudtrail::Options {
    fn from(args: CloudTrail) -> Self {
        let Taking { calls_per_sec, keep, .. } = args.taking;
        let latency = Duration::from_millis(args.taking.latency_ms);
        let credentials = args.taking.credentials();
        Self { calls_per_sec, keep, latency, ..Self::new(args.channel_arn, credentials) }
    }
}

impl From<CloudWatch> for cloudwatch::Options {
    fn from(args: CloudWatch) -> Self {
        let Taking { calls_per_sec, keep, .. } = args.taking;
        let latency = Duration::from_millis(args.taking.latency_ms);
        let credentials = args.taking.credentials();
        Self {
            calls_per_sec,
            keep,
            latency,
            ..Self::new(args.log_group_arn, "kong-cloudtrail", credentials)
        }
    }
}

impl From<S3> for s3::Options {
    fn from(args: S3) -> Self {
        let Taking { calls_per_sec, keep, .. } = args.taking;
        let latency = Duration::from_millis(args.taking.latency_ms);
        let credentials = args.taking.credentials();
        Self {
            calls_per_sec,
            keep,
            latency,
            ..Self::new(args.bucket, args.region, args.account, credentials)
        }
    }
}
