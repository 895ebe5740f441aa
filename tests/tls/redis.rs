//! The ledger in a Redis over TLS, with a user and a password.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::authority::{Authority, Identity};
use super::world::World;

/// Not a name: of a name with two addresses Redis's library reports the failure of one.
const HOST: &str = "127.0.0.1";
pub const PASSWORD: &str = "redis-password-that-nobody-may-see";
/// A user who may do what the ledger needs, on the ledger's keys: what docs/tls.md gives.
const USER: &str = "kong-cloudtrail on >redis-password-that-nobody-may-see resetkeys ~kong-cloudtrail:* -@all \
                    +get +set +mset +del +ping +watch +multi +exec +unwatch";

/// A real server that speaks TLS alone; ended when dropped.
struct Redis {
    server: Child,
    port: u16,
    folder: TempDir,
}

impl Redis {
    /// None, with a word on stderr, where there is no `redis-server` that speaks TLS.
    fn start(identity: &Identity) -> Option<Self> {
        // Another process may take the port that was free.
        for _ in 0..5 {
            let mut redis = match Self::spawn(identity) {
                Ok(redis) => redis,
                Err(error) => {
                    eprintln!("SKIPPED: TLS with Redis; redis-server cannot be run: {error}");
                    return None;
                }
            };
            if redis.is_ready() {
                return Some(redis);
            }
            let said = redis.log();
            if said.contains("Bad directive") {
                eprintln!("SKIPPED: TLS with Redis; redis-server was built without TLS");
                return None;
            }
            eprintln!("redis-server ended: {said}");
        }
        panic!("redis-server does not start");
    }

    fn spawn(identity: &Identity) -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("server.pem"), &identity.certificate)?;
        std::fs::write(path("server.key"), &identity.key)?;
        let log = File::create(path("log"))?;
        let port = TcpListener::bind((HOST, 0))?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", HOST, "--port", "0", "--save", "", "--appendonly", "no"]);
        command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
        command.arg("--tls-cert-file").arg(path("server.pem"));
        command.arg("--tls-key-file").arg(path("server.key"));
        // The server wants one, though it asks no client for a certificate.
        command.arg("--tls-ca-cert-file").arg(path("server.pem"));
        command.arg("--user").args(USER.split(' ')).args(["--user", "default", "off"]);
        command.arg("--dir").arg(folder.path());
        let server = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Self { server, port, folder })
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Whether it came to serve, by its own words: its port is open for a moment even where it ends.
    fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.log().contains("Ready to accept connections") {
            if self.server.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "redis-server does not serve: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    fn url(&self, password: &str) -> String {
        format!("rediss://kong-cloudtrail:{password}@{HOST}:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn a_user_with_no_more_than_the_ledger_needs_ships_all() {
    let authority = Authority::new("ours");
    let Some(redis) = Redis::start(&authority.server(HOST)) else { return };
    let world = World::new(None, None).redis(&redis.url(PASSWORD)).system_trusts(&authority.pem());
    world.ships_all();
    world.ships_all();
}

#[test]
fn a_wrong_password_is_named_and_not_printed() {
    let authority = Authority::new("ours");
    let Some(redis) = Redis::start(&authority.server(HOST)) else { return };
    let world = World::new(None, None).redis(&redis.url("another")).system_trusts(&authority.pem());
    world.fails_saying(&["user and password", "url of [key_value_store.default]"]);
}

#[test]
fn a_certificate_that_cannot_be_trusted_names_the_store() {
    let (authority, another) = (Authority::new("ours"), Authority::new("another"));
    for (identity, trusted) in [
        (authority.server(HOST), another.pem()),
        (authority.server("redis.example"), authority.pem()),
        (authority.expired(HOST), authority.pem()),
    ] {
        let Some(redis) = Redis::start(&identity) else { return };
        let world = World::new(None, None).redis(&redis.url(PASSWORD)).system_trusts(&trusted);
        world.fails_saying(&["SSL_CERT_FILE", "url of [key_value_store.default]"]);
    }
}

#[test]
fn client_tls_does_not_reach_redis() {
    let authority = Authority::new("ours");
    let Some(redis) = Redis::start(&authority.server(HOST)) else { return };
    let world = World::new(None, None).client_tls_on(HOST, &authority.pem(), None);
    let world = world.redis(&redis.url(PASSWORD));
    world.fails_saying(&["SSL_CERT_FILE"]);
}
