//! The ledger that the component uses with the same options, opened without the component.

use std::sync::Arc;

use anyhow::{Error, Result};
use kong_cloudtrail::config::{self, StatusConfig};
use kong_cloudtrail_application::Application;
use kong_cloudtrail_application::key_value::StoreManager;
use kong_cloudtrail_application::key_value::swapped::Swapped;

use crate::arguments::AppArgs;
use crate::port::Port;

pub type Store<'a> = kong_cloudtrail::store::Store<'a, Port>;

/// The store that the component opens.
const LABEL: &str = "default";

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
    /// and the status page's own. A lease held meanwhile is in `swapped`.
    pub fn open<T>(
        &self,
        swapped: Arc<Swapped>,
        work: impl FnOnce(&Ledger<'_>) -> Result<T>,
    ) -> Result<T> {
        let variable =
            |name: &str| self.app.variables.optional(name).map_err(|why| why.to_string());
        let StatusConfig { ledger: name, seals, stale_after } =
            config::status(variable).map_err(Error::msg)?;
        let place = format!("the ledger {name:?} in {}", self.stores.place());
        let port = Port::open(&*self.stores, LABEL, swapped);
        let store = Store::sealed(&port, &name, seals);
        work(&Ledger { port: &port, store, name: &name, place, stale_after })
    }
}

/// Opens the ledger for `work`, and says on stderr where it is.
pub fn on_ledger<T>(
    app: &AppArgs,
    swapped: Arc<Swapped>,
    work: impl FnOnce(&Ledger<'_>) -> Result<T>,
) -> Result<T> {
    Place::read(app)?.open(swapped, |ledger| {
        eprintln!("Looking at {}", ledger.place);
        kong_cloudtrail::ledger::settle_key(&ledger.store).map_err(Error::msg)?;
        work(ledger)
    })
}
