//! How things stand, for people.

use kong_cloudtrail::lease::Holder;
use kong_cloudtrail::status::{
    Finding, Outcome, Run, Status, StreamStatus, Urgency, meaning, number, span, took,
};

use crate::screen::{ATTENTION, BOLD, DIM, FAILED, Screen, WELL, moment};

/// Most runs that are shown.
const RUNS: usize = 8;

/// The texts beside the labels begin here.
const LABEL: usize = 16;

const STREAMS: [&str; 5] = ["STREAM", "SHIPPED TO (UTC)", "BEHIND", "COMPARED (UTC)", "REMEMBERED"];
const LAST_RUNS: [&str; 8] =
    ["ENDED (UTC)", "AGO", "OUTCOME", "TOOK", "REQUESTS", "OBJECTS", "PENDING", "REFUSED"];

/// All that is told. `place` says which ledger it is, `holder` who has its lease, or why that is not known.
pub fn status(
    status: &Status,
    place: &str,
    holder: Result<Option<&Holder>, ()>,
    screen: Screen,
) -> String {
    let (style, verdict) = match status.urgency() {
        Urgency::Note if status.is_well_if_new() => {
            (WELL, "well, if this was the ledger's first run (see below)")
        }
        Urgency::Note => (WELL, "well"),
        Urgency::Attention => (ATTENTION, "needs attention"),
        Urgency::Unknown => (FAILED, "cannot be told"),
    };
    let head = format!("Looking at {place}, at {} UTC", moment(status.now));
    let mut lines = vec![
        screen.wrap(0, &head),
        format!("{} {}", screen.paint(BOLD, "How things stand:"), screen.paint(style, verdict)),
        String::new(),
    ];
    for finding in &status.findings {
        lines.extend(of_finding(finding, screen));
    }
    if let Some(streams) = &status.streams {
        let not_yet = || "not yet".to_owned();
        let rows = streams.each_ref().map(|stream| {
            let shipped_to = stream.watermark.map(moment);
            vec![
                stream.stream.name().to_owned(),
                shipped_to.or_else(|| held_up(status, stream)).unwrap_or_else(not_yet),
                stream.lag_secs.map_or_else(String::new, span),
                stream.compared.map_or_else(not_yet, moment),
                number(stream.remembered),
            ]
        });
        lines.extend(screen.table(&STREAMS, STREAMS.len() - 1, &rows));
        lines.push(String::new());
    }
    lines.extend(facts(status, holder, screen));
    if !status.runs.is_empty() {
        lines.push(String::new());
        lines.extend(runs(status, screen));
    }
    lines.join("\n")
}

/// What was shipped may be much, and what is pending is older.
fn held_up(status: &Status, stream: &StreamStatus) -> Option<String> {
    let pending = status.newest()?.streams[stream.stream as usize].pending;
    (pending > 0).then(|| format!("held up by {}", number(pending)))
}

fn of_finding(finding: &Finding, screen: Screen) -> [String; 4] {
    let (style, mark) = match finding.urgency() {
        Urgency::Note => (DIM, "to know"),
        Urgency::Attention => (ATTENTION, "attention"),
        Urgency::Unknown => (FAILED, "cannot tell"),
    };
    let page = format!("  runbook: docs/operations.md#{}", anchor(finding.title()));
    [
        format!(
            "{} {}",
            screen.paint(style, format!("{mark}:")),
            screen.paint(BOLD, finding.title())
        ),
        format!("  {}", screen.wrap(2, &finding.to_string())),
        screen.paint(DIM, page),
        String::new(),
    ]
}

/// The section of the runbook that is headed so.
pub fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}

