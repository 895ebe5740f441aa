//! The status page as a process on the host, or on Spin, asked over a socket.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::driver::{Verb, is_spin};
use super::super::support::World;

/// What Spin and the host answer by themselves.
const HEALTH: &str = "/.well-known/spin/health";

pub struct Page {
    process: Child,
    address: SocketAddr,
}

/// An answer, its names of headers in lower case.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

pub fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spin-status.toml")
}

impl Page {
    /// The page of a world's ledger, on its store.
    pub fn of(world: &World) -> Self {
        let manifest = manifest();
        let mut command = world.start(Verb::Up, &manifest).command();
        command.envs(world.environment());
        Self::start(command)
    }

    /// `up` with that command line.
    pub fn start(mut command: Command) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        command.args(["--listen", &address.to_string()]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut page = Self { process, address };
        let began = Instant::now();
        while !page.try_get(HEALTH).is_ok_and(|answer| answer.status == 200) {
            assert!(page.process.try_wait().unwrap().is_none(), "the page's process has ended");
            assert!(began.elapsed() < Duration::from_mins(2), "the page is not served");
            std::thread::sleep(Duration::from_millis(50));
        }
        page
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }

    pub fn ask(&self, method: &str, path: &str) -> Answer {
        self.try_ask(method, path).unwrap()
    }

    fn try_get(&self, path: &str) -> std::io::Result<Answer> {
        self.try_ask("GET", path)
    }

    /// Asks, and goes away before the answer.
    pub fn ask_and_leave(&self, path: &str) {
        self.send("GET", path).unwrap();
    }

    fn send(&self, method: &str, path: &str) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address)?;
        let address = self.address;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )?;
        Ok(stream)
    }

    fn try_ask(&self, method: &str, path: &str) -> std::io::Result<Answer> {
        let mut stream = self.send(method, path)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        };
        let headers: BTreeMap<_, _> = lines.map(header).collect();
        let is_chunked = headers.get("transfer-encoding").is_some_and(|told| told == "chunked");
        let body = if is_chunked { whole(body) } else { body.to_owned() };
        Ok(Answer { status, headers, body })
    }
}

/// A body out of its chunks.
fn whole(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&rest[..size]);
        chunks = &rest[size + 2..];
    }
    body
}

impl Drop for Page {
    fn drop(&mut self) {
        if is_spin() {
            // Three processes, in a group of their own. An interrupted one waits for a store that is gone.
            let group = format!("-{}", self.process.id());
            let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
