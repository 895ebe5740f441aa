//! The built component on the host, or on Spin, between the two simulators.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kong_cloudtrail_host::key_value::{self, StoreManager};
use kong_cloudtrail_host::{App, Ending, Options, Outcome, Sources, application, report};
use kong_cloudtrail_sim::{cloudtrail, kong};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::destination::{Destination, Kind};
use super::driver::{self, Start, Verb};
use super::verdict::Verdict;

pub use super::destination::CHANNEL;
pub const TOKEN: &str = "kong-token-that-nobody-may-see";
pub const SECRET: &str = "aws-secret-that-nobody-may-see";

/// Where the key-value store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    Redis,
}

pub struct World {
    pub kong: kong::Simulator,
    /// Where events go: CloudTrail, or another destination.
    pub cloudtrail: Destination,
    pub variables: BTreeMap<String, String>,
    /// A folder that the component sees directly, as `/tokens`.
    pub tokens: Option<PathBuf>,
    runtime_config: Option<PathBuf>,
    folder: TempDir,
}

/// The stores to test on: SQLite, and Redis where there is one.
pub fn stores() -> Vec<Store> {
    if redis_url().is_some() {
        return vec![Store::Sqlite, Store::Redis];
    }
    eprintln!(
        "SKIPPED: on Redis, since KONG_CLOUDTRAIL_TEST_REDIS_URL names none; `cargo xtask test` starts one"
    );
    vec![Store::Sqlite]
}

/// The Redis for tests, where there is one.
pub fn redis_url() -> Option<String> {
    std::env::var("KONG_CLOUDTRAIL_TEST_REDIS_URL").ok()
}

/// The component as `cargo xtask build` leaves it.
pub fn component() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("target/wasm32-wasip2/release/kong_cloudtrail.wasm")
}

impl World {
    /// One whose events go to CloudTrail.
    pub fn new(store: Store, kong: kong::Options) -> Self {
        Self::to(Kind::CloudTrail, store, kong)
    }