fn facts(status: &Status, holder: Result<Option<&Holder>, ()>, screen: Screen) -> Vec<String> {
    let ago = |time| format!("{} ago", span(status.age(time)));
    let count = |count: Option<u64>| count.map_or_else(|| "not known".to_owned(), number);
    let lease = match holder {
        Err(()) => "not known".to_owned(),
        Ok(None) => "free: no run is under way".to_owned(),
        Ok(Some(held)) => {
            let until = held.until_ms.div_euclid(1000);
            let owner = super::harmless(&held.short());
            if until > status.now {
                format!("held by the run {owner}, until {} at the latest", moment(until))
            } else {
                format!(
                    "ran out {}: the run {owner} died, and no other has begun since",
                    ago(until)
                )
            }
        }
    };
    let progress = status.last_progress();
    let progress = progress.map(|run| format!("{}, {}", ago(run.at()), moment(run.at())));
    let none = if status.totals.is_some() { "none that is kept" } else { "not known" };
    let mut facts = vec![
        ("last progress".to_owned(), progress.unwrap_or_else(|| none.to_owned())),
        ("lease".to_owned(), lease),
        ("dead letters".to_owned(), count(status.dead_letters)),
        ("generation".to_owned(), count(status.generation)),
    ];
    if let Some(objects @ 1..) = status.intents {
        let told = format!(
            "{objects}: a run was about to send so many objects, and the next one sends them under the same names"
        );
        facts.push(("intents".to_owned(), told));
    }
    for (index, note) in status.notes().iter().enumerate() {
        let label = if index == 0 { "notes" } else { "" };
        facts.push((label.to_owned(), format!("{note}: {}", meaning(note))));
    }
    let line = |(label, told): (String, String)| {
        format!(" {}{}", screen.paint(DIM, format!("{label:<15}")), screen.wrap(LABEL, &told))
    };
    facts.into_iter().map(line).collect()
}

/// The table of the last runs, each with its error, should the line above not have the same.
fn runs(status: &Status, screen: Screen) -> Vec<String> {
    let shown = &status.runs[..status.runs.len().min(RUNS)];
    let rows: Vec<_> = shown.iter().map(|run| row(run, status)).collect();
    let mut table = screen.table(&LAST_RUNS, 3, &rows).into_iter();
    let mut lines: Vec<_> = table.next().into_iter().collect();
    let of_newest = |finding: &Finding| {
        matches!(finding, Finding::Failing(..) | Finding::Partial(..) | Finding::Strange(..))
    };
    let told = status.findings.iter().any(of_newest);
    let mut above = told.then(|| shown[0].error.as_ref()).flatten();
    for (line, run) in table.zip(shown) {
        let style = match run.outcome {
            Outcome::Ok => WELL,
            Outcome::Partial => ATTENTION,
            Outcome::Failed | Outcome::Unknown(_) => FAILED,
        };
        let word = run.outcome.word();
        lines.push(line.replacen(word, &screen.paint(style, word), 1));
        let error = run.error.as_ref().filter(|error| above != Some(error));
        above = run.error.as_ref().or(above);
        let words = run.attention.join(", ");
        for told in [Some(words).filter(|words| !words.is_empty()).as_ref(), error] {
            let told = told.map(|told| screen.wrap(4, told));
            lines.extend(told.map(|told| format!("    {}", screen.paint(DIM, told))));
        }
    }
    lines
}

fn row(run: &Run, status: &Status) -> Vec<String> {
    vec![
        moment(run.at()),
        span(status.age(run.at())),
        run.outcome.word().to_owned(),
        took(run.duration_ms),
        number(run.streams[0].shipped),
        number(run.streams[1].shipped),
        number(run.sum(|stream| stream.pending)),
        number(run.sum(|stream| stream.rejected)),
    ]
}

#[cfg(test)]
mod tests {
    use kong_cloudtrail::status::Found;
    use kong_cloudtrail::store::Store;
    use serde_json::json;

    use super::*;
    use crate::scene::Scene;

    const NOW: i64 = 1_795_348_800;
    const SCREEN: Screen = Screen { width: 90, colour: false };

    fn shown(scene: &Scene, screen: Screen) -> String {
        let mut found = Found::read_all(&scene.store());
        let told = Status::of(&mut found, NOW * 1000, 900);
        status(&told, "the ledger \"default\" in memory", Ok(None), screen)
    }

    fn of(shipped: u64, pending: u64) -> serde_json::Value {
        json!({ "requests": { "shipped": shipped, "pending": pending }, "objects": { "shipped": 2 } })
    }

