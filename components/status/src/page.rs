//! The page. It needs no script and loads nothing; every text of the store is escaped where it is put in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kong_cloudtrail::status::{Finding, Status, StreamStatus, Urgency, meaning, span};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::answer::Shown;
use crate::format::{ago, date, maybe, moment, number};
use crate::{chart, runs};

const STYLE: &str = include_str!("style.css");

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
                    (runs::table(status))
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
        (Urgency::Note, _) if status.is_well_if_new() => (
            "well",
            "All is well",
            "Kong's audit trail is shipped as it is written, if this was the ledger's first run: see below.",
        ),
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
        Urgency::Note => ("note", "To know"),
        Urgency::Attention => ("attention", "Attention"),
        Urgency::Unknown => ("unknown", "Unknown"),
    }
}

/// A shape for each state, so that none is told by its colour alone.
pub fn mark(class: &str) -> Markup {
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
                    dt { "Last progress" }
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
                @if let Some(objects @ 1..) = status.intents {
                    div {
                        dt { "Intents" }
                        dd { (objects) }
                        dd.aside { "objects that the next run sends under the same names" }
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
pub const UNREADABLE: &str = "The reports cannot be read.";

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

fn footer(status: &Status) -> Markup {
    html! {
        footer {
            p {
                "Read from the store at " (moment(status.now)) "; reload for the present state. All times are UTC. "
                "The probe at " a href="healthz" { "healthz" } " fails when nothing has made progress for " (span(status.stale_after)) "; "
                a href="metrics" { "metrics" } " are for Prometheus."
            }
            p { "Status page " (env!("CARGO_PKG_VERSION")) @if let Some(run) = status.newest() { ", shipper " (run.version) ", to " (run.destination) } "." }
        }
    }
}
