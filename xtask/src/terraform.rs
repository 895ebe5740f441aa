//! The Terraform files: their format, and what Terraform says of them where its provider can be had.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::round::{Outcome, Round};
use crate::{shell, tool};

/// HashiCorp's own formatter, compiled to WebAssembly.
const HCL_TOOLS: (&str, &str) = ("@cdktn/hcl-tools", "0.24.0");

const FORMAT: &str = "\
const { readFileSync } = require('fs');
const { format } = require(process.argv[1]);
(async () => {
  for (const file of process.argv.slice(2)) {
    const text = readFileSync(file, 'utf8');
    if ((await format(text)) !== text) {
      console.log(file);
      process.exitCode = 3;
    }
  }
})();";

/// Checks them as steps of `round`.
pub fn check(round: &mut Round) -> Result<()> {
    format(round)?;
    validate_and_test(round)
}

/// A Terraform that knows write-only arguments.
fn own_terraform() -> Result<Command> {
    let told = tool::answer("terraform", &["version", "-json"]).context("no terraform on PATH")?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    let version = told["terraform_version"].as_str().context("terraform tells no version")?;
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let new = (parts.next(), parts.next()) >= (Some(1), Some(11));
    ensure!(new, "terraform {version} is older than 1.11");
    let mut command = Command::new("terraform");
    command.env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
    Ok(command)
}

fn format(round: &mut Round) -> Result<()> {
    const STEP: &str = "terraform: format";
    let folder = tool::root()?.join("terraform");
    if let Ok(mut terraform) = own_terraform() {
        terraform.args(["fmt", "-check", "-diff", "-recursive"]).arg(folder);
        return round.command(STEP, &mut terraform);
    }
    match formatter() {
        Err(why) => round.skip(STEP, &why),
        Ok(formatter) => {
            let mut node = Command::new("node");
            node.args(["-e", FORMAT]).arg(formatter).args(files(&folder, &LANGUAGES)?);
            round.command(STEP, &mut node)?;
        }
    }
    Ok(())
}

/// The formatter's package for node, installed below `target/` where it is not there yet.
fn formatter() -> Result<PathBuf> {
    let (name, version) = HCL_TOOLS;
    let tools = tool::root()?.join("target/tools/node").join(format!("hcl-tools-{version}"));
    let own = tools.join("node_modules").join(name);
    ensure!(tool::found("node"), "neither terraform 1.11 or later nor node on PATH");
    if !own.join("package.json").is_file() {
        ensure!(tool::found("npm"), "neither terraform 1.11 or later nor npm on PATH");
        let mut install = Command::new("npm");
        install.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]);
        install.arg("--prefix").arg(&tools).arg(format!("{name}@{version}"));
        std::fs::create_dir_all(&tools)?;
        shell::run(&format!("Installing {name} {version}"), &mut install)?.or_show("npm")?;
    }
    Ok(own)
}

/// What files of Terraform's language end in.
const LANGUAGES: [&str; 2] = ["tf", "hcl"];

/// The files below `folder` that end in one of these.
pub fn files(folder: &Path, kinds: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // What Terraform keeps there itself.
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".terraform")) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, kinds)?);
        } else if path.extension().and_then(OsStr::to_str).is_some_and(|it| kinds.contains(&it)) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Root modules of their own beside the module: each is tested, which validates it too, or validated where it has no
/// tests.
const ROOTS: [&str; 9] = [
    "examples/cloudtrail",
    "examples/cloudwatch",
    "examples/existing",
    "examples/s3",
    "lake",
    "cloudwatch",
    "s3",
    "watch",
    "deployer",
];
/// The values that an example is planned with, which its user starts from.
const EXAMPLE_VALUES: &str = "terraform.tfvars.example";
/// What it reads beside the Terraform files.
const QUERIES: &str = "docs/queries/cloudwatch";

/// `terraform validate` and `terraform test`, in a copy.
fn validate_and_test(round: &mut Round) -> Result<()> {
    const VALIDATE: &str = "terraform: validate";
    const TEST: &str = "terraform: tests";
    let (copy, seen) = match own_terraform().and_then(|_| prepare()) {
        Ok(prepared) => prepared,
        Err(why) => {
            round.skip(VALIDATE, &why);
            round.skip(TEST, &why);
            return Ok(());
        }
    };
    round.attempt(VALIDATE, || validate(&copy).map(|()| ((), seen)));
    // It cannot pretend ephemeral resources: something else takes their place.
    let stand_in = copy.join("tests/made-secret/main.tf");
    std::fs::copy(stand_in, copy.join("made-secret/main.tf"))?;
    test(round, TEST, &copy)?;
    for root in ROOTS {
        let folder = copy.join(root);
        let tested = folder.join("tests").is_dir();
        let step = format!("{}, {root}", if tested { TEST } else { VALIDATE });
        if init(&folder)?.is_none() {
            round.skip(&step, &anyhow!("terraform init does not find all of its providers"));
        } else if tested {
            test(round, &step, &folder)?;
        } else {
            round.attempt(&step, || validate(&folder).map(|()| ((), String::new())));
        }
    }
    Ok(())
}

