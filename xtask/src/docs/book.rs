//! The book: its pages gathered in one folder, built by mdBook, and each of its links followed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::blocks;
use crate::{shell, tool};

const MDBOOK: (&str, &str) = ("mdbook", "0.5.4");
/// As book.toml has them.
const SOURCE: &str = "target/book/src";
const HTML: &str = "target/book/html";

/// The program, without its server and without what watches.
pub fn mdbook() -> Result<PathBuf> {
    tool::pinned_with(MDBOOK, &["--no-default-features"])
}

/// Builds it; where it is, and what was counted.
pub fn build(mdbook: &Path, pages: &[(String, String)]) -> Result<String> {
    let root = tool::root()?;
    gather(&root, pages)?;
    let mut command = Command::new(mdbook);
    command.current_dir(&root).arg("build");
    let finished = shell::run("mdbook", &mut command)?.or_show("mdbook")?;
    ensure!(!finished.stderr.contains("WARN"), "mdbook warns:\n{}", finished.stderr);
    let links = follow(&root.join(HTML))?;
    Ok(format!("{} pages, {links} links: {HTML}/index.html", pages.len()))
}

/// Copies the pages, and each file that they link to, to where they lie in the checkout, below [`SOURCE`].
fn gather(root: &Path, pages: &[(String, String)]) -> Result<()> {
    let source = root.join(SOURCE);
    if source.exists() {
        std::fs::remove_dir_all(&source)?;
    }
    let linked = pages.iter().flat_map(|(page, text)| {
        let images = text.split("src=\"").chain(text.split("srcset=\"")).skip(1);
        let images = images.filter_map(|rest| rest.split('"').next());
        let targets = blocks::targets(text)
            .chain(images)
            .map(|target| target.split('#').next().unwrap_or_default());
        let targets = targets.filter(|target| !target.is_empty());
        targets.map(|target| blocks::joined(blocks::folder(page), target)).collect::<Vec<_>>()
    });
    let files: BTreeSet<String> =
        pages.iter().map(|(page, _)| page.clone()).chain(linked).collect();
    for file in files.iter().filter(|file| root.join(file).is_file()) {
        let to = source.join(file);
        std::fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
        std::fs::copy(root.join(file), to)?;
    }
    // Links of the summary start in docs/, and mdBook takes them from the top.
    let mut summary = std::fs::read_to_string(root.join("docs/SUMMARY.md"))?;
    let targets: BTreeSet<_> = blocks::targets(&summary).map(str::to_owned).collect();
    for target in targets {
        let there = blocks::joined("docs", &target);
        summary = summary.replace(&format!("]({target})"), &format!("]({there})"));
    }
    Ok(std::fs::write(source.join("SUMMARY.md"), summary)?)
}

/// Follows each link of each page to a file and, behind `#`, to something of that name; how many there are.
fn follow(html: &Path) -> Result<usize> {
    let mut pages = BTreeMap::new();
    read(html, &mut pages)?;
    let mut broken = Vec::new();
    let mut links = 0;
    for (page, text) in &pages {
        let folder = page.parent().context("a page is in a folder")?;
        for target in attributes(text, "href").chain(attributes(text, "src")) {
            let outside = target.contains("://") || target.starts_with("mailto:");
            if outside || target.starts_with("data:") || target.is_empty() {
                continue;
            }
            links += 1;
            let (file, name) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { page.clone() } else { folder.join(file) };
            let file = file.canonicalize().unwrap_or(file);
            let anchors = ["id", "name"].map(|of| format!("{of}=\"{name}\""));
            let named = || {
                let page = pages.get(&file);
                page.is_some_and(|text| anchors.iter().any(|anchor| text.contains(anchor)))
            };
            if !file.is_file() || !name.is_empty() && !named() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    broken.dedup();
    ensure!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    Ok(links)
}

/// Reads the pages below `folder` that mdBook made of ours.
fn read(folder: &Path, pages: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path().canonicalize()?;
        // Not found, and the list beside each page, are mdBook's own.
        let own = ["404.html", "toc.html"].iter().any(|name| path.ends_with(name));
        if path.is_dir() {
            read(&path, pages)?;
        } else if !own && path.extension().is_some_and(|kind| kind == "html") {
            let text = std::fs::read_to_string(&path)?;
            pages.insert(path, text);
        }
    }
    Ok(())
}

fn attributes<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let rests = text.split(&format!(" {name}=\"")).skip(1).collect::<Vec<_>>();
    rests.into_iter().filter_map(|rest| rest.split('"').next())
}
