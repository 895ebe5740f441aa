//! The host, or Spin, as a process between a Kong, a CloudTrail and a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kong_cloudtrail_sim::tls::Tls;
use kong_cloudtrail_sim::{cloudtrail, kong};
use serde_json::Value;
use tempfile::TempDir;

use super::authority::Identity;
use super::driver::{Start, Verb};

const CHANNEL: &str =
    "arn:aws:cloudtrail:eu-west-1:123456789012:channel/3f2a1b4c-5d6e-4f70-8a9b-0c1d2e3f4a5b";
const SECRET: &str = "aws-secret-that-nobody-may-see";
/// The name by which servers are reached: it stands in their certificates.
pub const HOST: &str = "localhost";

pub struct World {
    pub kong: kong::Simulator,
    pub cloudtrail: cloudtrail::Simulator,
    variables: BTreeMap<&'static str, String>,
    environment: BTreeMap<&'static str, PathBuf>,
    runtime_config: String,
    folder: TempDir,
}

/// How a run went.
#[derive(Debug)]
pub struct Run {
    pub report: Value,
    /// All that was printed.
    pub said: String,
}

/// The origin of a server on this machine, by its name.
pub fn named(url: &str) -> String {
    url.replace("127.0.0.1", HOST)
}

impl World {
    pub fn new(kong: Option<Tls>, cloudtrail: Option<Tls>) -> Self {
        let kong = kong::Options { requests: 30, objects: 20, tls: kong, ..Default::default() };
        let kong = kong::Simulator::start(kong).unwrap();
        let credentials = cloudtrail::Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: SECRET.into(),
            session_token: None,
        };
        let options = cloudtrail::Options {
            tls: cloudtrail,
            ..cloudtrail::Options::new(CHANNEL, credentials)
        };
        let cloudtrail = cloudtrail::Simulator::start(options).unwrap();
        let endpoint = named(&cloudtrail.url());
        let variables = BTreeMap::from([
            ("kong_admin_api", named(&kong.url())),
            ("channel_arn", CHANNEL.to_owned()),
            ("cloudtrail_endpoint", endpoint.clone()),
            ("allow_outbound", endpoint),
            ("aws_access_key_id", "AKIDEXAMPLE".to_owned()),
            ("aws_secret_access_key", SECRET.to_owned()),
        ]);
        Self {
            kong,
            cloudtrail,
            variables,
            environment: BTreeMap::new(),
            runtime_config: String::new(),
            folder: TempDir::new().unwrap(),
        }
    }

    pub fn set(mut self, variable: &'static str, value: &str) -> Self {
        self.variables.insert(variable, value.to_owned());
        self
    }

    /// Starts the host with `SSL_CERT_FILE`, of which the system's authorities are read.
    pub fn system_trusts(mut self, authority: &str) -> Self {
        self.environment.insert("SSL_CERT_FILE", self.file("system.pem", authority));
        self
    }

    /// Appends `[[client_tls]]` for [`HOST`]: this authority, and this client certificate.
    pub fn client_tls(self, authority: &str, client: Option<&Identity>) -> Self {
        self.client_tls_on(HOST, authority, client)
    }

    /// The same for another host.
    pub fn client_tls_on(self, host: &str, authority: &str, client: Option<&Identity>) -> Self {
        self.file("ca.pem", authority);
        let mut section = format!(
            "[[client_tls]]\ncomponent_ids = ['kong-cloudtrail']\nhosts = ['{host}']\nca_roots_file = 'ca.pem'\n"
        );
        if let Some(client) = client {
            self.file("client.pem", &client.certificate);
            self.file("client.key", &client.key);
            section += "client_cert_file = 'client.pem'\nclient_private_key_file = 'client.key'\n";
        }
        self.runtime_config(&section)
    }

    /// Keeps the ledger in the Redis at `url`.
    pub fn redis(self, url: &str) -> Self {
        self.runtime_config(&format!("[key_value_store.default]\ntype = 'redis'\nurl = '{url}'\n"))
    }

    fn runtime_config(mut self, section: &str) -> Self {
        self.runtime_config += section;
        self
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// One run, with no secret in what it prints.
    pub fn run(&self) -> Run {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let component = root.join("target/wasm32-wasip2/release/kong_cloudtrail.wasm");
        assert!(component.exists(), "no component: run `cargo xtask build`");
        let manifest = root.join("spin.toml");
        let runtime_config = self.file("runtime-config.toml", &self.runtime_config);
        let start = Start {
            runtime_config: Some(&runtime_config),
            state_dir: self.folder.path().as_os_str(),
            ..Start::new(Verb::Once, &manifest)
        };
        let mut command = start.command();
        // No `.env` and no trust of the machine's own.
        command.current_dir(self.folder.path()).env_remove("SSL_CERT_DIR").envs(&self.environment);
        for (name, value) in &self.variables {
            command.env(format!("SPIN_VARIABLE_{}", name.to_uppercase()), value);
        }
        let output = command.output().unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        let said = stdout + &stderr;
        for secret in [SECRET, super::redis::PASSWORD, "PRIVATE KEY"] {
            assert!(!said.contains(secret), "a secret was printed: {said}");
        }
        let report = said.lines().find_map(kong_cloudtrail_host::report);
        let report = report.unwrap_or_else(|| panic!("no report: {said}"));
        Run { report, said }
    }

    /// One run that ships all that Kong holds.
    pub fn ships_all(&self) {
        let run = self.run();
        assert_eq!(run.report["outcome"], "ok", "{}", run.said);
        let status = self.cloudtrail.status();
        assert_eq!((status.accepted, status.distinct), (50, 50), "{}", run.said);
    }

    /// One run that fails soon, with an error that says all of `words`, and ships nothing.
    pub fn fails_saying(&self, words: &[&str]) -> Run {
        let run = self.run();
        assert_eq!(run.report["outcome"], "failed", "{}", run.said);
        let error = run.report["error"].as_str().unwrap();
        for word in words {
            assert!(error.contains(word), "{word:?} is not in: {error}\n{}", run.said);
        }
        assert!(run.report["duration_ms"].as_u64().unwrap() < 30_000, "{}", run.said);
        assert_eq!(self.cloudtrail.status().accepted, 0);
        run
    }
}
