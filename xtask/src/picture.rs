//! `cargo xtask picture`: the status page in each of its states, in light and dark, wide and narrow, as a headless
//! Chromium shows it. Two of the pictures are the README's.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::shell;
use crate::tool::{self, Installs};

/// What Chromium and its kin are called.
const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const DEBIAN_PACKAGE: &str = "chromium";

/// Blink's word for a scheme that the user prefers.
const SCHEMES: [(&str, &str); 2] = [("light", "1"), ("dark", "0")];
/// A name, and width and height in CSS pixels. Heights are those of the longest page.
const SCREENS: [(&str, u32, u32); 2] = [("wide", 1120, 1800), ("narrow", 390, 3400)];
/// The README's: what fits a first look.
const README: (&str, u32, u32) = ("readme", 1120, 1126);

const LONGEST: Duration = Duration::from_mins(1);

/// Draws all of them into `target/pictures`, and the README's into `docs/images`.
pub fn run(installs: Installs) -> Result<ExitCode> {
    let browser = browser(installs)?;
    let folder = tool::root()?.join("target/pictures");
    std::fs::create_dir_all(&folder)?;
    let mut pages = tool::cargo()?;
    pages.args([
        "run",
        "--quiet",
        "--package",
        "kong-cloudtrail-status",
        "--example",
        "scenes",
        "--",
    ]);
    shell::run("Writing the pages", pages.arg(&folder))?.or_show("the example scenes")?;

    for page in pages_in(&folder)? {
        for screen in SCREENS {
            for scheme in SCHEMES {
                take(browser, &page, screen, scheme)?;
            }
        }
    }
    let page = folder.join("healthy.html");
    for scheme in SCHEMES {
        let picture = take(browser, &page, README, scheme)?;
        let image = tool::root()?.join(format!("docs/images/status-{}.png", scheme.0));
        std::fs::copy(&picture, &image)?;
        println!("{}", image.display());
    }
    println!("{}: all of them", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn browser(installs: Installs) -> Result<&'static str> {
    let found = || BROWSERS.into_iter().find(|name| tool::found(name));
    if let Some(browser) = found() {
        return Ok(browser);
    }
    installs.ensure(&[DEBIAN_PACKAGE]).context("no Chromium and no Chrome on PATH: install one")?;
    found().context("the package brings no Chromium")
}

fn pages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let files = files.into_iter().map(|file| file.path());
    let mut pages: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "html")).collect();
    pages.sort();
    ensure!(!pages.is_empty(), "the example wrote no page");
    Ok(pages)
}

/// One picture, beside its page.
fn take(
    browser: &str,
    page: &Path,
    (screen, width, height): (&str, u32, u32),
    (scheme, preferred): (&str, &str),
) -> Result<PathBuf> {
    let name = page.file_stem().context("a page has a name")?.to_string_lossy();
    let picture = page.with_file_name(format!("{name}-{screen}-{scheme}.png"));
    let profile = tempfile::tempdir()?;
    let mut command = Command::new(browser);
    // Root has no sandbox, and the page is our own.
    command.args(["--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"]);
    command.args(["--disable-extensions", "--no-first-run", "--force-device-scale-factor=1"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("--blink-settings=preferredColorScheme={preferred}"));
    command.arg(format!("--window-size={width},{height}"));
    command.arg(format!("--screenshot={}", picture.display()));
    command.arg(format!("file://{}", page.display()));
    shell::run_within(&format!("{name}, {screen}, {scheme}"), &mut command, LONGEST)?
        .or_show(browser)?;
    ensure!(picture.is_file(), "{browser} took no picture");
    Ok(picture)
}
