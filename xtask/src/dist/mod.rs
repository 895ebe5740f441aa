//! `cargo xtask dist`: what a machine without a compiler can run, below `target/dist/`. An archive of the
//! programs, components, manifests and the demonstration, the components by themselves, what each was made of
//! (CycloneDX), and the checksums of all.
//!
//! The same commit gives the same bytes: files in a fixed order, with the commit's time and no owner. Of the
//! programs that holds as far as the compiler keeps it.

mod licences;
mod proof;
mod sbom;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

pub use proof::prove;

use crate::build::{self, Binaries};
use crate::tool::{self, Installs, answer};
use crate::{demo, shell};

/// The components, and the manifests that name them.
const COMPONENTS: [&str; 2] = ["kong_cloudtrail.wasm", "kong_cloudtrail_status.wasm"];
const MANIFESTS: [&str; 3] = ["spin.toml", "spin-command.toml", "spin-status.toml"];

/// Taken as they are, with their names in the archive.
const FILES: [(&str, &str); 7] = [
    (".env.example", ".env.example"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE", "LICENSE"),
    ("README.md", "README.md"),
    ("SECURITY.md", "SECURITY.md"),
    ("docs/installing.md", "INSTALL.md"),
    ("runtime-config.example.toml", "runtime-config.example.toml"),
];

/// The newest C library that the programs may ask for on Linux: that of Amazon Linux 2023 and RHEL 9.
const GLIBC: u32 = 34;

/// The sums of all that lies beside them.
const SUMS: &str = "SHA256SUMS";

#[derive(Args)]
pub struct Arguments {
    /// Components that are built already: those of a release are built once, for all platforms.
    #[arg(long, value_name = "FOLDER")]
    components: Option<PathBuf>,
}

/// Builds and packs it all.
pub fn run(installs: Installs, arguments: &Arguments) -> Result<ExitCode> {
    let components = match &arguments.components {
        Some(folder) => folder.canonicalize()?,
        None => build::component(installs)?.with_file_name(""),
    };
    let (binaries, demo) = (build::fast_binaries()?, build::fast_demo()?);
    let folder = tool::root()?.join("target/dist");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    runs_on_older_systems(&binaries.host)?;
    let archive = pack(&folder, (&binaries, &demo), &components, "--best")?;
    for component in COMPONENTS {
        std::fs::copy(components.join(component), folder.join(component))?;
    }
    sbom::write(&folder, &archive)?;
    for (file, sum) in sums(&folder)? {
        let kib = folder.join(&file).metadata()?.len().div_ceil(1024);
        println!("{sum}  {file} ({kib} KiB)");
    }
    println!("in {}, of commit {}", folder.display(), tool::commit());
    Ok(ExitCode::SUCCESS)
}

/// The archive's name without its ending, and the folder's in it.
fn name() -> Result<String> {
    Ok(format!("kong-cloudtrail-{}-{}", env!("CARGO_PKG_VERSION"), target()?))
}

/// What the programs are built for.
fn target() -> Result<String> {
    answer("rustc", &["--print", "host-tuple"]).context("no rustc on PATH")
}

/// The packages that cargo tells of with that option.
fn packages(title: &str, option: &str) -> Result<Vec<Value>> {
    let mut cargo = tool::cargo()?;
    cargo.args(["metadata", "--format-version", "1", option]);
    let told = shell::run(title, &mut cargo)?.or_show("cargo metadata")?.stdout;
    let mut told: Value = serde_json::from_str(&told).context("cargo metadata")?;
    Ok(told["packages"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

/// Packs the archive into `folder`, as small as `gzip` makes it by that option; its file's name.
fn pack(
    folder: &Path,
    (binaries, demo): (&Binaries, &Path),
    components: &Path,
    gzip: &str,
) -> Result<String> {
    let root = tool::root()?;
    let name = name()?;
    let stage = tempfile::tempdir_in(folder)?;
    let mut contents = BTreeMap::new();
    let mut put =
        |name: &str, content: Vec<u8>, mode| contents.insert(name.to_owned(), (content, mode));
    let read =
        |path: &Path| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
    put("kong-cloudtrail", read(&binaries.host)?, 0o755);
    put("demo/kong-cloudtrail-sim", read(&binaries.simulator)?, 0o755);
    put(&format!("demo/{}", demo::NAME), read(demo)?, 0o755);
    for component in COMPONENTS {
        put(component, read(&components.join(component))?, 0o644);
    }
    for manifest in MANIFESTS {
        let text = std::fs::read_to_string(root.join(manifest))?;
        put(manifest, unpacked(&text)?.into_bytes(), 0o644);
    }
    for (file, name) in FILES {
        put(name, read(&root.join(file))?, 0o644);
    }
    for file in std::fs::read_dir(root.join("deploy/systemd"))? {
        let file = file?;
        put(&format!("systemd/{}", file.file_name().display()), read(&file.path())?, 0o644);
    }
    put("THIRD-PARTY.txt", licences::texts()?.into_bytes(), 0o644);

    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time()?);
    for (file, (content, mode)) in &contents {
        let path = stage.path().join(&name).join(file);
        std::fs::create_dir_all(path.parent().context("it is in the archive's folder")?)?;
        std::fs::write(&path, content)?;
        std::fs::set_permissions(&path, Permissions::from_mode(*mode))?;
        std::fs::File::options().write(true).open(&path)?.set_modified(time)?;
    }
    let files = contents.keys().map(|file| format!("{name}/{file}"));
    let archive = folder.join(format!("{name}.tar"));
    tar(&archive, stage.path(), files)?;
    let mut compress = Command::new("gzip");
    compress.args(["--force", "--no-name", gzip]).arg(&archive);
    shell::run("Compressing", &mut compress)?.or_show("gzip")?;
    Ok(format!("{name}.tar.gz"))
}

/// Packs `files`, in their order and without owners.
fn tar(archive: &Path, from: &Path, files: impl Iterator<Item = String>) -> Result<()> {
    let is_gnu = answer("tar", &["--version"]).is_some_and(|told| told.contains("GNU"));
    let nobody: &[&str] = if is_gnu {
        &["--owner=0", "--group=0", "--numeric-owner"]
    } else {
        &["--uid", "0", "--gid", "0", "--numeric-owner"]
    };
    let mut tar = Command::new("tar");
    // macOS would add files of its own.
    tar.env("COPYFILE_DISABLE", "1");
    tar.args(["--format", "ustar", "-cf"])
        .arg(archive)
        .args(nobody)
        .arg("-C")
        .arg(from)
        .args(files);
    shell::run("Packing", &mut tar)?.or_show("tar")?;
    Ok(())
}

/// A manifest as it is beside its component, where nothing is built.
fn unpacked(manifest: &str) -> Result<String> {
    let source = format!("source = \"{}/", build::RELEASES);
    ensure!(
        manifest.contains(&source),
        "the manifest names no component below {}",
        build::RELEASES
    );
    let text = manifest.replace(&source, "source = \"");
    let sections = text.split_inclusive("\n\n");
    let is_build =
        |section: &&str| section.starts_with("[component.") && section.contains(".build]\n");
    Ok(sections.filter(|section| !is_build(section)).collect::<String>().trim_end().to_owned()
        + "\n")
}

/// The commit's time, or the one that is given, in Unix seconds.
fn time() -> Result<u64> {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let root = tool::root()?.display().to_string();
    let committed = || answer("git", &["-C", &root, "log", "-1", "--format=%ct"]);
    let time = given.or_else(committed).unwrap_or_else(|| "0".to_owned());
    time.parse()
        .with_context(|| format!("SOURCE_DATE_EPOCH is {time:?}, which is no number of seconds"))
}

/// Fails where a program would not start on the systems of [`GLIBC`].
fn runs_on_older_systems(program: &Path) -> Result<()> {
    let needs = newest_glibc(&std::fs::read(program)?);
    ensure!(
        needs.is_none_or(|minor| minor <= GLIBC),
        "{} needs glibc 2.{}, and may need 2.{GLIBC} at most: build on an older system",
        program.display(),
        needs.unwrap_or_default()
    );
    Ok(())
}

/// The greatest minor number of the versions of glibc's symbols that a program asks for.
fn newest_glibc(program: &[u8]) -> Option<u32> {
    const MARK: &[u8] = b"\0GLIBC_2.";
    let found = program.windows(MARK.len()).enumerate().filter(|(_, bytes)| *bytes == MARK);
    let minor = |(at, _)| {
        let digits = program[at + MARK.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(None, |minor, &digit| Some(minor.unwrap_or(0) * 10 + u32::from(digit - b'0')))
    };
    found.filter_map(minor).max()
}

/// Writes the sums of all files in `folder`, as `sha256sum --check` reads them; gives them too.
fn sums(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.is_file() {
            let name = path.file_name().context("a file has a name")?.display().to_string();
            sums.insert(name, tool::sha256(&path)?);
        }
    }
    let lines = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n"));
    std::fs::write(folder.join(SUMS), lines.collect::<String>())?;
    Ok(sums)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_archives_manifest_differs_from_the_checkouts_in_source_and_build_alone() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        for (name, component) in MANIFESTS.iter().zip([COMPONENTS[0], COMPONENTS[0], COMPONENTS[1]])
        {
            let text = std::fs::read_to_string(tool::root().unwrap().join(name)).unwrap();
            let (before, after) = (lines(&text), lines(&unpacked(&text).unwrap()));
            let added: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
            assert_eq!(added, [&format!("source = {component:?}")], "{name}");
            let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
            assert_eq!(gone.len(), 4, "{name}: {gone:?}");
            assert!(gone[1].ends_with(".build]"), "{name}: {gone:?}");
        }
    }

    #[test]
    fn the_newest_glibc_is_the_greatest_number_and_not_the_last() {
        assert_eq!(newest_glibc(b"..\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.2.5\0"), Some(34));
        assert_eq!(newest_glibc(b"libSystem"), None);
    }
}
