//! `cargo xtask build`: the components, and the wasm32-wasip2 target that they need.
//!
//! The target is looked for where it costs least: installed; from rustup; from Debian's own
//! archive, which has a Rust with the library's source where rustup can download nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::tool::{self, Installs};
use crate::{shell, tool::answer};

const TARGET: &str = "wasm32-wasip2";
/// Where the manifests look for components, from the checkout's root.
pub const RELEASES: &str = "target/wasm32-wasip2/release";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "wasi-libc"];
/// Longest time for rustup to fetch the target: some 20 MB.
const FETCH: Duration = Duration::from_mins(3);

/// Variables that cargo takes instead of the flags in `.cargo/config.toml`, which the component's speed
/// depends on.
const OTHER_FLAGS: [&str; 2] = ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"];

/// Variables that would send Debian's cargo to another toolchain.
const OTHER_TOOLCHAINS: [&str; 8] = [
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "LD_LIBRARY_PATH",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTUP_TOOLCHAIN",
];

/// Those that are built, the shipper last.
const COMPONENTS: [&str; 3] = ["kong_cloudtrail_toy", STATUS, "kong_cloudtrail"];
const STATUS: &str = "kong_cloudtrail_status";

/// Builds the components and says where they are.
pub fn run(installs: Installs) -> Result<ExitCode> {
    let shipper = component(installs)?;
    for component in [&shipper, &shipper.with_file_name(STATUS).with_extension("wasm")] {
        let kib = component.metadata()?.len().div_ceil(1024);
        println!("{} ({kib} KiB)\n  sha256:{}", component.display(), tool::sha256(component)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the components; the path of the one that ships.
pub fn component(installs: Installs) -> Result<PathBuf> {
    let mut command = toolchain(installs)?;
    // Panics name files of dependencies: without this, the bytes would tell who built them where.
    let sources = cargo_home().join("registry/src");
    command.arg("--config").arg(format!(
        "target.{TARGET}.rustflags=['--remap-path-prefix={}=registry']",
        sources.display()
    ));
    for other_flags in OTHER_FLAGS {
        command.env_remove(other_flags);
    }
    for package in ["kong-cloudtrail-shipper", "kong-cloudtrail-status", "kong-cloudtrail-toy"] {
        command.args(["--package", package]);
    }
    command.args(["--target", TARGET, "--release"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    let finished = shell::run("Building the components", &mut command)?.or_show("cargo build")?;
    let mut paths = Vec::new();
    for name in COMPONENTS {
        paths.push(copy_to_where_manifests_look(&finished.stdout, name)?);
    }
    paths.pop().context("components are built")
}

/// Where cargo keeps the sources of dependencies.
fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// The path below the checkout's target folder of what was built. CARGO_TARGET_DIR may point elsewhere, and the
/// manifests do not follow it.
fn copy_to_where_manifests_look(messages: &str, name: &str) -> Result<PathBuf> {
    let built = tool::artifacts(messages, name)
        .into_iter()
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .with_context(|| format!("cargo reports no {name}.wasm"))?;
    let wanted = tool::root()?.join(RELEASES).join(format!("{name}.wasm"));
    if built != wanted {
        std::fs::create_dir_all(wanted.parent().context("the path has a parent")?)?;
        std::fs::copy(&built, &wanted).context("copying the component to where Spin looks")?;
    }
    Ok(wanted)
}

const CLI: &str = "kong-cloudtrail-cli";
const HOST: &str = "kong-cloudtrail";
const SIMULATOR: &str = "kong-cloudtrail-sim";

/// What stands in for Spin and for both services, as native programs, and what they are tried with.
pub struct Binaries {
    pub host: PathBuf,
    pub simulator: PathBuf,
    /// The folder of the manifests.
    pub application: PathBuf,
}

/// Builds the program with the host in it, and the simulators.
pub fn binaries() -> Result<Binaries> {
    binaries_with("Building the host and the simulators", "dev")
}

/// As [`binaries`], optimised.
pub fn fast_binaries() -> Result<Binaries> {
    binaries_with("Building the host and the simulators, optimised", "native")
}

/// As [`binaries`], from what `cargo test --workspace` has built: it puts them beside this program.
pub fn tested_binaries() -> Result<Binaries> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a program is in a folder")?;
    Ok(Binaries {
        host: program(folder, HOST)?,
        simulator: program(folder, SIMULATOR)?,
        application: tool::root()?,
    })
}

/// As [`binaries`], of an archive that was unpacked: the simulators are beside this program, the rest is above.
pub fn unpacked_binaries() -> Result<Binaries> {
    let own = std::env::current_exe()?.canonicalize()?;
    let folder = own.parent().context("a program is in a folder")?;
    let application = folder.parent().context("an archive has a folder of its own")?.to_owned();
    Ok(Binaries {
        host: program(&application, HOST)?,
        simulator: program(folder, SIMULATOR)?,
        application,
    })
}

fn program(folder: &Path, name: &str) -> Result<PathBuf> {
    let program = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    ensure!(program.is_file(), "there is no {}", program.display());
    Ok(program)
}

/// Builds what is the demonstration in an archive: this program, optimised.
pub fn fast_demo() -> Result<PathBuf> {
    let mut command = cargo_build()?;
    command.args(["--package", "xtask", "--profile", "native"]);
    programs("Building the demonstration, optimised", command)?.find("xtask")
}

fn binaries_with(title: &str, profile: &str) -> Result<Binaries> {
    let mut command = cargo_build()?;
    command.args(["--package", CLI, "--package", SIMULATOR, "--bins", "--profile", profile]);
    let built = programs(title, command)?;
    let application = tool::root()?;
    Ok(Binaries { host: built.find(HOST)?, simulator: built.find(SIMULATOR)?, application })
}

/// Builds what the component is measured against, with the component's own optimisations: as it
/// comes, and such that SHA-256 makes no use of the CPU's instructions for it.
pub fn benches() -> Result<[PathBuf; 2]> {
    const BENCHES: &str = "kong-cloudtrail-benches";
    let package = ["--package", BENCHES, "--release"];
    let mut command = cargo_build()?;
    command.args(package);
    let with = programs("Building the Lambda pattern and the native core", command)?;
    let with = with.find(BENCHES)?;
    let folder = with.with_file_name("soft-sha");

    let mut command = cargo_build()?;
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    command.env("RUSTFLAGS", format!("{flags} --cfg sha2_256_backend=\"soft\""));
    command.env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.args(package).arg("--target-dir").arg(folder);
    let without = programs("Building the native core without SHA instructions", command)?;
    Ok([with, without.find(BENCHES)?])
}

/// What a build made.
struct Built(String);

/// Runs a `cargo build`.
fn programs(title: &str, mut command: Command) -> Result<Built> {
    command.args(["--message-format", "json-render-diagnostics"]);
    Ok(Built(shell::run(title, &mut command)?.or_show("cargo build")?.stdout))
}

impl Built {
    fn find(&self, program: &str) -> Result<PathBuf> {
        let mut files = tool::artifacts(&self.0, program).into_iter();
        files.next_back().with_context(|| format!("cargo reports no {program}"))
    }
}

/// A `cargo build` that can compile for the target.
fn toolchain(installs: Installs) -> Result<Command> {
    if std_installed() {
        eprintln!("  the {TARGET} target is installed");
        return cargo_build();
    }
    let rustup = match from_rustup() {
        Ok(()) => {
            eprintln!("  the {TARGET} target came through rustup");
            return cargo_build();
        }
        Err(why) => why,
    };
    eprintln!("  rustup: {rustup:#}");
    let debian = match from_debian(installs) {
        Ok(command) => {
            eprintln!("  building with Debian's Rust and its library source");
            return Ok(command);
        }
        Err(why) => why,
    };
    bail!(
        "no way to compile for {TARGET}:\n\
         - rustup target add {TARGET}: {rustup:#}\n\
         - apt-get install -y --no-install-recommends {} (Debian 12, as root): {debian:#}\n\
         - elsewhere: install the standard library for {TARGET} that belongs to your rustc",
        DEBIAN_PACKAGES.join(" ")
    )
}

fn cargo_build() -> Result<Command> {
    let mut command = tool::cargo()?;
    command.arg("build");
    Ok(command)
}

fn std_installed() -> bool {
    answer("rustc", &["--print", "target-libdir", "--target", TARGET])
        .is_some_and(|dir| Path::new(&dir).is_dir())
}

fn from_rustup() -> Result<()> {
    ensure!(tool::found("rustup"), "not on PATH");
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1");
    let finished = shell::run_within("Fetching the target with rustup", &mut command, FETCH)?;
    if !finished.status.success() {
        let why = finished.stderr.lines().find_map(|line| line.strip_prefix("error: "));
        bail!("{}", why.unwrap_or("it failed without a word"));
    }
    ensure!(std_installed(), "it added the target to another toolchain than rustc's");
    Ok(())
}

/// Debian's Rust has no binary library for the target: it is built from source (`-Zbuild-std`),
/// against Debian's wasi-libc, and linked by the two linkers that rustup's toolchain brings along.
fn from_debian(installs: Installs) -> Result<Command> {
    let linkers = linkers()?;
    installs.ensure(&DEBIAN_PACKAGES)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(linkers.into_iter().chain(std::env::split_paths(&path)))?;

    let mut command = tool::nested("/usr/bin/cargo")?;
    for other_toolchains in OTHER_TOOLCHAINS {
        command.env_remove(other_toolchains);
    }
    command
        .env("PATH", path)
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", "-L native=/usr/lib/wasm32-wasi")
        .args(["build", "-Zbuild-std=std,panic_abort"]);
    Ok(command)
}

/// The folders of `wasm-component-ld` and `wasm-ld` in the active toolchain.
fn linkers() -> Result<[PathBuf; 2]> {
    let libdir = answer("rustc", &["--print", "target-libdir"]).context("no rustc on PATH")?;
    let bin = Path::new(&libdir).with_file_name("bin");
    let folders = [bin.clone(), bin.join("gcc-ld")];
    for (folder, linker) in folders.iter().zip(["wasm-component-ld", "wasm-ld"]) {
        ensure!(
            folder.join(linker).is_file(),
            "{linker} is not in {}: it comes with a rustup toolchain",
            folder.display()
        );
    }
    Ok(folders)
}
