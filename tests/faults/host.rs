//! `kong-cloudtrail`, or Spin, as a process that can be stopped, continued and killed.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::driver;

/// A line of stdout, and when it came.
pub type Line = (Instant, String);

/// A running host; killed when dropped.
pub struct Host {
    child: Child,
    /// The access key by which CloudTrail tells its calls from others'.
    pub access_key_id: String,
    stdout: Arc<Mutex<Vec<Line>>>,
    stderr: Arc<Mutex<Vec<Line>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Host {
    pub fn spawn(mut command: Command, access_key_id: String) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let readers = vec![
            listen(child.stdout.take().unwrap(), &stdout),
            listen(child.stderr.take().unwrap(), &stderr),
        ];
        Self { child, access_key_id, stdout, stderr, readers }
    }

    /// Waits until the process has ended by itself, at most until `deadline`.
    pub fn ended_by(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                for reader in self.readers.drain(..) {
                    reader.join().unwrap();
                }
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// SIGKILL; the process is gone when this returns, and so is what it started.
    pub fn kill(&mut self) {
        self.end_by("KILL");
    }

    /// Ends it with the signal of that name, likewise.
    pub fn end_by(&mut self, name: &str) {
        self.send(name);
        self.child.wait().unwrap();
        // Each of Spin's processes has an end of the pipes.
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }

    /// SIGSTOP.
    pub fn stop(&self) {
        self.send("STOP");
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.send("CONT");
    }

    /// Sends the signal of that name.
    pub fn send(&self, name: &str) {
        signal(&self.child, name);
    }

    /// The reports so far, and when they came.
    pub fn reports(&self) -> Vec<(Instant, Value)> {
        let lines = self.lines().into_iter();
        lines.filter_map(|(at, line)| Some((at, kong_cloudtrail_host::report(&line)?))).collect()
    }

    /// What the component has printed so far, and when.
    pub fn lines(&self) -> Vec<Line> {
        // Spin has it on stderr.
        let said = if driver::is_spin() { &self.stderr } else { &self.stdout };
        said.lock().unwrap().clone()
    }

    /// How the one run of `once` went, which has ended.
    pub fn report(&self) -> Value {
        let mut reports = self.reports();
        assert_eq!(reports.len(), 1, "one report a run: {}", self.said());
        reports.remove(0).1
    }

    /// All that it has printed.
    pub fn said(&self) -> String {
        let all = [&self.stdout, &self.stderr].map(|lines| {
            let lines = lines.lock().unwrap();
            lines.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect::<String>()
        });
        all.concat()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill();
        }
    }
}

fn listen(pipe: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<Line>>>) -> JoinHandle<()> {
    let lines = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            lines.lock().unwrap().push((Instant::now(), line));
        }
    })
}

/// Sends the signal of that name to a child of ours that has not been waited for; to all three of
/// Spin's processes.
pub fn signal(child: &Child, name: &str) {
    let group = if driver::is_spin() { "-" } else { "" };
    let whom = format!("{group}{}", child.id());
    let sent = Command::new("kill").args(["-s", name, "--", &whom]).status().unwrap();
    assert!(sent.success(), "kill -s {name}");
}
