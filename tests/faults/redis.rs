//! A Redis of a test's own that forgets nothing: every write is on disk before it is acknowledged.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server that can be stopped and started again on the same port and folder; ended when dropped.
pub struct Redis {
    server: Option<Child>,
    port: u16,
    arguments: Vec<String>,
    password: Option<&'static str>,
    folder: TempDir,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// SIGTERM: it closes its files.
    Orderly,
    /// SIGKILL.
    Sudden,
}

impl Redis {
    /// Starts a server; none, with a word on stderr, where `redis-server` is not installed.
    pub fn start(password: Option<&'static str>) -> Option<Self> {
        Self::start_as(password, &[])
    }

    /// Starts a server that keeps nothing on disk, with those arguments.
    pub fn start_with(arguments: &[&str]) -> Option<Self> {
        let in_memory = ["--appendonly", "no", "--repl-diskless-sync-delay", "0"];
        Self::start_as(None, &[&in_memory, arguments].concat())
    }

    fn start_as(password: Option<&'static str>, arguments: &[&str]) -> Option<Self> {
        if let Err(error) = Command::new("redis-server").arg("--version").output() {
            eprintln!("SKIPPED: this needs a Redis, and redis-server cannot be run: {error}");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut redis = Self { server: None, port, arguments, password, folder };
        redis.start_again();
        Some(redis)
    }

    /// Starts the server with what it holds on disk.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "it runs already");
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--port", &self.port.to_string(), "--dir"]);
        command.arg(self.folder.path()).stdout(Stdio::null());
        command.args(&self.arguments);
        if let Some(password) = self.password {
            command.args(["--requirepass", password]);
        }
        self.server = Some(command.spawn().unwrap());
        wait_until("redis-server listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    pub fn stop(&mut self, how: Stop) {
        let mut server = self.server.take().expect("it runs");
        match how {
            Stop::Orderly => {
                let sent = Command::new("kill").arg(server.id().to_string()).status();
                assert!(sent.unwrap().success());
            }
            Stop::Sudden => server.kill().unwrap(),
        }
        server.wait().unwrap();
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Has it carry out a command whose words are apart by blanks; fails with its error.
    pub fn ask(&self, command: &str) -> Result<(), String> {
        self.answer(command).map(drop)
    }

    /// Waits until the answer to `command`, a text, holds `words`.
    pub fn wait_for(&self, command: &str, words: &str) {
        wait_until(words, || self.text(command).contains(words));
    }

    /// The number that follows `name` in the answer to `command`.
    pub fn number(&self, command: &str, name: &str) -> usize {
        let text = self.text(command);
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.expect(name).trim().parse().unwrap()
    }

    fn text(&self, command: &str) -> String {
        let text = self.answer(command).unwrap();
        redis::from_redis_value(text).unwrap()
    }

    fn answer(&self, command: &str) -> Result<redis::Value, String> {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>()).query(&mut connection).map_err(|error| {
            let detail = error.detail().unwrap_or_default();
            format!("{} {detail}", error.code().unwrap_or_default())
        })
    }

    /// Its address, with the password where it asks for one.
    pub fn url(&self) -> String {
        let user = self.password.map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{user}127.0.0.1:{}", self.port)
    }

    /// All that was ever written to it, as it stands on disk.
    pub fn ever_stored(&self) -> Vec<u8> {
        let mut files = Vec::new();
        gather(self.folder.path(), &mut files);
        files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect()
    }
}

/// Waits until `is_so`.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { gather(&path, files) } else { files.push(path) }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
