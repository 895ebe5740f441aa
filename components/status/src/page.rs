//! The page. It needs no script and loads nothing; every text of the store is escaped where it is put in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kong_cloudtrail::status::{
    Finding, Outcome, Run, Status, StreamStatus, Urgency, meaning, span,
};
use kong_cloudtrail::wire::rfc3339;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::answer::Shown;
use crate::chart;

const STYLE: &str = include_str!("style.css");

/// Runs that are shown at once; the rest is folded up.
const RUNS_AT_ONCE: usize = 12;

/// The page's style, as its content security policy names it.
pub fn style_source() -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE)))
}

/// The page.
pub fn render(Shown { ledger, status }: &Shown) -> String {
    let verdict = verdict(status);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (verdict.word) " · kong-cloudtrail " (ledger) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(ledger, status))
                main {
                    (headline(&verdict, status))
                    (figures(status))
                    (shipped(status))
                    div.pair { (streams(status)) (notes(status)) }
                    (runs(status))
                }
                (footer(status))
            }
        }
    };
    page.into_string()
}

/// How things stand, in a word.
struct Verdict {
    class: &'static str,
    word: &'static str,
    says: &'static str,
}

fn verdict(status: &Status) -> Verdict {
    let (class, word, says) = match (status.urgency(), status.findings.first()) {
        (_, Some(Finding::NoRun)) => {
            ("unknown", "No run yet", "Nothing has been shipped that is known of.")
        }
        (Urgency::Unknown, _) => {
            ("unknown", "Cannot tell", "Part of the store cannot be read, or does not hold good.")
        }
        (Urgency::Attention, _) => {
            ("attention", "Needs attention", "Somebody should look at what stands below.")
        }
        (Urgency::Note, _) => {
            ("well", "All is well", "Kong's audit trail is shipped as it is written.")
        }
    };
    Verdict { class, word, says }
}

fn header(ledger: &str, status: &Status) -> Markup {
    html! {
        header {
            div {
                p.name { "kong-cloudtrail" }
                p.what { "Kong's audit trail, on its way to AWS" }
            }
            dl {
                div { dt { "Ledger" } dd { (ledger) } }
                div { dt { "As of" } dd { (moment(status.now)) } }
            }
        }
    }
}

fn headline(verdict: &Verdict, status: &Status) -> Markup {
    html! {
        section.verdict.(verdict.class) {
            (mark(verdict.class))
            div {
                h1 { (verdict.word) }
                p { (verdict.says) " " (latest(status)) }
            }
        }
        @if !status.findings.is_empty() {
            section aria-label="What somebody should know" {
                ul.findings {
                    @for finding in &status.findings {
                        li class=(urgency(finding).0) {
                            span.urgency { (urgency(finding).1) }
                            div { h2 { (finding.title()) } p { (finding) } }
                        }
                    }
                }
            }
        }
    }
}

fn latest(status: &Status) -> Markup {
    html! {
        @if let Some(run) = status.newest() {
            "The last run was " strong { (run.outcome.word()) } " and ended " (ago(status, run.at())) "."
        }
    }
}

fn urgency(finding: &Finding) -> (&'static str, &'static str) {
    match finding.urgency() {
        Urgency::Note => ("note", "Note"),
        Urgency::Attention => ("attention", "Attention"),
        Urgency::Unknown => ("unknown", "Unknown"),
    }
}

/// A shape for each state, so that none is told by its colour alone.
fn mark(class: &str) -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" aria-hidden="true" {
            @match class {
                "well" => {
                    circle cx="12" cy="12" r="10" {}
                    path d="M7.2 12.6l3.2 3.2 6.6-7.2" {}
                }
                "attention" => {
                    path d="M12 2.5L22.5 21.5H1.5Z" {}
                    path d="M12 9v6M12 17.6v1.2" {}
                }
                "failed" => {
                    rect x="2.5" y="2.5" width="19" height="19" rx="2" {}
                    path d="M8 8l8 8M16 8l-8 8" {}
                }
                _ => {
                    circle cx="12" cy="12" r="10" stroke-dasharray="4 2.3" {}
                    path d="M9 9.4a3 3 0 1 1 4.4 2.7c-1 .5-1.4 1-1.4 2M12 16.6v1.2" {}
                }
            }
        }
    }
}

fn figures(status: &Status) -> Markup {
    html! {
        section aria-label="Figures" {
            dl.figures {
                div {
                    dt { "Last success" }
                    @match status.last_progress() {
                        Some(run) => {
                            dd { (span(status.age(run.at()))) }
                            dd.aside { "ago, at " (moment(run.at())) }
                        }
                        None if status.totals.is_none() => { dd { "?" } dd.aside { "the reports cannot be read" } }
                        None => { dd { "–" } dd.aside { "none that is kept" } }
                    }
                }
                @for stream in status.streams.iter().flatten() { (behind(stream)) }
                div {
                    dt { "Dead letters" }
                    @match status.dead_letters {
                        Some(letters) => {
                            dd { (number(letters)) }
                            dd.aside { (if letters == 0 { "nothing was refused" } else { "wait for a decision" }) }
                        }
                        None => { dd { "?" } dd.aside { "their index cannot be read" } }
                    }
                }
                (today(status))
            }
        }
    }
}

