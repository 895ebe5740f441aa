//! The command lines in the documents are such as this program takes.

use std::path::Path;

use clap::{CommandFactory as _, Parser as _};

#[path = "../../../xtask/src/docs/blocks.rs"]
#[allow(dead_code, reason = "the book is built elsewhere")]
mod blocks;

use crate::Cli;

fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    blocks::pages(&root).unwrap()
}

#[test]
fn documented_command_lines_are_taken() {
    let mut taken = 0;
    for (page, text) in pages() {
        for block in blocks::blocks(&page, &text).iter().filter(|block| block.is_shell()) {
            for command in block.commands() {
                let program = command.words[0].rsplit('/').next();
                if program == Some("kong-cloudtrail") {
                    let parsed = Cli::try_parse_from(&command.words);
                    // --version and --help are no mistakes.
                    let why = parsed.err().filter(clap::Error::use_stderr);
                    let why = why.map(|why| why.to_string()).unwrap_or_default();
                    assert_eq!(why, "", "{page}:{}", command.line);
                    taken += 1;
                }
            }
        }
    }
    assert!(taken > 8, "{taken}");
}

/// In a sentence a command may be named without what it needs.
#[test]
fn documented_commands_and_options_in_sentences_are_there() {
    let mut met = 0;
    for (page, text) in pages() {
        for (line, span) in blocks::inline(&text) {
            let Some(named) = span.strip_prefix("kong-cloudtrail ") else { continue };
            let mut at = Cli::command();
            at.build();
            for word in named.split_whitespace() {
                if let Some(option) = word.strip_prefix("--") {
                    let option = option.split('=').next().unwrap();
                    let known = at.get_arguments().any(|known| known.get_long() == Some(option));
                    assert!(known, "{page}:{line}: {span}");
                } else if at.has_subcommands() && !word.starts_with(['<', '…', '-']) {
                    let next = at.find_subcommand(word);
                    at = next.unwrap_or_else(|| panic!("{page}:{line}: {span}")).clone();
                }
            }
            met += 1;
        }
    }
    assert!(met > 20, "{met}");
}
