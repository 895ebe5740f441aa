//! Real stores that refuse writes, each for a cause that operators meet, and that take them again.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::redis::{Redis, wait_until};

/// The size of a full segment of the ledger.
const SEGMENT: usize = 262_080;

/// A store whose cause for refusing can be set and removed. Dropped, it leaves nothing behind.
pub struct Refusal {
    /// The runtime config that leads to it.
    pub config: String,
    refuse: Box<dyn FnMut() + Send>,
    relent: Box<dyn FnMut() + Send>,
}

impl Refusal {
    pub fn refuse(&mut self) {
        (self.refuse)();
    }

    pub fn relent(&mut self) {
        (self.relent)();
    }
}

/// A store, or why this machine has none of its kind.
pub type Made = Result<Refusal, String>;

fn redis_at(
    url: &str,
    refuse: impl FnMut() + Send + 'static,
    relent: impl FnMut() + Send + 'static,
) -> Refusal {
    let config = format!("[key_value_store.default]\ntype = \"redis\"\nurl = \"{url}\"\n");
    Refusal { config, refuse: Box::new(refuse), relent: Box::new(relent) }
}

fn server(arguments: &[&str]) -> Result<Arc<Redis>, String> {
    let server = Redis::start_with(arguments).ok_or("redis-server cannot be run")?;
    Ok(Arc::new(server))
}

/// A server that refuses after the commands `refuse`, and no more after `relent`.
fn by_commands(
    server: Arc<Redis>,
    url: &str,
    refuse: &'static [&'static str],
    relent: &'static [&'static str],
) -> Refusal {
    let other = server.clone();
    redis_at(
        url,
        move || refuse.iter().for_each(|command| server.ask(command).unwrap()),
        move || relent.iter().for_each(|command| other.ask(command).unwrap()),
    )
}

/// A primary that is made the replica of a server that is not there, and a primary again.
pub fn demoted() -> Made {
    let server = server(&[])?;
    let url = server.url();
    Ok(by_commands(server, &url, &["REPLICAOF 127.0.0.1 1"], &["REPLICAOF NO ONE"]))
}

/// A primary that swaps roles with its replica, behind an address that leads new connections to
/// whichever is the primary. Only a new process comes to it.
pub fn failed_over() -> Made {
    let (first, second) = (server(&[])?, server(&[])?);
    let replicate = |from: &Redis| format!("REPLICAOF 127.0.0.1 {}", from.port());
    second.ask(&replicate(&first)).unwrap();
    second.wait_for("INFO replication", "master_link_status:up");
    let (url, door) = door(first.port());
    let refuse = move || {
        second.ask("REPLICAOF NO ONE").unwrap();
        first.ask(&replicate(&second)).unwrap();
        first.wait_for("INFO replication", "master_link_status:up");
        door.store(second.port(), Ordering::Relaxed);
    };
    Ok(redis_at(&url, refuse, || {}))
}

/// Cluster mode with one node for all slots, as ElastiCache Serverless looks from a client.
pub fn cluster() -> Made {
    let server = server(&["--cluster-enabled", "yes"])?;
    server.ask("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    server.wait_for("CLUSTER INFO", "cluster_state:ok");
    let url = server.url();
    Ok(by_commands(server, &url, &[], &[]))
}

fn forbidden(refuse: &'static [&'static str], relent: &'static [&'static str]) -> Made {
    let server = server(&[])?;
    server.ask("ACL SETUSER shipper on >password ~* &* +@all").unwrap();
    let url = server.url().replace("redis://", "redis://shipper:password@");
    Ok(by_commands(server, &url, refuse, relent))
}

/// A user whose rights lack MSET.
pub fn without_mset() -> Made {
    forbidden(&["ACL SETUSER shipper -mset"], &["ACL SETUSER shipper +mset"])
}

/// A user whose rights lack MULTI.
pub fn without_multi() -> Made {
    forbidden(&["ACL SETUSER shipper -multi"], &["ACL SETUSER shipper +multi"])
}

/// Memory for small writes, and none for a segment.
pub fn out_of_memory() -> Made {
    let server = server(&["--maxmemory-policy", "noeviction"])?;
    let (url, other) = (server.url(), server.clone());
    let refuse = move || {
        let probe = |bytes: usize| server.ask(&format!("SET probe {}", "x".repeat(bytes)));
        // Buffers of the last run's connections go a moment after it, and leave more room than was reckoned.
        wait_until("Redis takes a small write and no large one", || {
            let used = server.number("INFO memory", "used_memory:");
            server.ask(&format!("CONFIG SET maxmemory {}", used + SEGMENT * 3 / 4)).unwrap();
            let small = probe(1000).is_ok();
            let refused = probe(SEGMENT).is_err_and(|error| error.starts_with("OOM"));
            let _ = server.ask("DEL probe");
            small && refused
        });
    };
    let relent = move || {
        other.ask("SET probe small").expect("small writes pass as before");
        other.ask("CONFIG SET maxmemory 0").unwrap();
    };
    Ok(redis_at(&url, refuse, relent))
}

