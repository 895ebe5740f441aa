//! One Kong, one channel, and the variables that tie the component to them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once};

use kong_cloudtrail_host::key_value::StoreManager;
use kong_cloudtrail_host::{App, Ending, Options, Sources, application};
use kong_cloudtrail_sim::fault::{Fault, Rule, When};
use kong_cloudtrail_sim::{cloudtrail, credentials, kong};
use serde_json::Value;
use tempfile::TempDir;

use super::destination::{Destination, Kind};
use super::driver::{self, Start, Verb};
use super::host::Host;
use super::verdict::Verdict;

pub const TOKEN: &str = "kong/token+that~nobody=may&see";
pub const SECRET: &str = "aws/secret+that~nobody=may&see";
pub const SESSION_TOKEN: &str = "IQoJb3JpZ2lu/session+token=that&nobody%may~see==";

/// The two simulators, and the component's variables.
pub struct World {
    pub kong: kong::Simulator,
    /// Where events go: CloudTrail, or another destination.
    pub cloudtrail: Destination,
    /// Where temporary credentials come from.
    pub endpoints: credentials::Simulator,
    pub variables: BTreeMap<String, String>,
    credentials: Mutex<Vec<cloudtrail::Credentials>>,
    folder: TempDir,
}

/// Whether the long form is wanted.
pub fn soak() -> bool {
    std::env::var("KONG_CLOUDTRAIL_SOAK").is_ok_and(|value| value == "1")
}

/// The seed of a test, printed under its name.
pub fn seed(test: &str) -> u64 {
    let given = std::env::var("KONG_CLOUDTRAIL_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("{test}: seed {seed} (KONG_CLOUDTRAIL_SEED={seed} draws the same again)");
    seed
}

/// The component as `cargo xtask build` leaves it.
fn component() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let component = root.join("target/wasm32-wasip2/release/kong_cloudtrail.wasm");
    assert!(component.exists(), "no component: run `cargo xtask build`");
    component
}

impl World {
    pub fn new(kong: kong::Options) -> Self {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        let token = Some(TOKEN.to_owned());
        let kong = kong::Simulator::start(kong::Options { token, ..kong }).unwrap();
        let folder = TempDir::new().unwrap();
        let credentials = key("AKIDFIRST");
        let cloudtrail = Destination::start(Kind::of_environment(), credentials.clone());
        let endpoints = credentials::Simulator::start().unwrap();
        let ledger = format!("faults-{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        let variables = [
            ("kong_admin_api", kong.url()),
            ("kong_admin_token", TOKEN.to_owned()),
            ("aws_access_key_id", credentials.access_key_id.clone()),
            ("aws_secret_access_key", SECRET.to_owned()),
            ("aws_session_token", SESSION_TOKEN.to_owned()),
            ("ledger", ledger),
            ("max_calls_per_sec", "1000".to_owned()),
        ];
        let variables = variables.into_iter().chain(cloudtrail.variables());
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).collect();
        std::fs::write(folder.path().join("spin.toml"), manifest()).unwrap();
        let credentials = Mutex::new(vec![credentials]);
        Self { kong, cloudtrail, endpoints, variables, credentials, folder }
    }

    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Has the store at `url` for the processes to come.
    pub fn store_at(&self, url: &str) {
        self.store_by(&format!("[key_value_store.default]\ntype = \"redis\"\nurl = \"{url}\"\n"));
    }

    /// Has the store in a SQLite file of that name, in this world's folder, for the processes to come.
    pub fn store_in(&self, file: &str) {
        self.store_by(&format!("[key_value_store.default]\ntype = \"spin\"\npath = \"{file}\"\n"));
    }

    /// Has the store of that runtime config for the processes to come.
    pub fn store_by(&self, config: &str) {
        std::fs::write(self.folder.path().join("runtime-config.toml"), config).unwrap();
    }

    /// Has CloudTrail accept a batch at once and answer `millis` later, so that there is a time
    /// between acceptance and answer to strike in.
    pub fn answer_late(&self, millis: u64) {
        let fault = Fault::Delay { first_byte_ms: 0, between_bytes_ms: millis, pieces: 2 };
        let rule = Rule { path: None, when: When::default(), fault };
        let faults = cloudtrail::Faults { rules: vec![rule], ..Default::default() };
        self.cloudtrail.set_faults(faults);
    }

    /// A process that does one run, with an access key of its own.
    pub fn once(&self) -> Host {
        self.spawn(Verb::Once, |_| {})
    }

    /// A process that ticks every second, with an access key of its own.
    pub fn up(&self) -> Host {
        self.spawn(Verb::Up, |_| {})
    }

    /// An access key that CloudTrail knows and that nobody has used.
    pub fn new_key(&self) -> String {
        let mut all = self.credentials.lock().unwrap();
        let access_key_id = format!("AKIDHOST{}", all.len());
        all.push(key(&access_key_id));
        self.cloudtrail.set_credentials(all.clone());
        access_key_id
    }

    /// A process, its command changed by `change`.
    pub fn spawn(&self, verb: Verb, change: impl FnOnce(&mut Command)) -> Host {
        compile();
        let access_key_id = self.new_key();
        let (manifest, config) = (Path::new("spin.toml"), Path::new("runtime-config.toml"));
        let start = Start { runtime_config: Some(config), ..Start::new(verb, manifest) };
        let mut command = self.here(start.command());
        // Empty, it leaves the place to another source.
        if !self.variables["aws_access_key_id"].is_empty() {
            command.env(variable("aws_access_key_id"), &access_key_id);
        }
        change(&mut command);
        Host::spawn(command, access_key_id)
    }

    /// The host's command line of those words, with this world's variables and store.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(driver::host());
        command.args(words);
        command.args(["--runtime-config-file", "runtime-config.toml", "--state-dir", ""]);
        self.here(command)
    }

    fn here(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).env_remove("RUST_LOG");
        // A Spin that is killed leaves a folder there.
        command.env("TMPDIR", self.folder.path());
        for (name, value) in &self.variables {
            command.env(variable(name), value);
        }
        command
    }

    /// The application in this process, over a store of the test's own.
    pub fn app(&self, store: &Arc<impl StoreManager + 'static>) -> App {
        // The first one compiles; what comes meanwhile waits, and takes it from the cache.
        static LOADING: Mutex<()> = Mutex::new(());
        let _loading = LOADING.lock().unwrap();
        let store: Arc<dyn StoreManager> = store.clone();
        App::load(Options {
            application: application::Options {
                manifest: self.folder.path().to_owned(),
                variables: Sources { given: self.variables.clone(), ..Sources::default() },
                stores: [("default".to_owned(), store)].into(),
                state_dir: Some(PathBuf::new()),
                ..application::Options::default()
            },
            ..Options::default()
        })
        .unwrap()
    }

    /// One tick over that store. Whatever happens, the component returns and prints one report.
    pub async fn tick(&self, store: &Arc<impl StoreManager + 'static>) -> Tick {
        let outcome = self.app(store).tick().await.unwrap();
        assert_eq!(outcome.ending, Ending::Returned, "{outcome:?}");
        let reports =
            outcome.stdout.iter().filter(|line| kong_cloudtrail_host::report(line).is_some());
        assert_eq!(reports.count(), 1, "one report a run: {:?}", outcome.stdout);
        let said = [outcome.stdout, outcome.stderr].concat().join("\n");
        Tick { report: outcome.report.unwrap(), said }
    }
}

