//! A Redis of our own on a free port, for the tests that need a real one.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::shell::Service;
use crate::tool::{self, Installs};

/// A running server that keeps nothing; ends when dropped.
pub struct Redis {
    port: u16,
    _server: Service,
    _folder: TempDir,
}

impl Redis {
    /// Makes sure that the machine has a Redis.
    pub fn find(installs: Installs) -> Result<()> {
        if tool::found("redis-server") {
            return Ok(());
        }
        installs.ensure(&["redis-server"])
    }

    /// Starts the server and waits until it answers.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--port", &port.to_string(), "--dir"]).arg(folder.path());
        let server = Service::start(command.stdout(Stdio::null()))?;
        let started = Instant::now();
        while !answers(port) {
            if let Some(status) = server.exited()? {
                bail!("redis-server ended at once ({status})");
            }
            if started.elapsed() > Duration::from_secs(10) {
                bail!("redis-server does not answer on port {port}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { port, _server: server, _folder: folder })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn answers(port: u16) -> bool {
    let ping = || -> Result<[u8; 7]> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connecting")?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    ping().is_ok_and(|answer| &answer == b"+PONG\r\n")
}
