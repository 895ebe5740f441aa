//! `dead-letters`: what CloudTrail refused for good, on the store that the component uses.
//!
//! Formats and lease are the core's. Letters are written under the lease alone, so that no run and no other
//! tool has the same letters in hand (invariant 2). A letter is printed whole before it is deleted (invariant
//! 1).

mod print;

use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, ensure};
use clap::{Args, Subcommand};
use kong_cloudtrail::lease::LeaseError;
use kong_cloudtrail::ledger::DeadLetter;
use kong_cloudtrail_application::key_value::swapped::Swapped;

use crate::arguments::AppArgs;
use crate::ledger::{Ledger, Store, on_ledger};
use crate::port::Port;
use crate::screen::Screen;
use print::Listed;

type Lease<'a> = kong_cloudtrail::lease::Lease<'a, Port>;
type DeadLetters<'a> = kong_cloudtrail::ledger::DeadLetters<'a, Port>;

/// How long a tool that died keeps runs waiting.
const LEASE: Duration = Duration::from_mins(1);

#[derive(Subcommand)]
pub enum Verb {
    /// All of them: what event, when, by whom, and why it was refused.
    ///
    /// USER is the id of Kong's RBAC user; a name in quotes behind it is what the caller said. On a terminal a table,
    /// else a line of JSON for each.
    List {
        #[command(flatten)]
        app: AppArgs,
        /// A line of JSON for each, as in a pipe.
        #[arg(long)]
        json: bool,
    },
    /// Whole: a JSON object for each, whose `event` is what CloudTrail refused, and whose `row` is the text of
    /// what could not be read of Kong, where it is known.
    Show {
        #[command(flatten)]
        app: AppArgs,
        /// Event ids, as `list` prints them.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Has the next run of the component send them again: as they stand, after all else.
    ///
    /// What CloudTrail accepts then is a dead letter no more; what it refuses again stays one, with
    /// the new error and without the mark. Letters whose error begins with `unreadable` hold no event, and
    /// are refused: what they name is tried again by each comparison with all that Kong retains.
    Replay(Change),
    /// Deletes them for good. Each is printed before, as `show` does: redirect stdout to keep them.
    Drop(Change),
}

#[derive(Args)]
pub struct Change {
    #[command(flatten)]
    app: AppArgs,
    #[command(flatten)]
    which: Which,
}

/// Letters by the ids of their events; an id that both streams have stands for both.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Event ids, as `list` prints them.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All that there are.
    #[arg(long)]
    all: bool,
}

impl Which {
    fn has(&self, letter: &DeadLetter) -> bool {
        self.all || self.ids.contains(&letter.id)
    }

    /// Refuses ids that no letter has.
    fn check(&self, letters: &mut DeadLetters<'_>) -> Result<()> {
        let mut unknown: BTreeSet<_> = self.ids.iter().collect();
        for chunk in letters.chunks() {
            for letter in letters.read(chunk).map_err(Error::msg)? {
                unknown.remove(&letter.id);
            }
        }
        refuse(unknown).context("nothing was changed")
    }
}

/// Does what `verb` says; the lease that it may hold meanwhile is in `swapped`.
pub fn run(verb: &Verb, swapped: Arc<Swapped>) -> Result<()> {
    let (Verb::List { app, .. }
    | Verb::Show { app, .. }
    | Verb::Replay(Change { app, .. })
    | Verb::Drop(Change { app, .. })) = verb;
    on_ledger(app, swapped, |ledger| {
        let mut letters = load(&ledger.store)?;
        ensure!(
            !letters.chunks().is_empty() || letters.is_of_a_used_ledger().map_err(Error::msg)?,
            "no run has used {}: check the variable ledger, --runtime-config-file and --state-dir",
            ledger.place
        );
        match verb {
            Verb::List { json, .. } => list(&mut letters, Screen::of_stdout(*json)),
            Verb::Show { ids, .. } => show(&mut letters, ids),
            Verb::Replay(Change { which, .. }) => change(ledger, which, replay),
            Verb::Drop(Change { which, .. }) => change(ledger, which, discard),
        }
    })
}

fn load<'a>(store: &'a Store<'a>) -> Result<DeadLetters<'a>> {
    DeadLetters::load(store).map_err(Error::msg)
}

fn list(letters: &mut DeadLetters<'_>, screen: Option<Screen>) -> Result<()> {
    let mut out = stdout().lock();
    let mut rows = Vec::new();
    for chunk in letters.chunks() {
        for letter in letters.read(chunk).map_err(Error::msg)? {
            if screen.is_some() {
                rows.push(Listed::of(letter));
            } else {
                print::line(&letter, &mut out)?;
            }
        }
    }
    if let Some(screen) = screen.filter(|_| !rows.is_empty()) {
        print::table(&rows, screen, &mut out)?;
    }
    out.flush()?;
    let marked = letters.chunks().iter().map(|chunk| chunk.replays).sum();
    match (letters.count(), marked) {
        (0, _) => eprintln!("There are no dead letters"),
        (kept, 0) => eprintln!("{}", number(kept)),
        (kept, marked) => eprintln!("{}, {marked} of them to be replayed", number(kept)),
    }
    told_of_lost(letters)
}

