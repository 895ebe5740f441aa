//! The program in a folder that stands for its container.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tempfile::TempDir;
use toml::Table;

/// A container with a writable folder, and a `spin` that does what a test wants.
pub struct Container {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

impl Container {
    /// `spin` writes down its arguments and its environment, then runs `script`.
    pub fn with_spin(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for program in ["spin", "kong-cloudtrail"] {
            let path = folder.path().join(program);
            let record = "here=${0%/*}; printf '%s\\n' \"$@\" >$here/arguments; \
                          env -0 >$here/environment; echo $$ >$here/pid";
            let record = format!("#!/bin/sh\n{record}\n{script}\n");
            std::fs::write(&path, record).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let container = Self { folder, environment: BTreeMap::new() };
        let state = container.path("state").display().to_string();
        container.set("STATE_DIR", &state).set("REDIS_URL", "rediss://ledger.example:6379")
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kong-cloudtrail-entrypoint"));
        let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
        command.args(arguments).env_clear().env("PATH", path).envs(&self.environment);
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub fn arguments(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("arguments")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// What Spin saw as its environment.
    pub fn seen(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.path("environment")).unwrap();
        let pairs = text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub fn config(&self) -> Table {
        let text = std::fs::read_to_string(self.path("state/runtime-config.toml")).unwrap();
        text.parse().unwrap()
    }

    pub fn redis_url(&self) -> url::Url {
        self.config()["key_value_store"]["default"]["url"].as_str().unwrap().parse().unwrap()
    }

    pub fn wait_for(&self, name: &str) -> String {
        let started = Instant::now();
        loop {
            match std::fs::read_to_string(self.path(name)) {
                Ok(text) if !text.is_empty() => return text,
                _ => assert!(started.elapsed() < Duration::from_secs(20), "no {name}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn wait_for_pid(&self, name: &str) -> Pid {
        Pid::from_raw(self.wait_for(name).trim().parse().unwrap()).unwrap()
    }
}

/// What it wrote to stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
