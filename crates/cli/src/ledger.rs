//! The ledger that the component uses with the same options, opened without the component.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use kong_cloudtrail::config;
use kong_cloudtrail::lease::LeaseError;
use kong_cloudtrail::seal::Seal;
use kong_cloudtrail::store::fault;
use kong_cloudtrail_application::Application;
use kong_cloudtrail_application::key_value::swapped::Swapped;

use crate::arguments::AppArgs;
use crate::port::Port;

pub type Store<'a> = kong_cloudtrail::store::Store<'a, Port>;
pub type Lease<'a> = kong_cloudtrail::lease::Lease<'a, Port>;

/// The store that the component opens.
const LABEL: &str = "default";

/// How long a tool that died keeps runs waiting.
const LEASE: Duration = Duration::from_mins(1);

/// Which values of the ledger are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Those that a run takes.
    Own,
    /// All, whatever key they were written with.
    Any,
}

/// A ledger in an open store.
pub struct Ledger<'a> {
    pub port: &'a Port,
    /// Its values, read and written with the ledger's key.
    pub store: Store<'a>,
    /// Its name and where it is, in words.
    pub place: String,
    /// Whether `ledger_key` is set.
    pub is_keyed: bool,
    /// Whether it is still written with the key before.
    pub changes_key: bool,
    application: &'a Application,
}

impl Ledger<'_> {
    /// One of the component's variables.
    pub fn variable(&self, name: &str) -> Result<Option<String>, String> {
        self.application.variables.optional(name).map_err(|why| why.to_string())
    }

    /// What is wrong where there is no ledger.
    pub fn unused(&self) -> String {
        format!(
            "no run has used {}: check the variable ledger, --runtime-config-file and --state-dir",
            self.place
        )
    }
}

/// Opens the ledger for `work`, and says on stderr where it is. Reads only those of the component's variables
/// that give its name and keys. A lease held meanwhile is in `swapped`.
pub fn on_ledger<T>(
    app: &AppArgs,
    swapped: Arc<Swapped>,
    values: Values,
    work: impl FnOnce(&Ledger<'_>) -> Result<T>,
) -> Result<T> {
    let app = Application::read(app.options()?)?;
    let variable = |name: &str| app.variables.optional(name).map_err(|why| why.to_string());
    let (name, mut seals) = config::ledger(variable).map_err(Error::msg)?;
    if values == Values::Any {
        seals = seals.taking_any();
    }
    let is_keyed = matches!(seals.current(), Seal::Keyed(_));
    let stores = app.stores(LABEL)?;
    let place = format!("the ledger {name:?} in {}", stores.place());
    eprintln!("Looking at {place}");
    let port = Port::open(&*stores, LABEL, swapped)
        .map_err(|why| anyhow!("the store cannot be opened: {}", fault::told(&why)))?;
    let store = Store::sealed(&port, &name, seals);
    let changes_key = kong_cloudtrail::ledger::settle_key(&store).map_err(Error::msg)?;
    work(&Ledger { port: &port, store, place, is_keyed, changes_key, application: &app })
}

/// Does `work` under the lease, so that no run and no other tool is at the ledger.
pub fn under_lease<'a, T>(
    ledger: &'a Ledger<'a>,
    work: impl FnOnce(&Lease<'a>) -> Result<T>,
) -> Result<T> {
    let lease = Lease::take(&ledger.store, ledger.port, LEASE).map_err(|error| match error {
        LeaseError::Held { .. } => anyhow!("{error}: try again then"),
        error => Error::msg(error),
    })?;
    let done = work(&lease);
    if let Err(error) = lease.release() {
        eprintln!("The lease could not be given back, and runs out by itself: {error}");
    }
    done
}
