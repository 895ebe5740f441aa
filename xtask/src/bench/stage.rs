//! What a measurement runs on: the two simulators, a Redis of its own, and the programs that are
//! measured, each as a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::figures::{Cost, Figures, KONG_LATENCY, PUT_LATENCY, QUOTA, Store};
use crate::build::Binaries;
use crate::progress::Step;
use crate::redis::Redis;
use crate::shell::{self, Service};
use crate::simulators::{self, Channel, Destination, Kong};
use crate::tool;

/// Fills an entry up to about 1 kB.
const PAYLOAD_BYTES: u64 = 640;
/// Page size of the Lambda pattern.
const LAMBDA_PAGE: u64 = 100;
const HOUR: i64 = 60 * 60;

/// What is built.
pub struct Programs {
    pub binaries: Binaries,
    pub benches: PathBuf,
    pub benches_soft: PathBuf,
}

impl Programs {
    /// Draws the chart.
    pub fn chart(&self, figures: &Figures, out: &Path) -> Result<Command> {
        let file = self.benches.with_file_name("bench.json");
        fs::write(&file, figures.chart().to_string())?;
        let mut command = Command::new(&self.benches);
        command.arg("chart").arg("--figures").arg(file).arg("--out").arg(out);
        Ok(command)
    }
}

/// How both services behave.
pub struct Load {
    destination: Destination,
    retained: u64,
    kong_latency: Duration,
    put_latency: Duration,
    quota: u64,
}

impl Load {
    /// With latencies, and AWS's quota.
    pub fn real(retained: u64) -> Self {
        let destination = Destination::Cloudtrail;
        let (kong_latency, put_latency) = (KONG_LATENCY, PUT_LATENCY);
        Self { destination, retained, kong_latency, put_latency, quota: QUOTA }
    }

    /// As fast as they can.
    pub fn unhindered(retained: u64) -> Self {
        let none = Duration::ZERO;
        let destination = Destination::Cloudtrail;
        Self { destination, retained, kong_latency: none, put_latency: none, quota: 0 }
    }

    /// The same on CloudWatch Logs or S3, whose quotas of thousands of calls a second are out of reach.
    pub fn on(self, destination: Destination) -> Self {
        Self { destination, quota: 0, ..self }
    }
}

/// What a run of the component took.
pub struct Run {
    pub cost: Cost,
    pub cpu: Duration,
    /// In bytes.
    pub peak_memory: u64,
    /// Requests that it read.
    pub fetched: u64,
}

pub struct Stage<'a> {
    programs: &'a Programs,
    kong: Kong,
    pub channel: Channel,
    redis: Redis,
    folder: TempDir,
}

impl<'a> Stage<'a> {
    /// A fresh one. Kong's clock is two hours ahead of its youngest entry: no look-back reaches what
    /// is retained.
    pub fn start(programs: &'a Programs, load: &Load) -> Result<Self> {
        let millis = |latency: Duration| latency.as_millis().to_string();
        let simulator = &programs.binaries.simulator;
        let kong = Kong::start(
            simulator,
            &[
                "--requests",
                &load.retained.to_string(),
                "--objects",
                "0",
                "--payload-bytes",
                &PAYLOAD_BYTES.to_string(),
                "--latency-ms",
                &millis(load.kong_latency),
            ],
        )?;
        kong.set_clock(2 * HOUR)?;
        let channel = Channel::start(
            load.destination,
            simulator,
            &[
                "--keep",
                "ids",
                "--calls-per-sec",
                &load.quota.to_string(),
                "--latency-ms",
                &millis(load.put_latency),
            ],
        )?;
        let redis = Redis::start()?;
        let folder = tempfile::tempdir()?;
        let store =
            format!("[key_value_store.default]\ntype = \"redis\"\nurl = {:?}\n", redis.url());
        fs::write(folder.path().join("runtime-config.toml"), store)?;
        Ok(Self { programs, kong, channel, redis, folder })
    }

    /// Time passes, so that a look-back is due, and `new` entries come in.
    pub fn an_hour_later(&self, new: u64) -> Result<()> {
        self.kong.set_clock(3 * HOUR + 60)?;
        self.kong.add_activity(new, 0)?;
        // An entry of the second that has not ended is left for the next run.
        std::thread::sleep(Duration::from_secs(2));
        Ok(())
    }

    /// One run of the component, which is to ship `expected` entries.
    pub fn component(&self, title: &str, variables: &[&str], expected: u64) -> Result<Run> {
        let mut command = self.host("once", &tool::root()?.join("spin.toml"));
        for variable in variables {
            command.args(["--variable", variable]);
        }
        let finished = self.ship(title, &mut command, expected)?;
        let report = simulators::report(&finished.stdout)?;
        ensure!(report["outcome"] == "ok", "the run is not ok: {report}");
        let usage = usages(&finished.stderr).next().context("the host tells no usage")?;
        Ok(Run {
            cost: cost(&report["calls"], micros(&usage["wall_us"])?)?,
            cpu: micros(&usage["cpu_us"])?,
            peak_memory: number(&usage["peak_memory_bytes"])?,
            fetched: number(&report["streams"]["requests"]["fetched"])?,
        })
    }