fn behind(stream: &StreamStatus) -> Markup {
    html! {
        div {
            dt { "Behind, " (stream.stream.name()) }
            @match (stream.lag_secs, stream.watermark) {
                (Some(lag), Some(watermark)) => {
                    dd { (span(lag)) }
                    dd.aside { "shipped to " (moment(watermark)) }
                }
                _ => { dd { "–" } dd.aside { "nothing is shipped yet" } }
            }
        }
    }
}

fn today(status: &Status) -> Markup {
    let [requests, objects] = status.days.last().map_or([0; 2], |day| day.shipped);
    html! {
        div {
            dt { "Shipped today" }
            @if status.totals.is_some() {
                dd { (number(requests.saturating_add(objects))) }
                dd.aside { (number(requests)) " requests, " (number(objects)) " objects" }
            } @else {
                dd { "?" }
                dd.aside { "the reports cannot be read" }
            }
        }
    }
}

/// What stands in place of what the reports would tell.
const UNREADABLE: &str = "The reports cannot be read.";

fn shipped(status: &Status) -> Markup {
    let days = &status.days;
    html! {
        section {
            div.title {
                h2 { "Shipped a day" }
                @if !days.is_empty() {
                    p.legend {
                        span.key { svg viewBox="0 0 12 12" aria-hidden="true" { rect.requests width="12" height="12" {} } "requests" }
                        span.key { svg viewBox="0 0 12 12" aria-hidden="true" { rect fill="url(#hatch)" width="12" height="12" {} } "objects" }
                    }
                }
            }
            @if status.totals.is_none() {
                p.none { (UNREADABLE) }
            } @else if days.is_empty() {
                p.none { "Nothing has been shipped in the last 30 days." }
            } @else {
                (chart::patterns())
                @for size in &chart::SIZES { (chart::draw(days, size)) }
                details {
                    summary { "As a table" }
                    table {
                        thead { tr { th scope="col" { "Day, UTC" } th.count scope="col" { "Requests" } th.count scope="col" { "Objects" } } }
                        tbody {
                            @for day in days.iter().rev() {
                                tr {
                                    th scope="row" { (date(day.began)) }
                                    td.count data-label="Requests" { (number(day.shipped[0])) }
                                    td.count data-label="Objects" { (number(day.shipped[1])) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn streams(status: &Status) -> Markup {
    html! {
        section {
            h2 { "Streams" }
            @match &status.streams {
                None => p.none { "The ledger's head cannot be read." },
                Some(streams) => table {
                    thead {
                        tr {
                            th scope="col" { "Stream" }
                            th scope="col" { "Shipped to" }
                            th scope="col" { "All compared" }
                            th.count scope="col" { "Remembered" }
                        }
                    }
                    tbody {
                        @for stream in streams {
                            tr {
                                th scope="row" { (stream.stream.name()) }
                                td data-label="Shipped to" { (maybe(stream.watermark)) }
                                td data-label="All compared" { (maybe(stream.compared)) }
                                td.count data-label="Remembered" { (number(stream.remembered)) }
                            }
                        }
                    }
                }
            }
            p.small {
                "Shipped to: the watermark, by Kong's clock. All compared: when all that Kong retains was last held against the ledger. "
                @if let Some(generation) = status.generation { "Generation of the ledger: " (number(generation)) "." }
            }
        }
    }
}

fn notes(status: &Status) -> Markup {
    html! {
        section {
            h2 { "Notes" }
            @if status.totals.is_none() {
                p.none { (UNREADABLE) }
            } @else if status.notes().is_empty() {
                p.none { (if status.runs.is_empty() { "No run is kept." } else { "The last run has none." }) }
            } @else {
                dl.words {
                    @for note in status.notes() { dt { (note) } dd { (meaning(note)) } }
                }
                p.small { "They say what stands: somebody once chose it, or has to live with it." }
            }
        }
    }
}

fn runs(status: &Status) -> Markup {
    let (first, more) = status.runs.split_at(status.runs.len().min(RUNS_AT_ONCE));
    html! {
        section {
            h2 { "Last runs" }
            @if status.totals.is_none() {
                p.none { (UNREADABLE) }
            } @else if first.is_empty() {
                p.none { "No run is kept." }
            } @else {
                (table_of(first, status))
                @if !more.is_empty() {
                    details {
                        summary { (more.len()) " more, back to " (moment(status.runs[status.runs.len() - 1].at())) }
                        (table_of(more, status))
                    }
                }
            }
            p.small { "Runs that were skipped, or could not begin, are not kept and not shown: a store or a lease out of reach shows here as silence." }
        }
    }
}

fn table_of(runs: &[Run], status: &Status) -> Markup {
    html! {
        table.runs {
            thead {
                tr {
                    th scope="col" { "Ended" }
                    th scope="col" { "Outcome" }
                    th.count scope="col" { "Took" }
                    th.count scope="col" { "Requests" }
                    th.count scope="col" { "Objects" }
                    th.count scope="col" { "Pending" }
                    th.count scope="col" { "Refused" }
                }
            }
            @for (index, run) in runs.iter().enumerate() {
                @let above = index.checked_sub(1).and_then(|above| runs[above].error.as_ref());
                tbody {
                    tr {
                        th scope="row" { (moment(run.at())) " " span.age { (ago(status, run.at())) } }
                        td data-label="Outcome" { (outcome(&run.outcome)) }
                        td.count data-label="Took" { (took(run.duration_ms)) }
                        td.count data-label="Requests" { (number(run.streams[0].shipped)) }
                        td.count data-label="Objects" { (number(run.streams[1].shipped)) }
                        (rare("Pending", run.sum(|stream| stream.pending)))
                        (rare("Refused", run.sum(|stream| stream.rejected)))
                    }
                    @if run.error.is_some() || !run.attention.is_empty() {
                        tr.detail {
                            td colspan="7" {
                                @for word in &run.attention { span.word { (word) } " " }
                                @match &run.error {
                                    Some(error) if above == Some(error) => "The same error as the run above.",
                                    Some(error) => (error),
                                    None => {}
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A count that is nearly always 0, and then left out on narrow screens.
fn rare(label: &str, count: u64) -> Markup {
    html! { td.count.zero[count == 0] data-label=(label) { (number(count)) } }
}

fn outcome(outcome: &Outcome) -> Markup {
    let class = match outcome {
        Outcome::Ok => "well",
        Outcome::Partial => "attention",
        Outcome::Failed => "failed",
        Outcome::Unknown(_) => "unknown",
    };
    html! { span.outcome.(class) { (mark(class)) (outcome.word()) } }
}

fn footer(status: &Status) -> Markup {
    html! {
        footer {
            p {
                "Read from the store at " (moment(status.now)) "; reload for the present state. All times are UTC. "
                "The probe at " a href="healthz" { "healthz" } " fails when nothing has succeeded for " (span(status.stale_after)) "; "
                a href="metrics" { "metrics" } " are for Prometheus."
            }
            p { "Status page " (env!("CARGO_PKG_VERSION")) @if let Some(run) = status.newest() { ", shipper " (run.version) ", to " (run.destination) } "." }
        }
    }
}

fn maybe(time: Option<i64>) -> Markup {
    html! { @match time { Some(time) => (moment(time)), None => "not yet" } }
}

fn ago(status: &Status, time: i64) -> String {
    let ahead = time.saturating_sub(status.now);
    if ahead > 0 { format!("{} ahead", span(ahead)) } else { format!("{} ago", span(-ahead)) }
}

fn took(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => span(i64::try_from(millis / 1000).unwrap_or(i64::MAX)),
    }
}

/// `2026-11-28 12:38:00 UTC`
fn moment(secs: i64) -> Markup {
    let machine = rfc3339(secs);
    let (day, time) = machine.trim_end_matches('Z').split_once('T').unwrap_or_default();
    html! { time datetime=(machine) { span { (day) } " " span { (time) " UTC" } } }
}

/// `2026-11-28`
pub(crate) fn date(secs: i64) -> String {
    rfc3339(secs).chars().take(10).collect()
}

/// `12,345`, and from a million on `1.2 M`: for an axis, which has little room.
pub(crate) fn short(count: u64) -> String {
    const UNITS: [&str; 5] = ["M", "G", "T", "P", "E"];
    if count < 1_000_000 {
        return number(count);
    }
    let (mut tenths, mut unit) = (count / 100_000, 0);
    while tenths >= 10_000 {
        (tenths, unit) = (tenths / 1000, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `12,345`
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_spans_of_runs_have_the_unit_that_fits() {
        let shown = [0, 999, 1000, 123_456, 1_234_567].map(number);
        assert_eq!(shown, ["0", "999", "1,000", "123,456", "1,234,567"]);
        let shown = [999_999, 1_000_000, 1_250_000_000, u64::MAX].map(short);
        assert_eq!(shown, ["999,999", "1.0 M", "1.2 G", "18.4 E"]);
        assert_eq!(
            [7, 999, 1049, 59_999, 61_000].map(took),
            ["7 ms", "999 ms", "1.0 s", "59.9 s", "1 min 1 s"]
        );
    }
}
