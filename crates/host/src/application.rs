//! An application without its component: the manifest, the values of its variables, its stores.
//!
//! Nothing is compiled for it, so that a tool beside the component can look at the same stores.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::key_value::StoreManager;
use crate::key_value::handles::Managers;
use crate::manifest::Manifest;
use crate::runtime_config::RuntimeConfig;
use crate::variables::{Sources, Variables};

/// What to load, and from where.
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
    /// Where compiled components are kept between processes; wasmtime's own cache folder, as with
    /// Spin, unless set.
    pub cache_dir: Option<PathBuf>,
    /// The component sees the folders in `files` themselves, not copies made at load.
    pub direct_mounts: bool,
    /// Stores by label that replace those of the runtime config: a test's own.
    pub stores: Managers,
}

/// What the manifest, the runtime config and the sources of variables make up.
pub struct Application {
    pub(crate) manifest: Manifest,
    /// The manifest's folder.
    pub(crate) root: PathBuf,
    pub(crate) variables: Variables,
    pub(crate) stores: Managers,
    pub(crate) runtime_config: RuntimeConfig,
}

impl Application {
    /// Reads the manifest, the runtime config and the variables, as Spin does at load.
    pub fn read(options: Options) -> Result<Self> {
        // Both TLS stacks of a larger program may be built in; this one is meant.
        let _ = rustls::crypto::ring::default_provider().install_default();

        let path = if options.manifest.is_dir() {
            options.manifest.join("spin.toml")
        } else {
            options.manifest
        };
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

    /// The value of the component's variable `name`.
    pub fn variable(&self, name: &str) -> Result<String> {
        Ok(self.variables.get(name)?)
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