fn show(letters: &mut DeadLetters<'_>, ids: &[String]) -> Result<()> {
    let mut out = stdout().lock();
    let mut unknown: BTreeSet<_> = ids.iter().collect();
    for chunk in letters.chunks() {
        for letter in letters.read(chunk).map_err(Error::msg)? {
            if ids.contains(&letter.id) {
                print::whole(&letter, &mut out)?;
                unknown.remove(&letter.id);
            }
        }
    }
    out.flush()?;
    told_of_lost(letters)?;
    refuse(unknown)
}

/// Does `work` under the lease, on letters read under it.
fn change<'a>(
    ledger: &'a Ledger<'a>,
    which: &Which,
    work: impl FnOnce(&mut DeadLetters<'a>, &Which, &Lease<'a>) -> Result<()>,
) -> Result<()> {
    let lease = Lease::take(&ledger.store, ledger.port, LEASE).map_err(|error| match error {
        LeaseError::Held { .. } => anyhow!("{error}: try again then"),
        error => Error::msg(error),
    })?;
    let done = load(&ledger.store).and_then(|mut letters| {
        which.check(&mut letters)?;
        work(&mut letters, which, &lease)
    });
    if let Err(error) = lease.release() {
        eprintln!("The lease could not be given back, and runs out by itself: {error}");
    }
    done
}

fn replay(letters: &mut DeadLetters<'_>, which: &Which, lease: &Lease<'_>) -> Result<()> {
    let skipped = without_an_event(letters, which)?;
    ensure!(
        which.all || skipped.is_empty(),
        "{} cannot be sent again, since Kong did not give it and there is no event in it: the next comparison with all \
         that Kong retains tries it; nothing was changed",
        skipped.join(", ")
    );
    let mut marked = 0;
    for chunk in letters.chunks() {
        let mut read = letters.read(chunk).map_err(Error::msg)?;
        let mut changed = false;
        for letter in read.iter_mut().filter(|it| which.has(it) && !it.is_unreadable()) {
            changed |= !letter.replay;
            letter.replay = true;
            marked += 1;
        }
        if changed {
            lease.hold().map_err(Error::msg)?;
            letters.replace(&[chunk], &read).map_err(Error::msg)?;
        }
    }
    eprintln!(
        "Marked for replay: {}. The next run sends them again, as they stand, after all else; those \
         that `list` shows then without the mark were refused again",
        number(marked)
    );
    if !skipped.is_empty() {
        let skipped = number(skipped.len() as u64);
        eprintln!("Not marked, since Kong did not give it and there is no event in it: {skipped}");
    }
    told_of_lost(letters)
}

/// The ids of those letters that hold no event.
fn without_an_event(letters: &mut DeadLetters<'_>, which: &Which) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for chunk in letters.chunks() {
        let read = letters.read(chunk).map_err(Error::msg)?.into_iter();
        ids.extend(read.filter(|it| which.has(it) && it.is_unreadable()).map(|it| it.id));
    }
    Ok(ids)
}

fn discard(letters: &mut DeadLetters<'_>, which: &Which, lease: &Lease<'_>) -> Result<()> {
    let mut out = stdout().lock();
    let mut dropped = 0;
    for chunk in letters.chunks() {
        let (leaving, staying): (Vec<_>, Vec<_>) =
            letters.read(chunk).map_err(Error::msg)?.into_iter().partition(|l| which.has(l));
        // `--all` includes letters that the store has lost: the index then stops counting them.
        if leaving.is_empty() && !which.all {
            continue;
        }
        for letter in &leaving {
            print::whole(letter, &mut out)?;
        }
        out.flush()?;
        lease.hold().map_err(Error::msg)?;
        letters.replace(&[chunk], &staying).map_err(Error::msg)?;
        dropped += leaving.len() as u64;
    }
    eprintln!("Deleted for good: {}. What stdout was given is the only copy", number(dropped));
    told_of_lost(letters)
}

fn refuse(unknown: BTreeSet<&String>) -> Result<()> {
    let unknown: Vec<_> = unknown.into_iter().map(String::as_str).collect();
    ensure!(unknown.is_empty(), "no dead letter has the id {}", unknown.join(", "));
    Ok(())
}

/// Fails where letters were lost. Without the lease that may also be a chunk that a run has just emptied.
fn told_of_lost(letters: &mut DeadLetters<'_>) -> Result<()> {
    let lost = letters.take_lost();
    ensure!(
        lost.is_empty(),
        "the store has lost the dead letters at {}: restore it from its snapshot, or have `drop \
         --all` forget them; if a run was under way, try again first",
        lost.join(", ")
    );
    Ok(())
}

fn number(letters: u64) -> String {
    if letters == 1 { "1 dead letter".to_owned() } else { format!("{letters} dead letters") }
}
