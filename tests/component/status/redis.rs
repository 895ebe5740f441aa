//! What the page asks of a Redis: little, and reads alone.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::super::driver::{Start, Verb, is_spin};
use super::super::support::{Store, World};
use super::page::{Page, manifest};
use super::{kong, ledger, probe, report};

/// What a user may do who only reads, as docs/status.md has it.
const RIGHTS: &str = "ACL SETUSER status-page on >only-reads ~kong-cloudtrail:* +get +ping";

/// A Redis that nobody else asks.
struct Redis {
    server: Child,
    port: u16,
    folder: TempDir,
}

impl Redis {
    /// None where there is no redis-server.
    fn start() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]);
        command.arg("--dir").arg(folder.path()).stdout(Stdio::null());
        Some(Self { server: command.spawn().ok()?, port, folder })
    }

    fn connect(&self) -> Connection {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let began = Instant::now();
        loop {
            match client.get_connection() {
                Ok(connection) => return connection,
                Err(why) => assert!(began.elapsed() < Duration::from_secs(10), "{why}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// How often each command was called since the last time, but for what is asked here.
fn commands(connection: &mut Connection) -> BTreeMap<String, u64> {
    let info: String = redis::cmd("INFO").arg("commandstats").query(connection).unwrap();
    redis::cmd("CONFIG").arg("RESETSTAT").exec(connection).unwrap();
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    let own = |name: &String| !name.starts_with("config") && name != "info";
    info.lines().filter_map(count).filter(|(name, _)| own(name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_only_read_is_enough_and_a_request_is_four_commands() {
    const REQUESTS: u64 = 25;
    let Some(server) = Redis::start() else {
        println!("SKIPPED: the status page's commands, since there is no redis-server");
        return;
    };
    let mut redis = server.connect();
    let docs = include_str!("../../../docs/status.md");
    assert!(docs.contains(RIGHTS));
    let mut words = RIGHTS.split(' ');
    redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).exec(&mut redis).unwrap();

    let world = World::new(Store::Sqlite, kong());
    for (key, value) in ledger(&world, &report(&json!({})), 10, None) {
        redis::cmd("SET").arg(key).arg(value).exec(&mut redis).unwrap();
    }
    let config = server.folder.path().join("runtime-config.toml");
    let url = format!("redis://status-page:only-reads@127.0.0.1:{}", server.port);
    let text = format!("[key_value_store.default]\ntype = \"redis\"\nurl = \"{url}\"\n");
    std::fs::write(&config, text).unwrap();
    let manifest = manifest();
    let start = Start { runtime_config: Some(&config), ..Start::new(Verb::Up, &manifest) };
    let mut command = start.command();
    command.current_dir(server.folder.path()).envs(world.environment());
    let page = Page::start(command);
    // The first request connects.
    assert_eq!(probe(&page).0, 200);

    commands(&mut redis);
    for _ in 0..REQUESTS {
        assert_eq!(page.get("/").status, 200);
    }
    let asked = commands(&mut redis);
    let expected = [("get", 3 * REQUESTS), ("ping", REQUESTS)];
    assert_eq!(asked, expected.map(|(name, calls)| (name.to_owned(), calls)).into());

    // What is not there and what may not be asked costs nothing.
    assert_eq!(page.get("/nothing").status, 404);
    assert_eq!(page.ask("POST", "/").status, 405);
    assert_eq!(commands(&mut redis), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_cannot_be_reached_is_told_of_and_the_page_goes_on() {
    let Some(server) = Redis::start() else {
        println!("SKIPPED: a Redis that goes away, since there is no redis-server");
        return;
    };
    let mut redis = server.connect();
    let world = World::new(Store::Sqlite, kong());
    for (key, value) in ledger(&world, &report(&json!({})), 10, None) {
        redis::cmd("SET").arg(key).arg(value).exec(&mut redis).unwrap();
    }
    let config = server.folder.path().join("runtime-config.toml");
    let text = format!(
        "[key_value_store.default]\ntype = \"redis\"\nurl = \"redis://127.0.0.1:{}\"\n",
        server.port
    );
    std::fs::write(&config, text).unwrap();
    let manifest = manifest();
    let start = Start { runtime_config: Some(&config), ..Start::new(Verb::Up, &manifest) };
    let mut command = start.command();
    command.envs(world.environment());
    let page = Page::start(command);
    assert_eq!(probe(&page).0, 200);

    drop(server);
    if is_spin() {
        println!(
            "SKIPPED: a Redis that goes away, since Spin 4.0.2 leaves such a request unanswered for minutes"
        );
        return;
    }
    let (status, says) = probe(&page);
    assert_eq!(status, 503, "{says}");
    assert!(says.contains("unknown: The key-value store failed at kong-cloudtrail:"), "{says}");
    let shown = page.get("/");
    assert_eq!(shown.status, 503);
    assert!(shown.body.contains("<h1>Cannot tell</h1>"), "{}", shown.body);
    assert_eq!(page.get("/metrics").status, 200);
}
