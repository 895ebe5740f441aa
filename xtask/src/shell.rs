//! Child processes and what the terminal shows of them.
//!
//! No child outlives this process: a [`Service`] is killed when dropped, and a signal that ends
//! this process ends every child first.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::NamedTempFile;

use crate::progress::Step;

static CHILDREN: Mutex<Vec<Arc<Mutex<Child>>>> = Mutex::new(Vec::new());

const POLL: Duration = Duration::from_millis(50);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// On SIGINT, SIGTERM or SIGHUP: kills the children, then exits as a shell would report it.
pub fn end_children_on_signals() -> Result<()> {
    ctrlc::set_handler(|| {
        for child in lock(&CHILDREN).iter() {
            let _ = lock(child).kill();
        }
        std::process::exit(130);
    })
    .context("installing the signal handler")
}

/// A child process that is killed when this is dropped.
pub struct Service(Arc<Mutex<Child>>);

impl Service {
    /// Starts `command` with an empty stdin.
    pub fn start(command: &mut Command) -> Result<Self> {
        // Registered under the same lock that the signal handler takes: no child slips through.
        let mut children = lock(&CHILDREN);
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let child = Arc::new(Mutex::new(child));
        children.push(Arc::clone(&child));
        Ok(Self(child))
    }

    /// The exit status, once the child has ended.
    pub fn exited(&self) -> Result<Option<ExitStatus>> {
        Ok(lock(&self.0).try_wait()?)
    }

    /// The first line of the child's stdout, where it was started with a pipe for it. The pipe is
    /// closed after it.
    pub fn first_line(&self) -> Result<String> {
        let stdout = lock(&self.0).stdout.take().context("the child's stdout is not piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(line)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let mut child = lock(&self.0);
        let _ = child.kill();
        let _ = child.wait();
        drop(child);
        lock(&CHILDREN).retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}

/// What a finished command left behind.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Finished {
    /// Prints what the command wrote and fails, unless it succeeded.
    pub fn or_show(self, what: &str) -> Result<Self> {
        if self.status.success() {
            return Ok(self);
        }
        eprint!("{}{}", self.stdout, self.stderr);
        bail!("{what} failed ({}); its output is above", self.status)
    }
}

/// Runs `command` to its end under the heading `title`, keeping its output.
pub fn run(title: &str, command: &mut Command) -> Result<Finished> {
    watch(Step::start(title), command, |_| Ok(()))
}

/// As [`run`], but kills the command and fails after `limit`.
pub fn run_within(title: &str, command: &mut Command, limit: Duration) -> Result<Finished> {
    watch(Step::start(title), command, |step| {
        ensure!(step.elapsed() <= limit, "no end after {} s", limit.as_secs());
        Ok(())
    })
}

/// Runs `command` to its end as `step`, keeping its output; `look` is called again and again, and
/// its error ends the command.
pub fn watch(
    mut step: Step,
    command: &mut Command,
    mut look: impl FnMut(&Step) -> Result<()>,
) -> Result<Finished> {
    // Files, not pipes: a grandchild that lives on would hold a pipe open for ever.
    let stdout = NamedTempFile::new()?;
    let stderr = NamedTempFile::new()?;
    let child = Service::start(command.stdout(stdout.reopen()?).stderr(stderr.reopen()?))?;
    let status = loop {
        if let Some(status) = child.exited()? {
            break status;
        }
        if let Err(why) = look(&step) {
            step.end(false);
            return Err(why);
        }
        step.still(|| last_line(&stderr).unwrap_or_default());
        std::thread::sleep(POLL);
    };
    let took = step.end(status.success());
    Ok(Finished { status, stdout: text(&stdout)?, stderr: text(&stderr)?, took })
}

fn text(file: &NamedTempFile) -> Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(file)?).into_owned())
}

fn last_line(file: &NamedTempFile) -> Result<String> {
    let mut file = file.reopen()?;
    let from = file.metadata()?.len().saturating_sub(500);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let tail = String::from_utf8_lossy(&tail);
    Ok(tail.trim_end().lines().next_back().unwrap_or_default().trim().to_owned())
}
