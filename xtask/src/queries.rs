//! The queries of `docs/queries`, held against the dialects of SQL that they are in. CloudTrail Lake takes
//! Trino's, and so does Athena. CloudWatch Logs takes a part of OpenSearch's, whose functions and backquotes are those of Spark.
//! What they find is the matter of `tests/queries`.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::round::Round;
use crate::tool::{self, Installs};
use crate::{python, shell};

const SQLFLUFF: (&str, &str) = ("sqlfluff", "4.5.0");

struct Queries {
    step: &'static str,
    folder: &'static str,
    dialect: &'static str,
    /// Stands in for the table's name.
    placeholder: &'static str,
}

const QUERIES: [Queries; 3] = [
    Queries {
        step: "queries: Trino's SQL",
        folder: "docs/queries",
        dialect: "trino",
        placeholder: "<event_data_store_id>",
    },
    Queries {
        step: "queries: Spark's SQL",
        folder: "docs/queries/cloudwatch",
        dialect: "sparksql",
        placeholder: "<log_group>",
    },
    Queries {
        step: "queries: Athena's SQL",
        folder: "docs/queries/athena",
        dialect: "trino",
        placeholder: "<trail>",
    },
];

/// Parses each query, as a step of `round`.
pub fn check(round: &mut Round, installs: Installs) {
    for queries in QUERIES {
        let step = queries.step;
        if let Some(sqlfluff) = python::tool(round, step, installs, SQLFLUFF, "sqlfluff") {
            round.attempt(step, || parse(&queries, Command::new(sqlfluff)).map(|seen| ((), seen)));
        }
    }
}

/// Parses all of them; how many there are.
fn parse(of: &Queries, mut sqlfluff: Command) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let mut queries = 0;
    for entry in std::fs::read_dir(tool::root()?.join(of.folder))? {
        let path = entry?.path();
        if path.extension().is_none_or(|kind| kind != "sql") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let name = path.file_name().context("a query has a name")?;
        ensure!(text.contains(of.placeholder), "{} names no {}", path.display(), of.placeholder);
        std::fs::write(folder.path().join(name), text.replace(of.placeholder, "events"))?;
        queries += 1;
    }
    ensure!(queries > 0, "there are no queries in {}", of.folder);
    sqlfluff.args(["parse", "--dialect", of.dialect]).arg(folder.path());
    // Settings of the user's own do not count.
    sqlfluff.arg("--ignore-local-config");
    shell::run("sqlfluff", &mut sqlfluff)?.or_show("sqlfluff")?;
    Ok(format!("{queries} queries"))
}