/// `stop-writes-on-bgsave-error`, and a folder for snapshots that is gone.
pub fn snapshots_fail() -> Made {
    let server = server(&["--save", "3600 1000000", "--enable-protected-configs", "yes"])?;
    let (url, other) = (server.url(), server.clone());
    let folder = temporary()?;
    let place = folder.path().to_owned();
    let mut folder = Some(folder);
    let refuse = move || {
        server.ask(&format!("CONFIG SET dir {}", place.display())).unwrap();
        drop(folder.take());
        server.ask("BGSAVE").unwrap();
        server.wait_for("INFO persistence", "rdb_last_bgsave_status:err");
    };
    let relent = move || {
        other.ask("CONFIG SET dir /tmp").unwrap();
        other.ask("CONFIG SET stop-writes-on-bgsave-error no").unwrap();
    };
    Ok(redis_at(&url, refuse, relent))
}

/// `min-replicas-to-write`, and no replica.
pub fn no_replicas() -> Made {
    let server = server(&[])?;
    let url = server.url();
    let (on, off) =
        (&["CONFIG SET min-replicas-to-write 1"], &["CONFIG SET min-replicas-to-write 0"]);
    Ok(by_commands(server, &url, on, off))
}

/// A mount, taken down when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(arguments: &[&str], place: &Path) -> Result<Self, String> {
        let done = Command::new("mount").args(arguments).arg(place).output();
        let done = done.map_err(|error| format!("mount cannot be run: {error}"))?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).trim().to_owned());
        }
        Ok(Self(place.to_owned()))
    }

    /// Has `place`, a folder or a file, be only read.
    fn read_only(place: &Path) -> Result<Self, String> {
        let bound = Self::new(&["--bind", &place.display().to_string()], place)?;
        std::mem::forget(Self::new(&["-o", "remount,ro,bind"], place)?);
        Ok(bound)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Whoever has a file of it open keeps it until then.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

fn temporary() -> Result<TempDir, String> {
    tempfile::tempdir().map_err(|error| error.to_string())
}

fn sqlite_in(
    folder: &Path,
    refuse: impl FnMut() + Send + 'static,
    relent: impl FnMut() + Send + 'static,
) -> Refusal {
    let file = folder.join(SQLITE);
    let config =
        format!("[key_value_store.default]\ntype = \"spin\"\npath = \"{}\"\n", file.display());
    Refusal { config, refuse: Box::new(refuse), relent: Box::new(relent) }
}

const SQLITE: &str = "kv.db";

fn full_disk(left: u64) -> Made {
    let folder = temporary()?;
    let disk = Mount::new(&["-t", "tmpfs", "-o", "size=8m", "tmpfs"], folder.path())?;
    let fillers = [folder.path().join("filler"), folder.path().join("filler")];
    let place = folder.path().to_owned();
    let [filler, same] = fillers;
    let relent = move || {
        // Both are kept for as long as the store is in use.
        let _ = (&disk, &folder);
        std::fs::remove_file(&same).unwrap();
    };
    let refuse = move || {
        // What is free in the file needs no disk.
        let file = filler.with_file_name(SQLITE);
        if file.exists() {
            rusqlite::Connection::open(file).unwrap().execute_batch("VACUUM").unwrap();
        }
        fill(&filler, left);
    };
    Ok(sqlite_in(&place, refuse, relent))
}

/// Grows a file until so many bytes are left on its disk.
fn fill(filler: &Path, left: u64) {
    let mut file = File::create(filler).unwrap();
    let mut written = 0;
    loop {
        match file.write(&[0; 4096]) {
            Ok(bytes) => written += bytes as u64,
            Err(error) if error.kind() == ErrorKind::StorageFull => break,
            Err(error) => panic!("{error}"),
        }
    }
    file.set_len(written - left).unwrap();
}

/// A disk with room for a small write, and for none as large as a segment.
pub fn disk_nearly_full() -> Made {
    full_disk(100 * 1024)
}

pub fn disk_full() -> Made {
    full_disk(0)
}

/// A mount that can only be read. A process that has the file open keeps the kernel from it, so it
/// has to be one that was started afterwards.
fn read_only(what: &'static str) -> Made {
    let folder = temporary()?;
    drop(Mount::read_only(folder.path())?);
    let place = folder.path().to_owned();
    let mounted = Arc::new(Mutex::new(None));
    let same = mounted.clone();
    let refuse = move || {
        *mounted.lock().unwrap() = Some(Mount::read_only(&folder.path().join(what)).unwrap());
    };
    Ok(sqlite_in(&place, refuse, move || drop(same.lock().unwrap().take())))
}

pub fn read_only_folder() -> Made {
    read_only("")
}

pub fn read_only_file() -> Made {
    read_only(SQLITE)
}

/// An address that hands each new connection on to the port last stored.
fn door(port: u16) -> (String, Arc<AtomicU16>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let behind = Arc::new(AtomicU16::new(port));
    let now = behind.clone();
    // Until the test's process ends.
    std::thread::spawn(move || {
        for outside in listener.incoming().map_while(Result::ok) {
            let Ok(inside) = TcpStream::connect(("127.0.0.1", now.load(Ordering::Relaxed))) else {
                continue;
            };
            for (mut from, mut to) in
                [(outside.try_clone().unwrap(), inside.try_clone().unwrap()), (inside, outside)]
            {
                let _ = (from.set_nodelay(true), to.set_nodelay(true));
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (url, behind)
}
