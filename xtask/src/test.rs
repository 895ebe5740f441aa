//! `cargo xtask test`: all that is run or tried, the cheap ones first. What is said of the code without running
//! it is `cargo xtask lint`.

use std::ffi::OsStr;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::redis::Redis;
use crate::round::{Outcome, Round};
use crate::simulators::Destination;
use crate::tool::{self, Installs};
use crate::{build, demo, deployment, dist, kubernetes, python, queries, shell};

/// Where the tests find their Redis. Without it they say `SKIPPED` for what they leave out, which
/// is counted.
pub const REDIS_URL: &str = "KONG_CLOUDTRAIL_TEST_REDIS_URL";

/// Where the tests find a Python that can read OpenMetrics.
const OPENMETRICS: &str = "KONG_CLOUDTRAIL_TEST_OPENMETRICS";
const PROMETHEUS_CLIENT: (&str, &str) = ("prometheus-client", "0.26.0");
/// Where they find one that can call S3.
const BOTOCORE_PYTHON: &str = "KONG_CLOUDTRAIL_TEST_BOTOCORE";
const BOTOCORE: (&str, &str) = ("botocore", "1.44.8");
/// Which destination the faults and the model's single histories are told of; CloudTrail where it is not set.
pub const DESTINATION: &str = "KONG_CLOUDTRAIL_TEST_DESTINATION";

/// Runs everything; the exit status is a failure when anything failed.
pub fn run(installs: Installs) -> Result<ExitCode> {
    let mut round = Round::default();
    steps(&mut round, installs)?;
    Ok(round.close())
}

fn steps(round: &mut Round, installs: Installs) -> Result<()> {
    deployment::all(round, installs)?;
    queries::check(round, installs);
    let component = round.attempt("component", || {
        let path = build::component(installs)?;
        let kib = path.metadata()?.len().div_ceil(1024);
        Ok(((), format!("{kib} KiB")))
    });
    if component.is_none() {
        let why = "the component did not build".to_owned();
        round.note("tests", Outcome::Skipped(why), Duration::ZERO);
        return Ok(());
    }
    let redis = redis(round, installs);
    let manifests = kubernetes::manifests(round, installs);
    let openmetrics = python::tool(round, "OpenMetrics", installs, PROMETHEUS_CLIENT, "python");
    let botocore = python::tool(round, "client of S3", installs, BOTOCORE, "python");
    let mut tests = tool::cargo()?;
    tests.args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    // More than there are cores on a small machine: the tests with processes mostly wait.
    tests.env("RUST_TEST_THREADS", "6");
    let redis_url = redis.as_ref().map(Redis::url);
    tell(&mut tests, REDIS_URL, redis_url.as_ref());
    tell(&mut tests, kubernetes::MANIFESTS, manifests.as_ref());
    tell(&mut tests, OPENMETRICS, openmetrics.as_ref());
    tell(&mut tests, BOTOCORE_PYTHON, botocore.as_ref());
    let finished = shell::run("unit, doc and integration tests", &mut tests)?;
    round.tests("tests", finished);
    // What depends on the destination. The model plays its histories on all, in the tests above.
    for destination in [Destination::Cloudwatch, Destination::S3] {
        let mut tests = tool::cargo()?;
        tests.args(["test", "--workspace", "--test", "faults", "--no-fail-fast", "--"]);
        tests.args(["--show-output", "hosts::", "interrupted::", "kills::", "mix::"]);
        tests.env(DESTINATION, destination.variable());
        tests.env("RUST_TEST_THREADS", "6");
        tell(&mut tests, REDIS_URL, redis_url.as_ref());
        let step = format!("faults on {}", destination.name());
        let finished = shell::run(&format!("the {step}"), &mut tests)?;
        round.tests(&step, finished);
    }
    demo(round);
    archive(round);
    Ok(())
}

/// Tells the tests where something is, or that it is nowhere.
fn tell(tests: &mut Command, variable: &str, place: Option<&impl AsRef<OsStr>>) {
    match place {
        Some(place) => tests.env(variable, place),
        None => tests.env_remove(variable),
    };
}

/// The demonstration's three runs and its verdict, by what the tests have built.
fn demo(round: &mut Round) {
    for destination in [Destination::Cloudtrail, Destination::Cloudwatch, Destination::S3] {
        let started = Instant::now();
        let step = format!("demo, {}", destination.name());
        match build::tested_binaries().and_then(|built| demo::prove(built, destination)) {
            Ok(verdict) => round.proved(&step, verdict, started.elapsed()),
            Err(why) => round.note(&step, Outcome::Failed(format!("{why:#}")), started.elapsed()),
        }
    }
}

/// An archive of what the tests have built, on its own.
fn archive(round: &mut Round) {
    let started = Instant::now();
    match build::tested_binaries().and_then(|built| dist::prove(&built)) {
        Ok(seen) => round.proved("archive", seen, started.elapsed()),
        Err(why) => round.note("archive", Outcome::Failed(format!("{why:#}")), started.elapsed()),
    }
}

/// A Redis for the tests. That it cannot be had skips them; that it does not start is a failure.
pub fn redis(round: &mut Round, installs: Installs) -> Option<Redis> {
    let started = Instant::now();
    if let Err(why) = Redis::find(installs) {
        let why = format!("{why:#}; the tests run on the other stores alone");
        round.note("redis", Outcome::Skipped(why), started.elapsed());
        return None;
    }
    round.attempt("redis", || {
        Redis::start().map(|redis| {
            let url = redis.url();
            (redis, url)
        })
    })
}
