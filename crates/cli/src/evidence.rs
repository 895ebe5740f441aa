//! `check` and `verify`: the component on the embedded host, with another task than shipping; and what an
//! operator alone may ask of the store.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use kong_cloudtrail::words::json_shown;
use kong_cloudtrail_application::Application;
use kong_cloudtrail_host::{App, Call, Ending, Entry, Line};
use serde_json::{Value, json};

use crate::runs::RunArgs;
use crate::signals::{self, Signals};

/// The store that the component opens.
const LABEL: &str = "default";
/// The name of the row about it.
const EVICTION: &str = "store-eviction";
/// Redis' policy under which nothing is deleted to make room.
const WANTED: &str = "noeviction";
/// How long Redis is asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tries whether a run would work.
pub async fn check(args: &RunArgs) -> Result<ExitCode> {
    let mut line = match ask(args, "check").await? {
        Told::Line(_, line) => line,
        Told::Interrupted(status) => return Ok(status),
    };
    let row = eviction(args, &line).await?;
    if let Some(rows) = line["rows"].as_array_mut() {
        rows.push(row);
    }
    line["outcome"] = json!(worst(&line));
    args.printer().answer(&json_shown(&line.to_string()));
    Ok(if line["outcome"] == "fail" { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Compares what Kong retains with the ledger.
pub async fn verify(args: &RunArgs) -> Result<ExitCode> {
    let (told, line) = match ask(args, "verify").await? {
        Told::Line(told, line) => (told, line),
        Told::Interrupted(status) => return Ok(status),
    };
    args.printer().answer(&told);
    Ok(if line["outcome"] == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the component said.
enum Told {
    /// Its line, as it stands and as it is read.
    Line(String, Value),
    Interrupted(ExitCode),
}

/// Runs the component with that task. Its other lines are printed as they come.
async fn ask(args: &RunArgs, task: &'static str) -> Result<Told> {
    let app = args.load_for(task)?;
    has_tasks(&app)?;
    let signals = Signals::listen()?;
    let printer = args.printer();
    let is_told = move |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["event"] == task).then_some(line)
    };
    let print = move |line: Line<'_>| match line {
        Line::Stdout(line) if is_told(line).is_some() => {}
        line => printer.line(line),
    };
    let outcome = match app.call_unless(signals.first(), Entry::Command, print).await? {
        Call::Ended(outcome) => outcome,
        Call::Interrupted(signal, swapped) => {
            return Ok(Told::Interrupted(signals::free(signal, &swapped).await));
        }
    };
    if args.usage {
        let micros = u64::try_from(outcome.elapsed.as_micros()).unwrap_or(u64::MAX);
        let usage =
            json!({"event": "usage", "wall_us": micros, "peak_memory_bytes": outcome.peak_memory});
        eprintln!("{usage}");
    }
    if let Ending::Trapped(message) = &outcome.ending {
        bail!("the component trapped: {message}");
    }
    let line = outcome.stdout.iter().rev().find_map(|line| Some((line.clone(), is_told(line)?)));
    match line {
        Some((told, line)) => Ok(Told::Line(told, line)),
        None => bail!("the component printed no line of {task}: is it of this version?"),
    }
}

/// A component that is not given its task would ship.
fn has_tasks(app: &App) -> Result<()> {
    ensure!(
        app.manifest().component.variables.contains_key("task"),
        "the manifest does not give the component the variable task: take spin.toml of this version"
    );
    Ok(())
}

/// The row of what Redis does when it is full.
async fn eviction(args: &RunArgs, line: &Value) -> Result<Value> {
    let stores = Application::read(args.app.options()?)?.stores(LABEL)?;
    let tried = format!("maxmemory-policy of {}", stores.place());
    let (result, found, remedy) = if result_of(line, "store-read") == "fail" {
        ("skipped", "the store could not be read".to_owned(), None)
    } else {
        match tokio::time::timeout(PATIENCE, stores.eviction()).await {
            Err(_) => ("skipped", format!("no answer within {} s", PATIENCE.as_secs()), None),
            Ok(Err(why)) => ("skipped", format!("Redis does not tell it: {why}"), None),
            Ok(Ok(None)) => ("ok", "this store deletes nothing by itself".to_owned(), None),
            Ok(Ok(Some(policy))) => judge(&policy),
        }
    };
    Ok(
        json!({"name": EVICTION, "tried": tried, "result": result, "found": found, "remedy": remedy}),
    )
}

fn judge(policy: &str) -> (&'static str, String, Option<&'static str>) {
    const SET: &str = "set maxmemory-policy to noeviction: what the ledger loses is shipped again";
    match policy {
        WANTED => ("ok", WANTED.to_owned(), None),
        policy if policy.starts_with("volatile-") => (
            "warn",
            format!(
                "{policy}: a full Redis deletes keys with a time to live; the ledger's have none"
            ),
            Some(SET),
        ),
        policy => {
            ("fail", format!("{policy}: a full Redis deletes what the ledger knows"), Some(SET))
        }
    }
}

fn result_of<'l>(line: &'l Value, name: &str) -> &'l str {
    let rows = line["rows"].as_array().into_iter().flatten();
    let row = rows.filter(|row| row["name"] == name).find_map(|row| row["result"].as_str());
    row.unwrap_or_default()
}

/// The worst of the rows.
fn worst(line: &Value) -> &'static str {
    let rows = || line["rows"].as_array().into_iter().flatten();
    let any = |result: &str| rows().any(|row| row["result"] == result);
    if any("fail") {
        "fail"
    } else if any("warn") {
        "warn"
    } else {
        "ok"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_deletes_the_ledgers_keys_fails_and_one_for_others_keys_is_odd() {
        for (policy, result) in [
            ("noeviction", "ok"),
            ("volatile-lru", "warn"),
            ("volatile-ttl", "warn"),
            ("allkeys-lru", "fail"),
            ("allkeys-random", "fail"),
        ] {
            let (told, found, remedy) = judge(policy);
            assert_eq!((told, remedy.is_some()), (result, result != "ok"), "{policy}");
            assert!(found.starts_with(policy));
        }
    }

    #[test]
    fn the_outcome_is_the_worst_row() {
        let with = |results: &[&str]| {
            let rows: Vec<Value> = results.iter().map(|result| json!({"result": result})).collect();
            worst(&json!({ "rows": rows }))
        };
        assert_eq!(with(&["ok", "skipped"]), "ok");
        assert_eq!(with(&["warn", "ok"]), "warn");
        assert_eq!(with(&["warn", "fail"]), "fail");
    }
}
