//! `ledger`: what an operator decides about the ledger by hand. Each leaves who, when and why in it.

use std::io::{Write, stdout};
use std::sync::Arc;

use anyhow::{Context, Error, Result, anyhow, ensure};
use clap::Subcommand;
use kong_cloudtrail::config;
use kong_cloudtrail::ledger::{self, Intervention};
use kong_cloudtrail::ports::Clock;
use kong_cloudtrail::words::{json_shown, shown};
use kong_cloudtrail_application::key_value::swapped::Swapped;

use crate::arguments::AppArgs;
use crate::because::Because;
use crate::ledger::{Lease, Ledger, Values, on_ledger, under_lease};
use crate::port::Port;

#[derive(Subcommand)]
pub enum Verb {
    /// Writes the whole ledger with ledger_key, whoever wrote what it holds.
    ///
    /// For a key that was lost. What somebody has forged is taken too: where the key before is known,
    /// set it in ledger_key_previous and make a run, which takes what was written with it alone.
    Rekey(Change),
    /// Binds the ledger to the destination that the component's variables name now.
    ///
    /// What it remembers went to the one before, and is not sent to this one: for a channel or log
    /// group that was made anew in front of the same events, or whose endpoint has changed. Else set
    /// ledger to a new name, which ships all that Kong holds to the new one.
    Rebind(Change),
    /// Goes on without what the store has lost, or what in it does not hold good.
    ///
    /// Runs are failed until then. Dead letters, their index and the record of interventions are gone
    /// for good then; of fingerprints the entries are shipped again, where Kong still holds them.
    /// Where there is a snapshot of the store, restore that.
    Acknowledge(Change),
    /// Who has changed the ledger by hand, when and why: a JSON object a line.
    Interventions {
        #[command(flatten)]
        app: AppArgs,
    },
}

#[derive(clap::Args)]
pub struct Change {
    #[command(flatten)]
    app: AppArgs,
    #[command(flatten)]
    because: Because,
}

type ByHand<'a> = ledger::ByHand<'a, Port>;

/// Does what `verb` says; the lease that it may hold meanwhile is in `swapped`.
pub fn run(verb: &Verb, swapped: Arc<Swapped>) -> Result<()> {
    match verb {
        Verb::Rekey(Change { app, because }) => on_ledger(app, swapped, Values::Any, |ledger| {
            under_lease(ledger, |lease| rekey(ledger, lease, because))
        }),
        Verb::Rebind(Change { app, because }) => on_ledger(app, swapped, Values::Own, |ledger| {
            under_lease(ledger, |_| rebind(ledger, because))
        }),
        Verb::Acknowledge(Change { app, because }) => {
            on_ledger(app, swapped, Values::Own, |ledger| {
                under_lease(ledger, |lease| acknowledge(ledger, lease, because))
            })
        }
        Verb::Interventions { app } => on_ledger(app, swapped, Values::Own, list),
    }
}

/// Refuses a ledger whose key is being changed: its head would be written with the new one before all else is.
fn settled(ledger: &Ledger<'_>) -> Result<()> {
    ensure!(
        !ledger.changes_key,
        "the ledger is still written with the key in ledger_key_previous: make a run, which writes it anew, and try again"
    );
    Ok(())
}

/// The ledger as it is stored, under the lease.
pub fn by_hand<'a>(ledger: &'a Ledger<'a>) -> Result<ByHand<'a>> {
    settled(ledger)?;
    ByHand::load(&ledger.store).map_err(Error::msg)?.with_context(|| ledger.unused())
}

/// Says on stderr what went on record.
pub fn recorded(intervention: &Intervention) {
    let Intervention { who, what, why, .. } = intervention;
    eprintln!("On record: {}: {}; {}", shown(who), shown(what), shown(why));
}

fn rekey(ledger: &Ledger<'_>, lease: &Lease<'_>, because: &Because) -> Result<()> {
    ensure!(ledger.is_keyed, "ledger_key is not set: set the new one");
    let intervention =
        because.doing("rekey: everything was written anew with ledger_key, whoever had written it");
    let hold = || lease.hold().map_err(|why| why.to_string());
    let is_there = ledger::rekey(&ledger.store, intervention.clone(), hold).map_err(Error::msg)?;
    ensure!(is_there, ledger.unused());
    recorded(&intervention);
    eprintln!("The ledger is written with ledger_key. Clear ledger_key_previous, if it is set");
    Ok(())
}

fn rebind(ledger: &Ledger<'_>, because: &Because) -> Result<()> {
    let target = config::target(|name| ledger.variable(name)).map_err(Error::msg)?;
    let mut hands = by_hand(ledger)?;
    let bound = hands.head.target.replace(target.clone());
    let bound = bound.ok_or_else(|| {
        anyhow!(
            "the ledger is not bound yet: the first destination that accepts something binds it"
        )
    })?;
    ensure!(bound != target, "the ledger is bound to {} already", shown(&target));
    let intervention =
        because.doing(format!("rebind: from {bound} to {target}")).about(vec![target.clone()]);
    hands.write(intervention.clone()).map_err(Error::msg)?;
    recorded(&intervention);
    eprintln!(
        "The ledger is bound to {}. What it remembers went to {}",
        shown(&target),
        shown(&bound)
    );
    Ok(())
}

fn acknowledge(ledger: &Ledger<'_>, lease: &Lease<'_>, because: &Because) -> Result<()> {
    settled(ledger)?;
    let intervention =
        because.doing("acknowledge: the ledger goes on without what was lost or did not hold good");
    let number = ledger.port.now_ms().unsigned_abs();
    let hold = || lease.hold().map_err(|why| why.to_string());
    let told = ledger::acknowledge(&ledger.store, intervention.clone(), number, hold)
        .map_err(Error::msg)?;
    ensure!(!told.is_empty(), "nothing is lost, and everything holds good: nothing was changed");
    recorded(&intervention);
    for error in told {
        eprintln!("Acknowledged: {}", error.told().cause);
    }
    Ok(())
}

fn list(ledger: &Ledger<'_>) -> Result<()> {
    let hands = ByHand::load(&ledger.store).map_err(Error::msg)?;
    let hands = hands.with_context(|| ledger.unused())?;
    let mut out = stdout().lock();
    for intervention in hands.record().kept() {
        writeln!(out, "{}", json_shown(&serde_json::to_string(intervention)?))?;
    }
    Ok(())
}
