//! `dead-letters`: what CloudTrail refused for good, on the store that the component uses.
//!
//! Formats and lease are the core's. Letters are written under the lease alone, so that no run and no other
//! tool has the same letters in hand (invariant 2). A letter is printed whole before it is deleted (invariant
//! 1).

mod print;

use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::sync::Arc;

use anyhow::{Context, Error, Result, ensure};
use clap::{Args, Subcommand};
use kong_cloudtrail::ledger::{DeadLetter, check_letters};
use kong_cloudtrail_application::key_value::swapped::Swapped;

use crate::arguments::AppArgs;
use crate::because::Because;
use crate::interventions::{by_hand, recorded};
use crate::ledger::{Lease, Ledger, Store, Values, on_ledger, under_lease};
use crate::port::Port;
use crate::screen::Screen;
use print::Listed;

type DeadLetters<'a> = kong_cloudtrail::ledger::DeadLetters<'a, Port>;

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
    ///
    /// Who has dropped which, when and why stays in the ledger (`ledger interventions`).
    Drop {
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        because: Because,
    },
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
    | Verb::Drop { change: Change { app, .. }, .. }) = verb;
    on_ledger(app, swapped, Values::Own, |ledger| {
        let mut letters = load(&ledger.store)?;
        ensure!(
            !letters.chunks().is_empty() || letters.is_of_a_used_ledger().map_err(Error::msg)?,
            ledger.unused()
        );
        match verb {
            Verb::List { json, .. } => list(&mut letters, Screen::of_stdout(*json)),
            Verb::Show { ids, .. } => show(&mut letters, ids),
            Verb::Replay(Change { which, .. }) => change(ledger, which, replay),
            Verb::Drop { change: Change { which, .. }, because } => {
                change(ledger, which, |letters, which, lease| {
                    discard(ledger, letters, which, lease, because)
                })
            }
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
    under_lease(ledger, |lease| {
        check_letters(&ledger.store).map_err(Error::msg)?;
        let mut letters = load(&ledger.store)?;
        which.check(&mut letters)?;
        work(&mut letters, which, lease)
    })
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

/// Prints the letters, puts on record that they go, and then deletes them: a tool that ends on the way has
/// said more than it has done, and never less.
fn discard<'a>(
    ledger: &'a Ledger<'a>,
    letters: &mut DeadLetters<'a>,
    which: &Which,
    lease: &Lease<'a>,
    because: &Because,
) -> Result<()> {
    let mut hands = by_hand(ledger)?;
    let mut ids = Vec::new();
    let mut out = stdout().lock();
    for chunk in letters.chunks() {
        for letter in letters.read(chunk).map_err(Error::msg)?.iter().filter(|it| which.has(it)) {
            print::whole(letter, &mut out)?;
            ids.push(letter.id.clone());
        }
    }
    out.flush()?;
    let dropped = number(ids.len() as u64);
    let intervention = because.doing(format!("drop: {dropped}")).about(ids);
    lease.hold().map_err(Error::msg)?;
    hands.write(intervention.clone()).map_err(Error::msg)?;
    for chunk in letters.chunks() {
        let read = letters.read(chunk).map_err(Error::msg)?;
        let staying: Vec<_> = read.iter().filter(|it| !which.has(it)).cloned().collect();
        if staying.len() < read.len() {
            lease.hold().map_err(Error::msg)?;
            letters.replace(&[chunk], &staying).map_err(Error::msg)?;
        }
    }
    // From now on an earlier index is a lost one.
    hands.head.dead_letters = letters.state();
    hands.write_head(Vec::new()).map_err(Error::msg)?;
    recorded(&intervention);
    eprintln!("Deleted for good: {dropped}. What stdout was given is the only copy");
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
        "the store has lost the dead letters at {}: restore it from its snapshot, or see `kong-cloudtrail ledger \
         acknowledge`; if a run was under way, try again first",
        lost.join(", ")
    );
    Ok(())
}

fn number(letters: u64) -> String {
    if letters == 1 { "1 dead letter".to_owned() } else { format!("{letters} dead letters") }
}
