//! The ledger that the component uses with the same options, opened without the component.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use kong_cloudtrail::config::{self, StatusConfig};
use kong_cloudtrail::lease::LeaseError;
use kong_cloudtrail::seal::Seal;
use kong_cloudtrail_application::Application;
use kong_cloudtrail_application::key_value::StoreManager;
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
    pub name: &'a str,
    /// Its name and where it is, in words.
    pub place: String,
    /// After how many seconds without success something is wrong.
    pub stale_after: i64,
    /// Whether `ledger_key` is set.
    pub is_keyed: bool,
    /// Whether it is still written with the key before. Not known where it is only looked at.
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

/// Where a ledger is, and the application's files and variables that say so.
pub struct Place {
    app: Application,
    stores: Arc<dyn StoreManager>,
}

impl Place {
    pub fn read(app: &AppArgs) -> Result<Self> {
        let app = Application::read(app.options()?)?;
        let stores = app.stores(LABEL)?;
        Ok(Self { app, stores })
    }

    /// Opens the store for `work`. Reads only those of the component's variables that give the ledger's name and keys,
    /// and the status page's own. A lease held meanwhile is in `swapped`. Without `values` the ledger is only looked at.
    pub fn open<T>(
        &self,
        swapped: Arc<Swapped>,
        values: Option<Values>,
        work: impl FnOnce(&Ledger<'_>) -> Result<T>,
    ) -> Result<T> {
        let variable =
            |name: &str| self.app.variables.optional(name).map_err(|why| why.to_string());
        let StatusConfig { ledger: name, mut seals, stale_after } =
            config::status(variable).map_err(Error::msg)?;
        if values == Some(Values::Any) {
            seals = seals.taking_any();
        }
        let is_keyed = matches!(seals.current(), Seal::Keyed(_));
        let place = format!("the ledger {name:?} in {}", self.stores.place());
        let port = Port::open(&*self.stores, LABEL, swapped);
        let store = Store::sealed(&port, &name, seals);
        let mut changes_key = false;
        if values.is_some() {
            eprintln!("Looking at {place}");
            changes_key = kong_cloudtrail::ledger::settle_key(&store).map_err(Error::msg)?;
        }
        let (port, name, application) = (&port, name.as_str(), &self.app);
        work(&Ledger { port, store, name, place, stale_after, is_keyed, changes_key, application })
    }
}

/// Opens the ledger for `work`, and says on stderr where it is.
pub fn on_ledger<T>(
    app: &AppArgs,
    swapped: Arc<Swapped>,
    values: Values,
    work: impl FnOnce(&Ledger<'_>) -> Result<T>,
) -> Result<T> {
    Place::read(app)?.open(swapped, Some(values), work)
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
