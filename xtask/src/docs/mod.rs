//! `cargo xtask docs`: builds the book, and checks its links, its commands and the configuration in it. Of what
//! cannot be tried on any machine it prints a list, and of the longest sentences another.

mod blocks;
mod book;
mod sentences;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{self, ExitCode};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser as _;

use crate::round::{Outcome, Round};
use crate::{Cli, shell, terraform, tool};
use blocks::{Block, Command};

/// Programs whose commands are read by what would run them: `cargo xtask` here, `kong-cloudtrail` by its own tests.
const OURS: [&str; 2] = ["kong-cloudtrail", "target/debug/kong-cloudtrail"];
const XTASK: &str = "cargo xtask ";
const BOOK: &str = "book and its links";
/// Programs that come with any system, and what the shell does itself.
const OF_THE_SYSTEM: [&str; 27] = [
    "break",
    "cat",
    "cd",
    "chmod",
    "comm",
    "cp",
    "date",
    "echo",
    "export",
    "grep",
    "local",
    "mkdir",
    "mv",
    "placeholder",
    "printf",
    "read",
    "return",
    "rm",
    "sed",
    "sort",
    "tail",
    "test",
    "tr",
    "umask",
    "uniq",
    "wc",
    "xargs",
];

/// Checks everything; the exit status is a failure when anything failed.
pub fn run() -> Result<ExitCode> {
    let root = tool::root()?;
    let pages = blocks::pages(&root)?;
    let found = found(&pages);
    let mut round = Round::default();
    match book::mdbook() {
        Ok(mdbook) => {
            round.attempt(BOOK, || book::build(&mdbook, &pages).map(|built| ((), built)));
        }
        Err(why) => round.note(BOOK, Outcome::Skipped(format!("{why:#}")), Duration::ZERO),
    }
    round.attempt("shell", || syntax(&found).map(|told| ((), told)));
    round.attempt("cargo xtask …", || verbs(&pages, &found).map(|told| ((), told)));
    round.attempt("terraform output …", || outputs(&root, &found).map(|told| ((), told)));
    round.attempt("regions", || regions(&pages, &found).map(|told| ((), told)));
    let mut tests = tool::cargo()?;
    tests.args(["test", "--workspace", "--test", "docs", "--test", "variables"]);
    round.tests(
        "pages, variables, blocks of configuration",
        shell::run("tests of documents", &mut tests)?,
    );
    let mut tests = tool::cargo()?;
    tests.args(["test", "--workspace", "--bin", "kong-cloudtrail", "--", "documented"]);
    round.tests("kong-cloudtrail …", shell::run("command lines", &mut tests)?);
    println!("{}", not_tried(&found));
    println!("\nThe {} longest sentences:", sentences::SHOWN);
    for sentence in sentences::longest(&pages) {
        println!("{:4} {}:{}  {}", sentence.words, sentence.page, sentence.line, sentence.text);
    }
    Ok(round.close())
}

/// The blocks that a shell reads.
fn found(pages: &[(String, String)]) -> Vec<Block> {
    let all = pages.iter().flat_map(|(page, text)| blocks::blocks(page, text));
    all.filter(Block::is_shell).collect()
}

/// Has bash read each block, and run none.
fn syntax(found: &[Block]) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("block");
    for block in found {
        std::fs::write(&script, placeholders_quoted(&block.script()))?;
        let read = process::Command::new("bash").arg("-n").arg(&script).output()?;
        let why = String::from_utf8_lossy(&read.stderr);
        ensure!(read.status.success(), "{}:{}: bash: {why}", block.page, block.line);
    }
    Ok(format!("{} blocks", found.len()))
}

/// `<id>` would be a redirection.
fn placeholders_quoted(script: &str) -> String {
    let mut parts = script.split('<');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once('>') {
        Some((name, behind))
            if !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_') =>
        {
            format!("{text}{name}{behind}")
        }
        _ => format!("{text}<{part}"),
    })
}

