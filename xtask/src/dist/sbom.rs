//! What the programs and components are made of, as CycloneDX.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::COMPONENTS;
use crate::{shell, tool};

/// The tool that writes it.
const CYCLONEDX: (&str, &str) = ("cargo-cyclonedx", "0.5.9");
/// It writes a file for each package of the workspace, beside its manifest.
const WRITTEN: &str = "sbom.cdx";

/// Writes one for the archive's program and for each component into `folder`, beside them.
pub fn write(folder: &Path, archive: &str) -> Result<()> {
    let cyclonedx = tool::pinned(CYCLONEDX)?;
    let target = super::target()?;
    let programs: &[_] = &[("kong-cloudtrail-cli", archive)];
    let components: &[_] =
        &[("kong-cloudtrail-shipper", COMPONENTS[0]), ("kong-cloudtrail-status", COMPONENTS[1])];
    let packages = packages()?;
    for (target, wanted) in [(&*target, programs), ("wasm32-wasip2", components)] {
        let mut run = tool::nested(&cyclonedx)?;
        run.args(["cyclonedx", "--format", "json", "--spec-version", "1.5", "--target", target]);
        run.args(["--override-filename", WRITTEN]);
        run.env("SOURCE_DATE_EPOCH", super::time()?.to_string());
        shell::run(&format!("What is made for {target}"), &mut run)?.or_show("cargo cyclonedx")?;
        let mut taken = 0;
        for (name, manifest) in &packages {
            let written = manifest.with_file_name(format!("{WRITTEN}.json"));
            match wanted.iter().find(|(package, _)| package == name) {
                Some((_, of)) => {
                    std::fs::rename(written, folder.join(format!("{of}.cdx.json")))?;
                    taken += 1;
                }
                None => std::fs::remove_file(written)?,
            }
        }
        ensure!(taken == wanted.len(), "cargo cyclonedx wrote {taken} of {}", wanted.len());
    }
    Ok(())
}

/// Those of the workspace, each with its manifest.
fn packages() -> Result<Vec<(String, PathBuf)>> {
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let packages = super::packages("Reading the workspace", "--no-deps")?;
    Ok(packages.iter().map(|it| (text(&it["name"]), text(&it["manifest_path"]).into())).collect())
}
