//! The queries of `docs/queries`, held against the dialect of SQL that CloudTrail Lake takes: Trino's.
//! What they find is the matter of `tests/queries`.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::round::Round;
use crate::tool::{self, Installs};
use crate::{python, shell};

const SQLFLUFF: (&str, &str) = ("sqlfluff", "4.5.0");
const DIALECT: &str = "trino";
/// Stands in for the event data store, whose id is the table's name.
const PLACEHOLDER: &str = "<event_data_store_id>";

/// Parses each query, as a step of `round`.
pub fn check(round: &mut Round, installs: Installs) {
    const STEP: &str = "queries: Trino's SQL";
    if let Some(sqlfluff) = python::tool(round, STEP, installs, SQLFLUFF, "sqlfluff") {
        round.attempt(STEP, || parse(Command::new(sqlfluff)).map(|seen| ((), seen)));
    }
}

/// Parses all of them; how many there are.
fn parse(mut sqlfluff: Command) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let mut queries = 0;
    for entry in std::fs::read_dir(tool::root()?.join("docs/queries"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|kind| kind != "sql") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let name = path.file_name().context("a query has a name")?;
        ensure!(text.contains(PLACEHOLDER), "{} names no {PLACEHOLDER}", path.display());
        std::fs::write(folder.path().join(name), text.replace(PLACEHOLDER, "event_data_store"))?;
        queries += 1;
    }
    ensure!(queries > 0, "there are no queries in docs/queries");
    sqlfluff.args(["parse", "--dialect", DIALECT]).arg(folder.path());
    // Settings of the user's own do not count.
    sqlfluff.arg("--ignore-local-config");
    shell::run("sqlfluff", &mut sqlfluff)?.or_show("sqlfluff")?;
    Ok(format!("{queries} queries"))
}
