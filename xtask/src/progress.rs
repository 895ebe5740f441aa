//! What long steps show: a spinner or bar with the elapsed time on a terminal, plain lines otherwise.
//!
//! All of it goes to stderr, so that stdout holds results alone.

use std::fmt;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// How often a step without a terminal says that it is still at work.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// The same for a step that counts.
const COUNT: Duration = Duration::from_secs(2);

/// A step under way.
pub struct Step {
    title: String,
    started: Instant,
    last_sign: Instant,
    bar: ProgressBar,
}

impl Step {
    /// Starts a step of unknown length.
    pub fn start(title: &str) -> Self {
        Self::with(title, ProgressBar::new_spinner(), "{spinner} {prefix} {elapsed}  {wide_msg}")
    }

    /// Starts a step of `total` entries.
    pub fn counting(title: &str, total: u64) -> Self {
        Self::with(
            title,
            ProgressBar::new(total),
            "{spinner} {prefix} [{bar:32}] {human_pos}/{human_len}  {rate}  {elapsed}",
        )
    }

    fn with(title: &str, bar: ProgressBar, template: &str) -> Self {
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = write!(out, "{:.0}/s", state.per_sec());
            })
            .progress_chars("=> ");
        bar.set_style(style);
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        if bar.is_hidden() {
            eprintln!("  .. {title}");
        }
        let now = Instant::now();
        Self { title: title.to_owned(), started: now, last_sign: now, bar }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Gives a sign of life; `detail` says what is going on where nothing is counted.
    pub fn still(&mut self, detail: impl FnOnce() -> String) {
        let total = self.bar.length();
        if !self.bar.is_hidden() {
            self.bar.set_message(detail());
        } else if self.last_sign.elapsed() >= if total.is_some() { COUNT } else { HEARTBEAT } {
            self.last_sign = Instant::now();
            let seconds = self.elapsed().as_secs();
            match total {
                Some(total) => eprintln!("  .. {} of {total}, {seconds} s", self.bar.position()),
                None => eprintln!("  .. {}, {seconds} s: {}", self.title, detail()),
            }
        }
    }

    /// `done` of the entries that [`Step::counting`] announced are through.
    pub fn reached(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Closes the step with one line that stays; returns how long it took.
    pub fn end(self, success: bool) -> Duration {
        self.bar.finish_and_clear();
        let took = self.elapsed();
        let mark = if success { "ok" } else { "no" };
        eprintln!("  {mark} {} ({:.1} s)", self.title, took.as_secs_f64());
        took
    }
}
