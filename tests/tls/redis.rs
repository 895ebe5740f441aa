//! The ledger in a Redis over TLS, with a user and a password.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::authority::{Authority, Identity};
use super::world::World;

/// Not a name: of a name with two addresses Redis's library reports the failure of one.
const HOST: &str = "127.0.0.1";
pub const PASSWORD: &str = "redis-password-that-nobody-may-see";
/// A user who may do what the ledger needs, on the ledger's keys: what docs/tls.md gives.
const USER: &str = "kong-cloudtrail on >redis-password-that-nobody-may-see resetkeys ~kong-cloudtrail:* -@all +get +set +mset +del \
                    +exists +ping +watch +multi +exec +unwatch +client|setinfo";

/// A real server that speaks TLS alone; ended when dropped.
struct Redis {
    server: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    /// None, with a word on stderr, where there is no `redis-server` that speaks TLS.
    fn start(identity: &Identity) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", "0", "--save", "", "--appendonly", "no"]);
        command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
        command.arg("--tls-cert-file").arg(file("server.pem", &identity.certificate));
        command.arg("--tls-key-file").arg(file("server.key", &identity.key));
        // The server wants one, though it asks no client for a certificate.
        command.arg("--tls-ca-cert-file").arg(folder.path().join("server.pem"));
        command.args(["--user", USER, "--user", "default off", "--dir"]).arg(folder.path());
        let mut server = match command.stdout(Stdio::null()).spawn() {
            Ok(server) => server,
            Err(error) => {
                eprintln!("SKIPPED: TLS with Redis, since redis-server cannot be run: {error}");
                return None;
            }
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = server.try_wait().unwrap() {
                eprintln!(
                    "SKIPPED: TLS with Redis, since redis-server was built without: {status}"
                );
                return None;
            }
            assert!(Instant::now() < deadline, "redis-server does not listen on {port}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { server, port, _folder: folder })
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