/// Has this program's own parser read what the pages give it, in sentences too.
fn verbs(pages: &[(String, String)], found: &[Block]) -> Result<String> {
    let in_sentences = pages.iter().flat_map(|(page, text)| {
        let spans = blocks::inline(text).into_iter();
        // A list of verbs is no command.
        let spans = spans.filter(|(_, span)| span.starts_with(XTASK) && !span.contains(" | "));
        let block = |(line, span): (usize, String)| Block {
            page: page.clone(),
            line: line - 1,
            language: "sh".to_owned(),
            // A number to be chosen.
            text: span.replace(" N", " 1"),
        };
        spans.map(block).collect::<Vec<_>>()
    });
    let commands = found.iter().flat_map(Block::commands);
    let commands = commands.chain(in_sentences.flat_map(|block| block.commands()));
    let (mut read, mut wrong) = (0, Vec::new());
    for Command { page, line, words } in commands.filter(|command| is_xtask(&command.words)) {
        read += 1;
        match Cli::try_parse_from(&words[1..]) {
            Err(why) if why.use_stderr() => wrong.push(format!("{page}:{line}: {why}")),
            _ => {}
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(format!("{read} command lines"))
}

fn is_xtask(words: &[String]) -> bool {
    words.join(" ").starts_with(XTASK)
}

/// Each output that a page asks Terraform for is declared somewhere below `terraform/`.
fn outputs(root: &Path, found: &[Block]) -> Result<String> {
    let mut declared = BTreeSet::new();
    for file in terraform::files(&root.join("terraform"), &["tf"])? {
        let text = std::fs::read_to_string(&file)?;
        let names = text.split("output \"").skip(1).filter_map(|rest| rest.split('"').next());
        declared.extend(names.map(str::to_owned));
    }
    let mut read = 0;
    for command in found.iter().flat_map(Block::commands) {
        let [program, verb, rest @ ..] = &*command.words else { continue };
        if program != "terraform" || verb != "output" {
            continue;
        }
        for name in rest.iter().filter(|word| !word.starts_with('-')) {
            ensure!(declared.contains(name), "{}:{}: no output {name}", command.page, command.line);
            read += 1;
        }
    }
    Ok(format!("{read} outputs"))
}

/// Each command of the AWS CLI says its region, or an `export AWS_REGION` on its page stands before it.
fn regions(pages: &[(String, String)], found: &[Block]) -> Result<String> {
    let mut read = 0;
    let mut without = Vec::new();
    for command in
        found.iter().flat_map(Block::commands).filter(|command| command.words[0] == "aws")
    {
        let text =
            pages.iter().find(|(page, _)| *page == command.page).map_or("", |(_, text)| text);
        let said = text.lines().take(command.line).any(|line| line.contains("export AWS_REGION="));
        if !said && !command.words.iter().any(|word| word.starts_with("--region")) {
            without.push(format!("{}:{}: {}", command.page, command.line, command.words.join(" ")));
        }
        read += 1;
    }
    ensure!(without.is_empty(), "commands without a region:\n{}", without.join("\n"));
    Ok(format!("{read} commands of aws"))
}

/// What nothing here runs, by program: how often, and on which pages.
fn not_tried(found: &[Block]) -> String {
    let mut programs: BTreeMap<String, (usize, BTreeSet<String>)> = BTreeMap::new();
    for command in found.iter().flat_map(Block::commands) {
        let program = command.words[0].as_str();
        let named = program.starts_with(|c: char| c.is_ascii_lowercase())
            && program.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let function = format!("{program}()");
        let function =
            found.iter().any(|block| block.page == command.page && block.text.contains(&function));
        let read = OURS.contains(&program) || is_xtask(&command.words);
        let output = command.words.starts_with(&["terraform", "output"].map(str::to_owned));
        if named && !read && !output && !function && !OF_THE_SYSTEM.contains(&program) {
            let entry = programs.entry(program.to_owned()).or_default();
            entry.0 += 1;
            entry.1.insert(command.page);
        }
    }
    let mut told = "\nNot tried, since they need an account, a cluster, a Kong or the like \
                    (bash has read them):"
        .to_owned();
    for (program, (count, pages)) in programs {
        let pages: Vec<_> = pages.into_iter().collect();
        let _ = write!(told, "\n  {program:<12} {count:>3}  {}", pages.join(", "));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Vec<(String, String)> {
        blocks::pages(&tool::root().expect("the checkout")).expect("its pages")
    }

    #[test]
    fn commands_are_found_in_pipes_substitutions_and_behind_prompts() {
        let text = "```console\n$ A=1 aws s3 ls | jq -r '.x | .y' >out   # why\n$ eval \"$(terraform output -raw a)\"\nprinted\n```\n";
        let commands: Vec<_> = blocks::blocks("a.md", text)[0].commands();
        let words: Vec<_> =
            commands.iter().map(|found| (found.line, found.words.join(" "))).collect();
        let expected =
            [(2, "aws s3 ls"), (2, "jq -r .x | .y"), (3, "terraform output -raw a"), (3, "$()")];
        assert_eq!(words, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn the_commands_of_the_documents_can_be_read() {
        let (root, pages) = (tool::root().expect("the checkout"), pages());
        let found = found(&pages);
        syntax(&found).expect("bash");
        verbs(&pages, &found).expect("cargo xtask");
        outputs(&root, &found).expect("terraform output");
        regions(&pages, &found).expect("regions");
    }
}