impl Verdict {
    /// Compares what is in that world.
    pub fn of(world: &World) -> Self {
        Self::between(&world.kong, &world.cloudtrail)
    }
}

/// A tick of the component.
#[derive(Debug)]
pub struct Tick {
    pub report: Value,
    /// All that it printed.
    pub said: String,
}

impl Tick {
    pub fn outcome(&self) -> &str {
        self.report["outcome"].as_str().unwrap()
    }

    pub fn error(&self) -> &str {
        self.report["error"].as_str().unwrap_or_default()
    }

    pub fn shipped(&self) -> u64 {
        total(&self.report, "shipped")
    }
}

/// A count of both streams together.
pub fn total(report: &Value, count: &str) -> u64 {
    ["requests", "objects"]
        .map(|stream| report["streams"][stream][count].as_u64().unwrap())
        .iter()
        .sum()
}

fn key(access_key_id: &str) -> cloudtrail::Credentials {
    cloudtrail::Credentials {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: Some(SESSION_TOKEN.to_owned()),
    }
}

fn variable(name: &str) -> String {
    format!("SPIN_VARIABLE_{}", name.to_uppercase())
}

/// Has the host compile a component that it has not met before: 15 s of a debug build's, which
/// would be spent by each process of a test anew if they began together.
fn compile() {
    static COMPILED: Once = Once::new();
    COMPILED.call_once(|| {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("spin.toml"), manifest()).unwrap();
        let mut command = Start::new(Verb::Once, Path::new("spin.toml")).command();
        // It ends at once: there is no channel_arn.
        command.current_dir(folder.path()).env(variable("kong_admin_api"), "http://127.0.0.1:1");
        let said = command.output().unwrap();
        let said = [said.stdout, said.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("channel_arn is not set"), "{said}");
    });
}

/// The project's manifest, but that it ticks every second and is at home anywhere.
fn manifest() -> String {
    let text = include_str!("../../spin.toml");
    let mut manifest: toml::Table = text.parse().unwrap();
    manifest["trigger"]["timer"][0]["interval_secs"] = 1.into();
    let source = component().display().to_string();
    manifest["component"]["kong-cloudtrail"]["source"] = source.into();
    toml::to_string(&manifest).unwrap()
}
