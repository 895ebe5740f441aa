//! `cargo xtask up`: the component against a real Kong and a real destination, on the project's host.

use std::collections::HashSet;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use crate::build;
use crate::tool::{self, Installs};

/// What has no usable default, with what it is.
const NEEDED: [(&str, &str); 4] = [
    ("SPIN_VARIABLE_KONG_ADMIN_API", "Kong's Admin API: scheme, host and port, no path"),
    ("SPIN_VARIABLE_CHANNEL_ARN", "the CloudTrail channel; or LOG_GROUP_ARN, or BUCKET"),
    ("SPIN_VARIABLE_AWS_ACCESS_KEY_ID", "credentials that may send there"),
    ("SPIN_VARIABLE_AWS_SECRET_ACCESS_KEY", "their secret"),
];

/// What CloudWatch Logs and S3 have in the channel's place.
const OTHERS: [&str; 2] = ["SPIN_VARIABLE_LOG_GROUP_ARN", "SPIN_VARIABLE_BUCKET"];

#[derive(Args)]
pub struct Arguments {
    /// Passed on to kong-cloudtrail, such as --runtime-config-file runtime-config.toml.
    #[arg(last = true)]
    host: Vec<String>,
}

/// One run at once, then the loop of `spin.toml` until a signal ends it.
pub fn run(installs: Installs, arguments: &Arguments) -> Result<ExitCode> {
    let root = tool::root()?;
    let file = root.join(".env");
    let in_file: Vec<(String, String)> = match dotenvy::from_path_iter(&file) {
        // The parser's own error quotes the line, which may hold a secret.
        Ok(entries) => entries.collect::<Result<_, _>>().map_err(|_| {
            anyhow!("{}: a line is not NAME=value; quote a value with blanks", file.display())
        })?,
        Err(_) => Vec::new(),
    };
    let names = NEEDED.map(|(name, _)| name).into_iter().chain(OTHERS);
    let in_environment =
        names.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    let missing = missing(in_file.into_iter().chain(in_environment));
    if !missing.is_empty() {
        bail!(
            "set these in the environment or in {} (.env.example shows how):\n{}",
            file.display(),
            missing.join("\n")
        );
    }
    build::component(installs)?;
    let host = build::binaries()?.host;
    eprintln!("This host is for trying things out. Production is Spin: see docs/spin.md.");
    let mut host = Command::new(&host);
    host.current_dir(&root).args(["up", "--now", "--from", "spin.toml"]).args(&arguments.host);
    // In this process's place, so that a signal is the host's alone, which ends cleanly on it.
    Err(host.exec()).context("cannot start the host")
}

/// A line for each needed variable that has no value among `given`.
fn missing(given: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let given: HashSet<String> =
        given.filter(|(_, value)| !value.is_empty()).map(|(name, _)| name).collect();
    let is_given = |name: &str| {
        given.contains(name)
            || (name.ends_with("CHANNEL_ARN") && OTHERS.iter().any(|other| given.contains(*other)))
    };
    let absent = NEEDED.iter().filter(|(name, _)| !is_given(name));
    absent.map(|(name, meaning)| format!("  {name:<37}{meaning}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(values: &[(&str, &str)]) -> Vec<String> {
        missing(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn everything_that_is_missing_is_said_at_once() {
        let lines = given(&[("SPIN_VARIABLE_CHANNEL_ARN", "arn:aws:cloudtrail:::channel/1")]);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("SPIN_VARIABLE_KONG_ADMIN_API"));
        assert!(lines[2].contains("SPIN_VARIABLE_AWS_SECRET_ACCESS_KEY"));
        for other in OTHERS {
            assert_eq!(given(&[(other, "x")]), lines);
        }
    }

    #[test]
    fn an_empty_value_counts_as_missing() {
        let values = NEEDED.map(|(name, _)| (name, if name.ends_with("ARN") { "" } else { "x" }));
        assert_eq!(
            given(&values),
            [
                "  SPIN_VARIABLE_CHANNEL_ARN            the CloudTrail channel; or LOG_GROUP_ARN, or BUCKET"
            ]
        );
        assert_eq!(given(&NEEDED.map(|(name, _)| (name, "x"))), [""; 0]);
    }
}
