//! That the queries are SQL which CloudTrail Lake can take.

use sqlparser::ast::Statement;
use sqlparser::dialect::{AnsiDialect, GenericDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::{folder, lake, query};

/// Functions that Trino and SQLite both have, alike in what the queries use of them.
const ALIKE: [&str; 9] =
    ["cast", "coalesce", "count", "length", "lower", "max", "min", "row_number", "substr"];
/// Most characters of `QueryStatement` (CloudTrail API reference, `StartQuery`).
const STATEMENT_LIMIT: usize = 10_000;

/// The names of all queries.
fn queries() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let mut names: Vec<String> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "sql"))
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

fn with_table(name: &str) -> String {
    query(name).replace("<event_data_store_id>", "event_data_store")
}

#[test]
fn every_query_is_one_select() {
    for name in queries() {
        // The crate knows no dialect of Trino's: that is held by `cargo xtask test`, with a parser that does.
        let statements = Parser::parse_sql(&AnsiDialect {}, &with_table(&name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(matches!(statements[..], [Statement::Query(_)]), "{name}");
    }
}

#[test]
fn every_query_is_short_enough_to_be_started() {
    for name in queries() {
        let length = query(&name).chars().count();
        assert!(length < STATEMENT_LIMIT, "{name} has {length} characters");
    }
}

#[test]
fn every_function_is_one_that_trino_has() {
    // Keywords that a parenthesis may follow.
    let keywords = ["and", "from", "in", "join", "over"];
    for name in queries() {
        let tokens = Tokenizer::new(&GenericDialect {}, &with_table(&name)).tokenize().unwrap();
        let tokens: Vec<_> =
            tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
        for pair in tokens.windows(2) {
            let [Token::Word(word), Token::LParen] = pair else { continue };
            let word = word.value.to_lowercase();
            let known = ALIKE.contains(&word.as_str())
                || lake::REGISTERED.contains(&word.as_str())
                || keywords.contains(&word.as_str());
            assert!(known, "{name} calls {word}: see that Trino has it, and name it here");
        }
    }
}

#[test]
fn every_query_is_explained() {
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    for name in queries() {
        assert!(readme.contains(&format!("[`{name}.sql`]({name}.sql)")), "{name}");
    }
}