    /// One whose events go to that destination.
    pub fn to(kind: Kind, store: Store, kong: kong::Options) -> Self {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        assert!(component().exists(), "no component: run `cargo xtask build`");
        let kong =
            kong::Simulator::start(kong::Options { token: Some(TOKEN.into()), ..kong }).unwrap();
        let credentials = cloudtrail::Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: SECRET.into(),
            session_token: None,
        };
        let cloudtrail = Destination::start(kind, credentials);
        let ledger =
            format!("test-{}-{}", std::process::id(), WORLDS.fetch_add(1, Ordering::Relaxed));
        let folder = TempDir::new().unwrap();
        let runtime_config = (store == Store::Redis).then(|| {
            let file = folder.path().join("runtime-config.toml");
            let url = redis_url().unwrap();
            std::fs::write(
                &file,
                format!("[key_value_store.default]\ntype = \"redis\"\nurl = \"{url}\"\n"),
            )
            .unwrap();
            file
        });
        let variables = [
            ("kong_admin_api", kong.url()),
            ("kong_admin_token", TOKEN.to_owned()),
            ("aws_access_key_id", "AKIDEXAMPLE".to_owned()),
            ("aws_secret_access_key", SECRET.to_owned()),
            ("ledger", ledger),
            ("max_calls_per_sec", "1000".to_owned()),
        ];
        let variables = variables.into_iter().chain(cloudtrail.variables());
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).collect();
        Self { kong, cloudtrail, variables, tokens: None, runtime_config, folder }
    }

    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn app(&self) -> App {
        App::load(Options {
            application: application::Options {
                manifest: self.manifest(),
                runtime_config: self.runtime_config.clone(),
                variables: Sources { given: self.variables.clone(), ..Sources::default() },
                state_dir: Some(self.folder.path().to_owned()),
                ..application::Options::default()
            },
            direct_mounts: self.tokens.is_some(),
            ..Options::default()
        })
        .unwrap()
    }

    /// `spin.toml`, or a deployment's own copy of it with the folder of tokens.
    fn manifest(&self) -> PathBuf {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("spin.toml");
        let Some(tokens) = &self.tokens else { return manifest };
        let mut table: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
        let own = &mut table["component"]["kong-cloudtrail"];
        let own = own.as_table_mut().unwrap();
        own.insert("source".to_owned(), component().to_str().unwrap().into());
        let files = toml::toml! { files = [{ source = "", destination = "/tokens" }] };
        own.extend(files);
        own["files"][0]["source"] = tokens.to_str().unwrap().into();
        let copy = self.folder.path().join("spin.toml");
        std::fs::write(&copy, table.to_string()).unwrap();
        copy
    }

    /// One tick. Whatever happens, the component returns, prints one report and no secret.
    pub async fn tick(&self) -> Report {
        Report::of(self.begin_tick().await.unwrap())
    }

    /// One tick, under way.
    pub fn begin_tick(&self) -> JoinHandle<Outcome> {
        if driver::is_spin() {
            let manifest = self.manifest();
            let mut command = self.start(Verb::Once, &manifest).command();
            // Where no `.env` is.
            command.current_dir(self.folder.path()).envs(self.environment());
            return tokio::task::spawn_blocking(move || outcome(&command.output().unwrap()));
        }
        let app = self.app();
        tokio::spawn(async move { app.tick().await.unwrap() })
    }

    /// A process for it, but for the variables.
    pub fn start<'a>(&'a self, verb: Verb, manifest: &'a Path) -> Start<'a> {
        Start {
            runtime_config: self.runtime_config.as_deref(),
            state_dir: self.folder.path().as_os_str(),
            direct_mounts: self.tokens.is_some(),
            ..Start::new(verb, manifest)
        }
    }

    /// One tick that must end `ok`.
    pub async fn tick_ok(&self) -> Report {
        let report = self.tick().await;
        assert_eq!(report["outcome"], "ok", "{report:?}");
        assert_eq!(report["error"], Value::Null);
        report
    }

    /// What `kong-cloudtrail dead-letters` says, on this world's store.
    pub fn dead_letters(&self, verb: &str, arguments: &[&str]) -> Answer {
        // It never talks to Kong or AWS, and needs none of their variables.
        self.tool("dead-letters", verb, arguments, |name| name.starts_with("SPIN_VARIABLE_LEDGER"))
    }

    /// What `kong-cloudtrail ledger` says, on this world's store.
    pub fn ledger(&self, verb: &str, arguments: &[&str]) -> Answer {
        self.tool("ledger", verb, arguments, |_| true)
    }

    fn tool(
        &self,
        tool: &str,
        verb: &str,
        arguments: &[&str],
        needs: impl Fn(&str) -> bool,
    ) -> Answer {
        let mut command = Command::new(driver::host());
        command.args([tool, verb]).args(arguments);
        command.arg("--from").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("spin.toml"));
        command.arg("--state-dir").arg(self.folder.path());
        if let Some(file) = &self.runtime_config {
            command.arg("--runtime-config-file").arg(file);
        }
        command.envs(self.environment().filter(|(name, _)| needs(name)));
        Answer::of(&command.output().unwrap())
    }

    /// The variables as the environment of a process.
    pub fn environment(&self) -> impl Iterator<Item = (String, &String)> {
        let name = |name: &str| format!("SPIN_VARIABLE_{}", name.to_uppercase());
        self.variables.iter().map(move |(variable, value)| (name(variable), value))
    }

    /// The store itself.
    pub async fn store(&self) -> Arc<dyn key_value::Store> {
        let stores: Box<dyn StoreManager> = match &self.runtime_config {
            None => {
                let file = self.folder.path().join("sqlite_key_value.db");
                Box::new(key_value::sqlite::SqliteStores::new(Some(file)))
            }
            Some(_) => Box::new(key_value::redis::RedisStores::new(&redis_url().unwrap()).unwrap()),
        };
        stores.open("default").await.unwrap()
    }

    /// The key of `name` in this world's ledger.
    pub fn key(&self, name: &str) -> String {
        format!("kong-cloudtrail:{}:{{0}}{name}", self.variables["ledger"])
    }

    /// Each entry that Kong holds is in CloudTrail exactly once with all that it says, and each
    /// event there belongs to an entry.
    pub fn assert_exactly_once(&self) {
        Verdict::between(&self.kong, &self.cloudtrail).assert_exactly_once();
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Answer {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let answer = Self {
            status: output.status.code().unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        for secret in [TOKEN, SECRET] {
            assert!(!format!("{answer:?}").contains(secret), "a secret was printed");
        }
        answer
    }

    /// What the runs came to, by their reports.
    pub fn outcomes(&self) -> Vec<String> {
        let lines = self.stdout.lines().chain(self.stderr.lines());
        lines.filter_map(report).map(|report| report["outcome"].as_str().unwrap().into()).collect()
    }

    /// The JSON objects on stdout.
    pub fn objects(&self) -> Vec<Value> {
        assert_eq!(self.status, 0, "{self:?}");
        let objects = serde_json::Deserializer::from_str(&self.stdout).into_iter();
        objects.collect::<Result<_, _>>().unwrap()
    }
}

/// The report of a tick, and all that was printed.
#[derive(Debug)]
pub struct Report {
    report: Value,
    pub stdout: Vec<String>,
}

impl Report {
    pub fn of(outcome: Outcome) -> Self {
        assert_eq!(outcome.ending, Ending::Returned, "{outcome:?}");
        let reports = outcome.stdout.iter().filter(|line| event(line) == json!("run")).count();
        assert_eq!(reports, 1, "one report a run: {:?}", outcome.stdout);
        for line in outcome.stdout.iter().chain(&outcome.stderr) {
            assert!(
                !line.contains(TOKEN) && !line.contains(SECRET),
                "a secret was printed: {line}"
            );
        }
        for line in &outcome.stdout {
            assert!(event(line) == json!("run") || event(line) == json!("log"), "{line}");
        }
        Self { report: outcome.report.unwrap(), stdout: outcome.stdout }
    }

    pub fn stream(&self, stream: &str, count: &str) -> u64 {
        self.report["streams"][stream][count].as_u64().unwrap()
    }

    pub fn shipped(&self) -> (u64, u64) {
        (self.stream("requests", "shipped"), self.stream("objects", "shipped"))
    }

    pub fn has(&self, key: &str) -> bool {
        self.report.get(key).is_some()
    }

    pub fn error(&self) -> &str {
        self.report["error"].as_str().unwrap_or_default()
    }
}

/// What a process that made one run came to. Spin has the component's lines on stderr, among its own.
fn outcome(output: &Output) -> Outcome {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let lines = text.iter().flat_map(|text| text.lines()).map(ToOwned::to_owned);
    let (stdout, stderr): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with('{'));
    let ending = if output.status.success() { Ending::Returned } else { Ending::Failed };
    Outcome {
        ending,
        report: stdout.iter().rev().find_map(|line| report(line)),
        stdout,
        stderr,
        peak_memory: 0,
        elapsed: Duration::ZERO,
    }
}

fn event(line: &str) -> Value {
    serde_json::from_str::<Value>(line).map(|value| value["event"].clone()).unwrap_or_default()
}

impl std::ops::Index<&str> for Report {
    type Output = Value;
    fn index(&self, key: &str) -> &Value {
        &self.report[key]
    }
}
