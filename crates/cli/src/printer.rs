//! What a component prints, handed on: as it is in a pipe, as text for people on a terminal.

use std::io::{Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use kong_cloudtrail::ports::unix_ms;
use kong_cloudtrail_host::{Line, report};
use serde_json::Value;

use crate::screen::{DIM, Screen};
use crate::text;

/// Erases the line that the cursor is in.
const ERASE: &str = "\r\u{1b}[2K";

/// Takes a component's lines. Clones write to the same terminal.
#[derive(Clone)]
pub struct Printer {
    /// Reports alone.
    quiet: bool,
    /// The terminal on stdout; none where lines are handed on as they are.
    screen: Option<Screen>,
    progress: Progress,
}

impl Printer {
    pub fn new(json: bool, quiet: bool) -> Self {
        let screen = Screen::of_stdout(json);
        let on_stderr = Screen::of_stderr().filter(|stderr| stderr.colour && screen.is_some());
        Self { quiet, screen, progress: Progress { screen: on_stderr, shown: Arc::default() } }
    }

    /// Whether people read what is printed.
    pub fn is_for_people(&self) -> bool {
        self.screen.is_some()
    }

    /// Says that a run is under way, until something else is printed.
    pub fn begins(&self) {
        self.progress.show("a run is under way");
    }

    /// What has begun is over.
    pub fn ends(&self) {
        self.progress.erase();
    }

    /// Tells the line that was asked for.
    pub fn answer(&self, line: &str) {
        match self.screen {
            Some(screen) => self.tell(line, screen),
            None => self.print(line),
        }
    }

    /// Hands on a line.
    pub fn line(&self, line: Line<'_>) {
        match (line, self.screen) {
            (Line::Stderr(line), _) => self.words(line),
            (Line::Stdout(line), None) if !self.quiet || report(line).is_some() => self.print(line),
            (Line::Stdout(_), None) => {}
            (Line::Stdout(line), Some(screen)) => self.tell(line, screen),
        }
    }

    fn tell(&self, line: &str, screen: Screen) {
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        match value["event"].as_str() {
            Some("run") => {
                let now = unix_ms(SystemTime::now()).div_euclid(1000);
                self.print(&text::run(&value, screen, now));
            }
            Some("check") => self.print(&text::check(&value, screen)),
            Some("verify") => self.print(&text::verify(&value, screen)),
            _ if self.quiet => {}
            Some("log") if value["code"] == "progress" => {
                self.progress.show(&text::progress(&value));
            }
            Some("log") => self.words(&text::log(&value, screen)),
            _ => self.print(line),
        }
    }

    /// What was asked for.
    fn print(&self, text: &str) {
        self.progress.erase();
        let mut stdout = std::io::stdout().lock();
        // A reader that went away must not end the run.
        let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    }

    /// What is said on the way.
    fn words(&self, text: &str) {
        self.progress.erase();
        let _ = writeln!(stderr(), "{text}");
    }
}

/// A line on stderr that stands until something else is printed.
#[derive(Clone)]
struct Progress {
    /// The terminal; none where there is none, or none that can erase a line.
    screen: Option<Screen>,
    shown: Arc<AtomicBool>,
}

impl Progress {
    fn show(&self, message: &str) {
        let Some(screen) = self.screen else { return };
        let message = text::harmless(message);
        // A line that is longer than the terminal is wide could not be erased.
        let message: String = message.chars().take(screen.width.saturating_sub(1)).collect();
        let _ = write!(stderr(), "{ERASE}{}", screen.paint(DIM, message));
        self.shown.store(true, Ordering::Relaxed);
    }

    fn erase(&self) {
        if self.shown.swap(false, Ordering::Relaxed) {
            let _ = write!(stderr(), "{ERASE}");
        }
    }
}
