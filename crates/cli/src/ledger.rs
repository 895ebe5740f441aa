//! The ledger that the component uses with the same options, opened without the component.

use std::sync::Arc;

use anyhow::{Error, Result, anyhow};
use kong_cloudtrail::config;
use kong_cloudtrail::store::fault;
use kong_cloudtrail_application::Application;
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
    /// Its name and where it is, in words.
    pub place: String,
}

/// Opens the ledger for `work`, and says on stderr where it is. Reads only those of the component's variables
/// that give its name and keys. A lease held meanwhile is in `swapped`.
pub fn on_ledger<T>(
    app: &AppArgs,
    swapped: Arc<Swapped>,
    work: impl FnOnce(&Ledger<'_>) -> Result<T>,
) -> Result<T> {
    let app = Application::read(app.options()?)?;
    let variable = |name: &str| app.variables.optional(name).map_err(|why| why.to_string());
    let (name, seals) = config::ledger(variable).map_err(Error::msg)?;
    let stores = app.stores(LABEL)?;
    let place = format!("the ledger {name:?} in {}", stores.place());
    eprintln!("Looking at {place}");
    let port = Port::open(&*stores, LABEL, swapped)
        .map_err(|why| anyhow!("the store cannot be opened: {}", fault::told(&why)))?;
    let store = Store::sealed(&port, &name, seals);
    kong_cloudtrail::ledger::settle_key(&store).map_err(Error::msg)?;
    work(&Ledger { port: &port, store, place })
}