    /// CPU time of one run of the component's core as a native program.
    pub fn native(
        &self,
        title: &str,
        program: &Path,
        variables: &[&str],
        expected: u64,
    ) -> Result<Duration> {
        let mut command = self.bench(program, "native");
        for variable in variables {
            command.args(["--variable", variable]);
        }
        let finished = self.ship(title, &mut command, expected)?;
        let done: Value = serde_json::from_str(&finished.stdout)?;
        micros(&done["cpu_us"])
    }

    /// One run of the Lambda pattern, which is to read `retained` entries and ship `expected`.
    pub fn lambda(&self, title: &str, retained: u64, expected: u64) -> Result<Cost> {
        const PATH: &str = "/audit/requests";
        let before = self.channel.status()?.accepted;
        let read = self.kong.calls(PATH)?;
        let step = Step::counting(title, retained);
        let mut command = self.bench(&self.programs.benches, "lambda");
        let finished = shell::watch(step, &mut command, |step| {
            step.reached((self.kong.calls(PATH)? - read) * LAMBDA_PAGE);
            Ok(())
        })?
        .or_show("the Lambda pattern")?;
        self.check(before, expected)?;
        let done: Value = serde_json::from_str(&finished.stdout)?;
        cost(&done["calls"], micros(&done["wall_us"])?)
    }

    /// CPU time of each of `runs` runs that find nothing new, in one process, one after the other.
    pub fn idle(&self, title: &str, runs: usize) -> Result<Vec<Duration>> {
        let manifest = self.restless_manifest()?;
        let errors = self.folder.path().join("stderr");
        let mut step = Step::start(title);
        let mut command = self.host("up", &manifest);
        command.stdout(Stdio::null()).stderr(fs::File::create(&errors)?);
        let accepted = self.channel.status()?.accepted;
        let host = Service::start(&mut command)?;
        loop {
            let told = fs::read_to_string(&errors)?;
            let cpu = usages(&told).map(|usage| {
                ensure!(usage["outcome"] == "ok", "an idle run is not ok: {usage}; {told}");
                micros(&usage["cpu_us"])
            });
            let cpu = cpu.take(runs).collect::<Result<Vec<_>>>()?;
            if cpu.len() == runs {
                step.end(true);
                self.check(accepted, 0)?;
                return Ok(cpu);
            }
            let ended = host.exited()?;
            ensure!(ended.is_none(), "the host ended: {told}");
            step.still(|| format!("{} of {runs}", cpu.len()));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the store holds.
    pub fn store(&self) -> Result<Store> {
        let mut command = Command::new(&self.programs.benches);
        command.args(["store", "--redis", &self.redis.url()]);
        let finished = shell::run("Asking Redis for its memory", &mut command)?;
        let told: Value = serde_json::from_str(&finished.or_show("the question")?.stdout)?;
        Ok(Store { keys: number(&told["keys"])?, bytes: number(&told["bytes"])? })
    }

    fn host(&self, verb: &str, manifest: &Path) -> Command {
        let folder = self.folder.path();
        let mut command = simulators::host(&self.programs.binaries.host, verb, manifest, folder);
        command.arg("--usage").arg("--runtime-config-file").arg(folder.join("runtime-config.toml"));
        command.args(simulators::variables(&self.kong, &self.channel));
        command
    }

    fn bench(&self, program: &Path, verb: &str) -> Command {
        let mut command = Command::new(program);
        command.args([verb, "--redis", &self.redis.url()]);
        command.args(simulators::variables(&self.kong, &self.channel));
        command
    }

    /// The shipped manifest, with a timer without pauses.
    fn restless_manifest(&self) -> Result<PathBuf> {
        let root = tool::root()?;
        let text = fs::read_to_string(root.join("spin.toml"))?;
        let restless = text
            .replace("interval_secs = 300", "interval_secs = 0")
            .replace("source = \"target/", &format!("source = \"{}/target/", root.display()));
        ensure!(restless.lines().zip(text.lines()).filter(|(a, b)| a != b).count() == 2);
        let path = self.folder.path().join("spin.toml");
        fs::write(&path, restless)?;
        Ok(path)
    }

    /// Runs `command` with the channel's count as its progress, and checks the result.
    fn ship(&self, title: &str, command: &mut Command, expected: u64) -> Result<shell::Finished> {
        let before = self.channel.status()?.accepted;
        let finished = shell::watch(Step::counting(title, expected), command, |step| {
            step.reached(self.channel.status()?.accepted - before);
            Ok(())
        })?
        .or_show("the run")?;
        self.check(before, expected)?;
        Ok(finished)
    }

    /// A run that did not do its job has no figures.
    fn check(&self, before: u64, expected: u64) -> Result<()> {
        let status = self.channel.status()?;
        let shipped = status.accepted - before;
        ensure!(shipped == expected, "{shipped} events were shipped where {expected} were due");
        ensure!(status.distinct == status.accepted, "events were shipped twice");
        Ok(())
    }
}

fn cost(calls: &Value, wall: Duration) -> Result<Cost> {
    let [kong, cloudtrail, kv] = ["kong", "destination", "kv"].map(|of| number(&calls[of]));
    Ok(Cost { wall, kong: kong?, cloudtrail: cloudtrail?, kv: kv? })
}

/// The lines of `--usage`.
fn usages(stderr: &str) -> impl Iterator<Item = Value> {
    let lines = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == "usage")
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("{value} where a number is due"))
}

fn micros(value: &Value) -> Result<Duration> {
    number(value).map(Duration::from_micros)
}
