//! `kong-cloudtrail-sim`: the simulators from a shell. Once one is ready it prints a line of JSON
//! that says where it listens, and runs until SIGINT or SIGTERM.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use kong_cloudtrail_sim::kong::version::Version;
use kong_cloudtrail_sim::{cloudtrail, credentials, kong};
use tokio::signal::unix::{SignalKind, signal};

/// Simulators of the Kong Admin API's audit log, of the CloudTrail Data endpoint, and of the
/// endpoints that give AWS credentials.
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
    /// Simulate the endpoints of ECS, EKS, STS and EC2 that give temporary credentials.
    Credentials(Credentials),
}

#[derive(Args)]
struct Kong {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Path before every path of the Admin API, such as /kong.
    #[arg(long, default_value = "", value_parser = admin_path)]
    admin_path: String,
    /// Version to behave as; four numbers are Enterprise, three are open source.
    #[arg(long = "kong-version", default_value = "3.9.0.0")]
    version: Version,
    /// The version from which it was upgraded when the entries of the start were there already.
    #[arg(long)]
    upgraded_from: Option<Version>,
    /// The request_timestamp that object entries have since then, where they had none.
    #[arg(long, value_enum, default_value_t, requires = "upgraded_from")]
    upgraded_leaves: kong::Leaves,
    /// Request entries at the start.
    #[arg(long, default_value_t = 1000)]
    requests: u32,
    /// Object entries at the start.
    #[arg(long, default_value_t = 1000)]
    objects: u32,
    /// Days up to now over which those are spread.
    #[arg(long, default_value_t = 30)]
    span_days: u32,
    /// Fill payloads and entities up to this many bytes; 0 leaves them as they are.
    #[arg(long, default_value_t = 0)]
    payload_bytes: usize,
    /// Everything random is drawn from this.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Token that Kong-Admin-Token must carry.
    #[arg(long, env = "KONG_SIM_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Add the readers' own calls to the trail.
    #[arg(long)]
    audit_readers: bool,
    /// Kong's audit_log.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    audit_log: Switch,
    /// Kong's audit_log_ignore_paths, comma-separated; shown by GET /, not applied.
    #[arg(long, value_delimiter = ',')]
    ignore_paths: Vec<String>,
    /// Kong's audit_log_record_ttl, in seconds; with 0 nothing expires.
    #[arg(long, default_value_t = 30 * 24 * 60 * 60)]
    record_ttl_secs: u32,
    /// Least time that a call takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

#[derive(Args)]
struct CloudTrail {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The channel; region and account come from it.
    #[arg(long)]
    channel_arn: String,
    /// The access key that may put events.
    #[arg(long)]
    access_key_id: String,
    /// Its secret.
    #[arg(long, env = "CLOUDTRAIL_SIM_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_access_key: String,
    /// Its session token, when it is temporary.
    #[arg(long, env = "CLOUDTRAIL_SIM_SESSION_TOKEN", hide_env_values = true)]
    session_token: Option<String>,
    /// Whose temporary credentials may put events too, while they are valid.
    #[arg(long)]
    issuer: Option<String>,
    /// External id that the channel asks for.
    #[arg(long)]
    external_id: Option<String>,
    /// The only eventSource that the channel takes.
    #[arg(long)]
    event_source: Option<String>,
    /// Calls answered within any one second; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    calls_per_sec: u32,
    /// What is kept of accepted events.
    #[arg(long, value_enum, default_value_t = Keep::Events)]
    keep: Keep,
    /// Least time that a call takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

#[derive(Args)]
struct Credentials {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Who issues the credentials: a CloudTrail endpoint with the same issuer takes them.
    #[arg(long, default_value = "aws")]
    issuer: String,
    /// How long credentials are valid, in seconds.
    #[arg(long, default_value_t = 3600)]
    lifetime_secs: i64,
    /// What Authorization must be at the container's endpoint.
    #[arg(long, env = "CREDENTIALS_SIM_AUTHORIZATION", hide_env_values = true)]
    authorization: Option<String>,
    /// The token for which STS gives credentials.
    #[arg(long, env = "CREDENTIALS_SIM_WEB_IDENTITY_TOKEN", hide_env_values = true)]
    web_identity_token: Option<String>,
    /// The role that STS gives.
    #[arg(long)]
    role_arn: Option<String>,
    /// Least time that a call takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, ValueEnum)]
enum Keep {
    /// Everything.
    Events,
    /// Ids alone, for millions.
    Ids,
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
            announce(&kong.url())?;
            Box::new(kong)
        }
        Service::Cloudtrail(args) => {
            let endpoint =
                cloudtrail::Simulator::start(args.into()).context("starting CloudTrail Data")?;
            announce(&endpoint.url())?;
            Box::new(endpoint)
        }
        Service::Credentials(args) => {
            let endpoints = credentials::Simulator::start(args.into())
                .context("starting the credentials endpoints")?;
            announce(&endpoints.url())?;
            Box::new(endpoints)
        }
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn announce(url: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", serde_json::json!({ "listening": url }))?;
    stdout.flush()
}

fn admin_path(text: &str) -> Result<String, String> {
    let fits = text.is_empty() || (text.starts_with('/') && !text.ends_with('/'));
    fits.then(|| text.to_owned())
        .ok_or_else(|| "begins with a slash and ends without one".to_owned())
}

impl From<Kong> for kong::Options {
    fn from(args: Kong) -> Self {
        Self {
            listen: args.listen,
            admin_path: args.admin_path,
            version: args.version,
            upgraded: args
                .upgraded_from
                .map(|from| kong::Upgrade { from, leaves: args.upgraded_leaves }),
            requests: args.requests,
            objects: args.objects,
            span_days: args.span_days,
            payload_bytes: args.payload_bytes,
            seed: args.seed,
            token: args.token,
            audit_readers: args.audit_readers,
            audit_log: args.audit_log == Switch::On,
            ignore_paths: args.ignore_paths,
            record_ttl_secs: args.record_ttl_secs,
            latency: Duration::from_millis(args.latency_ms),
            ..Self::default()
        }
    }
}

impl From<CloudTrail> for cloudtrail::Options {
    fn from(args: CloudTrail) -> Self {
        let credentials = cloudtrail::Credentials {
            access_key_id: args.access_key_id,
            secret_access_key: args.secret_access_key,
            session_token: args.session_token,
        };
        Self {
            listen: args.listen,
            issuer: args.issuer.as_deref().map(credentials::Issuer::new),
            external_id: args.external_id,
            event_source: args.event_source,
            calls_per_sec: args.calls_per_sec,
            keep: match args.keep {
                Keep::Events => cloudtrail::Keep::Events,
                Keep::Ids => cloudtrail::Keep::Ids,
            },
            latency: Duration::from_millis(args.latency_ms),
            ..Self::new(args.channel_arn, credentials)
        }
    }
}

impl From<Credentials> for credentials::Options {
    fn from(args: Credentials) -> Self {
        let usual = credentials::Settings::default();
        Self {
            listen: args.listen,
            issuer: credentials::Issuer::new(&args.issuer),
            settings: credentials::Settings {
                lifetime_secs: args.lifetime_secs,
                authorization: args.authorization,
                web_identity_token: args.web_identity_token.unwrap_or(usual.web_identity_token),
                role_arn: args.role_arn.unwrap_or(usual.role_arn),
                ..usual
            },
            latency: Duration::from_millis(args.latency_ms),
            ..Self::default()
        }
    }
}
