//! What is run: this program's version and commit, and which bytes the component has.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use kong_cloudtrail_application::manifest::Manifest;
use sha2::{Digest, Sha256};

/// Version and commit.
pub static VERSION: LazyLock<String> = LazyLock::new(|| {
    format!("{} (commit {})", env!("CARGO_PKG_VERSION"), kong_cloudtrail::commit!())
});

/// A line for each component of the application in the current folder, or else of the one beside this program.
pub fn components() -> Vec<String> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
    let mut folders = [Some(PathBuf::from(".")), beside].into_iter().flatten();
    let Some(folder) = folders.find(|folder| folder.join("spin.toml").is_file()) else {
        return Vec::new();
    };
    let manifests = ["spin.toml", "spin-status.toml"].map(|name| folder.join(name));
    manifests.iter().filter_map(|manifest| component(manifest).ok()).collect()
}

/// The component of a manifest, with the SHA-256 by which a release's checksums know it.
pub fn component(manifest: &Path) -> Result<String> {
    let source = Manifest::read(manifest)?.component.source();
    let bytes = std::fs::read(manifest.with_file_name(&source))?;
    let name = source.file_name().context("a component is a file")?;
    Ok(format!("{} sha256:{}", name.display(), hex::encode(Sha256::digest(bytes))))
}