fn test(round: &mut Round, step: &str, folder: &Path) -> Result<()> {
    let mut test = own_terraform()?;
    test.current_dir(folder).args(["test", "-no-color"]);
    if folder.join(EXAMPLE_VALUES).is_file() {
        test.arg(format!("-var-file={EXAMPLE_VALUES}"));
    }
    let finished = shell::run(step, &mut test)?;
    let took = finished.took;
    match finished.or_show("terraform test") {
        Ok(finished) => {
            let sum = finished.stdout.lines().last().unwrap_or_default().to_owned();
            round.proved(step, sum, took);
        }
        Err(why) => round.note(step, Outcome::Failed(format!("{why:#}")), took),
    }
    Ok(())
}

fn validate(folder: &Path) -> Result<()> {
    let mut validate = own_terraform()?;
    validate.current_dir(folder).args(["validate", "-no-color"]);
    shell::run("terraform validate", &mut validate)?.or_show("terraform validate").map(|_| ())
}

/// Has Terraform find the providers for the module in `folder`; what it printed where it found them.
fn init(folder: &Path) -> Result<Option<String>> {
    let mut init = own_terraform()?;
    init.current_dir(folder).args(["init", "-backend=false", "-input=false", "-no-color"]);
    let finished = shell::run_within("terraform init", &mut init, Duration::from_mins(5))?;
    Ok(finished.status.success().then_some(finished.stdout))
}

/// A copy of the module with its provider, and what the provider is.
///
/// Where the registry cannot be reached and the machine has another provider, the copy is made for
/// that one, as far as it knows everything but the write-only passwords of Redis and the log group's protection
/// from deletion.
fn prepare() -> Result<(PathBuf, String)> {
    let root = tool::root()?;
    let beside = root.join("target/terraform");
    let copy = beside.join("terraform");
    for older in [false, true] {
        if beside.exists() {
            std::fs::remove_dir_all(&beside)?;
        }
        std::fs::create_dir_all(beside.join(QUERIES))?;
        for query in std::fs::read_dir(root.join(QUERIES))? {
            let query = query?;
            std::fs::copy(query.path(), beside.join(QUERIES).join(query.file_name()))?;
        }
        for file in files(&root.join("terraform"), &[&LANGUAGES[..], &["example"]].concat())? {
            let mut text = std::fs::read_to_string(&file)?;
            if older {
                text = for_an_older_provider(&text);
            }
            let to = copy.join(file.strip_prefix(root.join("terraform"))?);
            std::fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
            std::fs::write(to, text)?;
        }
        if let Some(printed) = init(&copy)? {
            let without = if older { ", without what came later" } else { "" };
            return Ok((copy, provider(&printed).unwrap_or_default() + without));
        }
    }
    bail!(
        "terraform init finds no AWS provider: let its registry be reached, or keep a mirror of it"
    )
}

fn for_an_older_provider(text: &str) -> String {
    const LATER: [&str; 2] = ["passwords_wo", "deletion_protection_enabled"];
    let lines = text.lines().filter(|line| !LATER.iter().any(|later| line.contains(later)));
    let lines = lines.map(|line| line.replace("\">= 6.62.0, < 7.0.0\"", "\">= 5.100\""));
    lines.map(|line| line + "\n").collect()
}

/// `aws 6.62.0`, from what `terraform init` prints.
fn provider(stdout: &str) -> Option<String> {
    let line = stdout.lines().find(|line| line.contains("Installed hashicorp/aws"))?;
    let version = line.split_whitespace().find(|word| word.starts_with('v'))?;
    Some(format!("aws {}", version.trim_start_matches('v')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_an_older_provider_what_came_later_is_left_out_and_nothing_else() {
        let text = "version = \">= 6.62.0, < 7.0.0\"\npasswords_wo = x\npasswords_wo_version = 1\n\
                    deletion_protection_enabled = true\nport = 1\n";
        assert_eq!(for_an_older_provider(text), "version = \">= 5.100\"\nport = 1\n");
    }

    #[test]
    fn the_provider_is_read_from_what_terraform_prints() {
        let printed = "- Installing hashicorp/aws v6.62.0...\n- Installed hashicorp/aws v6.62.0 (signed by HashiCorp)\n";
        assert_eq!(provider(printed), Some("aws 6.62.0".to_owned()));
    }
}
