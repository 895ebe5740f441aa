//! The last runs.

use kong_cloudtrail::status::{Outcome, Run, Status};
use maud::{Markup, html};

use crate::format::{ago, moment, number, took};
use crate::page::{UNREADABLE, mark};

/// Runs that are shown at once; the rest is folded up.
const AT_ONCE: usize = 12;

/// The table of runs that are kept: the last ones, and the others folded up.
pub fn table(status: &Status) -> Markup {
    let (first, more) = status.runs.split_at(status.runs.len().min(AT_ONCE));
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
