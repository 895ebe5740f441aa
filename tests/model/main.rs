//! Random histories against a simple truth: every entry that Kong held long enough for a run to see
//! is in CloudTrail, whole, at least once, and exactly once unless a process died, an answer was
//! lost, a host stalled past its lease or the store lost a record between CloudTrail's acceptance
//! and the end of the history.
//!
//! - [`history`]: what may happen, and how a history is played;
//! - [`world`] and [`host`]: time, the network, the hosts on which the core runs, and their faults;
//! - [`kong`] with [`entry`], [`cloudtrail`], [`cloudwatch`] or [`s3`], [`store`]: the three that the core talks to;
//! - [`truth`], [`arrived`] and [`times`]: which repeats are explained, what must have arrived, and when it
//!   may be said to have happened;
//! - [`ages`]: entries older than CloudWatch Logs takes them;
//! - [`excuses`]: what is not held against a run, with a history for each in [`excused`];
//! - [`clocks`], [`hosts`], [`keys`], [`pages`], [`refusals`], [`sweeps`], [`upgrades`], [`windows`]:
//!   single histories worth a name, told with [`scene`].
#![allow(clippy::unwrap_used)]

mod ages;
mod arrived;
mod clocks;
mod cloudtrail;
mod cloudwatch;
mod entry;
mod excused;
mod excuses;
mod history;
mod host;
mod hosts;
mod keys;
mod kong;
mod pages;
mod refusals;
mod s3;
mod scene;
mod store;
mod sweeps;
mod times;
mod truth;
mod upgrades;
mod windows;
mod world;

use history::any_history;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use world::Destination;

fn from_env(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Beside the tests of other folders, whose root file has the same name.
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/model/regressions.txt"))),
        cases: from_env("PROPTEST_CASES", 20),
        max_shrink_iters: from_env("PROPTEST_MAX_SHRINK_ITERS", 2000),
        ..ProptestConfig::default() })]

    #[test]
    fn every_entry_arrives_whole_and_repeats_are_explained(history in any_history()) {
        history.play(Destination::CloudTrail).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn every_entry_arrives_in_cloudwatch_too(history in any_history()) {
        history.play(Destination::CloudWatch).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn every_entry_arrives_in_s3_and_repeats_are_explained_by_less(history in any_history()) {
        history.play(Destination::S3).map_err(TestCaseError::fail)?;
    }
}
