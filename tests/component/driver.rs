//! What runs the component: the project's host or, where `cargo xtask spin` says so, Spin.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names Spin's program, and so has tests start their runs on it.
const SPIN: &str = "KONG_CLOUDTRAIL_TEST_SPIN";

fn spin() -> Option<PathBuf> {
    std::env::var_os(SPIN).map(PathBuf::from)
}

/// Whether it is Spin.
pub fn is_spin() -> bool {
    spin().is_some()
}

/// Whether it is Spin 3, which for https trusts the public web alone where no `[[client_tls]]` applies.
pub fn is_spin_3() -> bool {
    spin().is_some_and(|spin| {
        let said = Command::new(spin).arg("--version").output().unwrap().stdout;
        String::from_utf8_lossy(&said).starts_with("spin 3.")
    })
}

/// The program with the host in it.
pub fn host() -> PathBuf {
    // Cargo puts it beside the folder of the tests'.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let host = path.join("kong-cloudtrail");
    let found = host.display();
    assert!(host.exists(), "no program at {found}: run `cargo build -p kong-cloudtrail-cli`");
    host
}

/// What is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// One call of the timer's component, at once.
    Once,
    /// The timer.
    Up,
    /// The one call of the command trigger.
    Command,
}

/// A process that runs the component.
pub struct Start<'a> {
    pub verb: Verb,
    pub manifest: &'a Path,
    pub runtime_config: Option<&'a Path>,
    /// Where the embedded store is; empty, there is none.
    pub state_dir: &'a OsStr,
    /// Whether the component sees the folders of `files` as they are, and not copies of them.
    pub direct_mounts: bool,
}

impl<'a> Start<'a> {
    pub fn new(verb: Verb, manifest: &'a Path) -> Self {
        let state_dir = OsStr::new("");
        Self { verb, manifest, runtime_config: None, state_dir, direct_mounts: false }
    }

    /// Its command line.
    pub fn command(&self) -> Command {
        let mut command = match spin() {
            Some(spin) => Command::new(spin),
            None => Command::new(host()),
        };
        if is_spin() {
            // Three processes, which `signal` reaches as a group of their own.
            command.process_group(0);
        }
        command.arg(match self.verb {
            Verb::Once if !is_spin() => "once",
            _ => "up",
        });
        command.arg("--from").arg(self.manifest);
        if self.direct_mounts {
            command.arg("--direct-mounts");
        }
        // From here on the options are the trigger's.
        if is_spin() && self.verb == Verb::Once {
            command.arg("--test");
        }
        command.arg("--state-dir").arg(self.state_dir);
        if let Some(file) = self.runtime_config {
            command.arg("--runtime-config-file").arg(file);
        }
        command
    }
}
