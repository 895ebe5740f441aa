//! Which names Spin accepts: words of letters and digits, each beginning with a letter and of one
//! case, joined by one separator.

use anyhow::{Result, ensure};

/// A component's name, or a store's label.
pub fn kebab(name: &str) -> Result<()> {
    words(name, '-')
}

/// A store's label.
pub fn snake(name: &str) -> Result<()> {
    words(name, '_')
}

/// A variable's name.
pub fn lower_snake(name: &str) -> Result<()> {
    ensure!(!name.contains(|c: char| c.is_ascii_uppercase()), "must be in lower case");
    snake(name)
}

fn words(name: &str, separator: char) -> Result<()> {
    for word in name.split(separator) {
        ensure!(
            word.starts_with(|c: char| c.is_ascii_alphabetic()),
            "must be words that begin with a letter, separated by {separator:?}"
        );
        ensure!(
            word.chars().all(|c| c.is_ascii_alphanumeric()),
            "may hold letters, digits and {separator:?} alone"
        );
        ensure!(
            !(word.contains(|c: char| c.is_ascii_lowercase())
                && word.contains(|c: char| c.is_ascii_uppercase())),
            "must not mix upper and lower case within a word"
        );
    }
    Ok(())
}
