//! A Spin application as its files tell it: the manifest, the runtime config, the values of its
//! variables, and the key-value stores that they name.
//!
//! It reads the files that Spin reads, by the rules of Spin 4.0.2. The host that runs the component
//! stands on it, and so does the operator's program, which looks at the same stores without the
//! component. So nothing here runs or compiles WebAssembly, and nothing needs an engine for it.

pub mod key_value;
pub mod manifest;
pub mod name;
mod runtime_config;
mod sources;
mod variables;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

pub use runtime_config::RuntimeConfig;
pub use sources::{Given, Sources};
pub use variables::{Template, VariableError, Variables};

use key_value::{Managers, StoreManager};
use manifest::Manifest;

/// What to read, and from where.
#[derive(Default)]
pub struct Options {
    /// The manifest, or the folder that holds `spin.toml`.
    pub manifest: PathBuf,
    /// The runtime config, if there is one.
    pub runtime_config: Option<PathBuf>,
    /// Where the values of variables come from. The process's own environment is not looked at.
    pub variables: Sources,
    /// Where the embedded store's file lies: `.spin` beside the manifest unless set here or in the
    /// runtime config. Set and empty: nowhere, and that store is in memory.
    pub state_dir: Option<PathBuf>,
    /// Stores by label that replace those of the runtime config: a test's own.
    pub stores: Managers,
}

impl Options {
    /// The manifest's file.
    pub fn manifest_file(&self) -> PathBuf {
        if self.manifest.is_dir() { self.manifest.join("spin.toml") } else { self.manifest.clone() }
    }
}

/// What the manifest, the runtime config and the sources of variables make up.
pub struct Application {
    /// The manifest.
    pub manifest: Manifest,
    /// The manifest's folder.
    pub root: PathBuf,
    /// The application's variables. A required one may still lack its value.
    pub variables: Variables,
    /// The stores by label.
    pub stores: Managers,
    /// The runtime config.
    pub runtime_config: RuntimeConfig,
}

impl Application {
    /// Reads the manifest and the runtime config, as Spin does at load.
    ///
    /// That every required variable has a value is for whoever runs the component to ask
    /// ([`Variables::require_all`]): a tool that looks at the store does not need Kong's address.
    pub fn read(options: Options) -> Result<Self> {
        // Both TLS stacks of a larger program may be built in; this one is meant.
        let _ = rustls::crypto::ring::default_provider().install_default();

        let path = options.manifest_file();
        let manifest = Manifest::read(&path)?;
        let root = std::fs::canonicalize(&path)?
            .parent()
            .context("a manifest lies in a folder")?
            .to_owned();

        let runtime_config = match &options.runtime_config {
            Some(path) => RuntimeConfig::read(path)?,
            None => RuntimeConfig::default(),
        };
        let state_dir =
            match options.state_dir.or(runtime_config.state_dir.as_ref().map(Into::into)) {
                Some(folder) if folder.as_os_str().is_empty() => None,
                Some(folder) => Some(std::path::absolute(folder)?),
                None => Some(root.join(".spin")),
            };
        let mut stores = runtime_config.stores(state_dir.as_deref())?;
        stores.extend(options.stores);
        for label in &manifest.component.key_value_stores {
            if !stores.contains_key(label) {
                bail!(
                    "unknown key_value_stores label {label:?} for component {:?}: \
                     add [key_value_store.{label}] to the runtime config",
                    manifest.component_id
                );
            }
        }
        let variables = Variables::new(
            &manifest.component_id,
            &manifest.variables,
            &manifest.component.variables,
            &options.variables,
        )?;
        Ok(Self { manifest, root, variables, stores, runtime_config })
    }

    /// The stores of which the component opens the one labelled `label`.
    pub fn stores(&self, label: &str) -> Result<Arc<dyn StoreManager>> {
        let component = &self.manifest.component;
        let named = component.key_value_stores.iter().any(|named| named == label);
        let stores = self.stores.get(label).filter(|_| named);
        stores.cloned().with_context(|| {
            format!(
                "the component {:?} may not open the store {label:?}: add it to key_value_stores in \
                 the manifest",
                self.manifest.component_id
            )
        })
    }
}