    #[test]
    fn a_ledger_that_is_well() {
        let first =
            json!({ "duration_ms": 61_000, "attention": ["new-ledger"], "streams": of(1400, 0) });
        let scene = Scene::at(NOW)
            .run(420, &first)
            .run(120, &json!({ "notes": ["plaintext"], "streams": of(12, 0) }))
            .written(121, &[]);
        assert_eq!(
            shown(&scene, SCREEN),
            r#"Looking at the ledger "default" in memory, at 2026-11-22 12:00:00 UTC
How things stand: well, if this was the ledger's first run (see below)

to know: Something happened
  new-ledger, 7 min 0 s ago: The store had no ledger of this name: it was a first run, or
  somebody has emptied the store or changed ledger. The store cannot tell which. Search
  your log for a report of this ledger from before that time. None: a first run. Any:
  stop the runs, and see "The store has lost something" in the runbook.
  runbook: docs/operations.md#something-happened

 STREAM    SHIPPED TO (UTC)     BEHIND     COMPARED (UTC)  REMEMBERED
 requests  2026-11-22 11:57:59  2 min 1 s  not yet                  0
 objects   2026-11-22 11:57:59  2 min 1 s  not yet                  0

 last progress  2 min 0 s ago, 2026-11-22 11:58:00
 lease          free: no run is under way
 dead letters   0
 generation     1
 notes          plaintext: allow_plaintext is on: Kong's token and the entries, or Redis'
                password, may be read on their way.

 ENDED (UTC)          AGO        OUTCOME       TOOK  REQUESTS  OBJECTS  PENDING  REFUSED
 2026-11-22 11:58:00  2 min 0 s  ok            0 ms        12        2        0        0
 2026-11-22 11:53:00  7 min 0 s  ok       1 min 1 s     1,400        2        0        0
    new-ledger"#
        );
    }

    #[test]
    fn an_error_is_told_once_and_a_colour_is_that_of_the_outcome() {
        let failed = json!({ "outcome": "failed", "error": "Kong's Admin API cannot be reached" });
        let other = json!({ "outcome": "failed", "error": "Redis is away" });
        let scene = Scene::at(NOW).run(700, &other).run(300, &failed).run(10, &failed);
        let text = shown(&scene.written(3600, &[]), Screen { colour: true, ..SCREEN });
        assert_eq!(text.matches("Kong's Admin API cannot").count(), 1, "{text}");
        assert!(text.contains("    \u{1b}[2mRedis is away\u{1b}[0m"), "{text}");
        assert!(text.contains("\u{1b}[1m\u{1b}[33mneeds attention\u{1b}[0m"), "{text}");
        assert_eq!(text.matches("\u{1b}[31mfailed").count(), 3, "{text}");
    }

    #[test]
    fn what_cannot_be_read_is_not_known_and_a_stream_that_is_held_up_says_by_how_many() {
        let scene = Scene::at(NOW).under("a key of thirty-two characters...").run(60, &json!({}));
        let scene = scene.written(60, &[]);
        let unkeyed = Store::new(&scene.memory, "default");
        let told = Status::of(&mut Found::read_all(&unkeyed), NOW * 1000, 900);
        let text = status(&told, "", Err(()), SCREEN);
        for label in ["last progress  ", "dead letters   "] {
            assert!(text.contains(&format!(" {label}not known")), "{label}: {text}");
        }

        let held = json!({ "outcome": "partial", "streams": of(69, 1) });
        let scene = Scene::at(NOW).run(60, &held).written(60, &[]);
        let mut told = Status::of(&mut Found::read_all(&scene.store()), NOW * 1000, 900);
        for stream in told.streams.iter_mut().flatten() {
            stream.watermark = None;
        }
        let text = status(&told, "", Ok(None), SCREEN);
        assert!(text.contains(" requests  held up by 1 "), "{text}");
        assert!(text.contains(" objects   not yet "), "{text}");
    }

    #[test]
    fn who_has_the_lease_is_told_and_that_somebody_died_with_it() {
        let scene = Scene::at(NOW).run(60, &json!({})).written(60, &[]);
        let mut found = Found::read_all(&scene.store());
        let told = Status::of(&mut found, NOW * 1000, 900);
        let lease =
            |ms: i64| Holder { owner: "0123456789abcdef".to_owned(), until_ms: NOW * 1000 + ms };
        for (holder, said) in [
            (
                Ok(Some(&lease(90_000))),
                "held by the run 01234567, until 2026-11-22 12:01:30 at the latest",
            ),
            (
                Ok(Some(&lease(-90_000))),
                "ran out 1 min 30 s ago: the run 01234567 died, and no other has begun",
            ),
            (Err(()), "not known"),
        ] {
            let text = status(&told, "", holder, Screen { width: 120, ..SCREEN });
            assert!(text.contains(&format!(" lease          {said}")), "{said}: {text}");
        }
    }
}
