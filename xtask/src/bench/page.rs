//! The figures as tables, on the terminal and in `docs/benchmarks.md`: of that page they are the
//! part between two marks, the rest is written by hand.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use time::OffsetDateTime;

use super::figures::{Cost, Figures, Job, Size, Store, Throughput, mib, rounded, thousands};
use crate::tool;

const PAGE: &str = "docs/benchmarks.md";
const BEGIN: &str = "<!-- figures of `cargo xtask bench`: begin -->\n";
const END: &str = "<!-- end -->\n";

/// Puts `section` into the page.
pub fn write(section: &str) -> Result<()> {
    let path = tool::root()?.join(PAGE);
    let page = replaced(&fs::read_to_string(&path)?, section)
        .with_context(|| format!("{PAGE} lacks the marks between which figures stand"))?;
    fs::write(path, page).context(PAGE)
}

fn replaced(page: &str, section: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{section}\n{END}{after}"))
}

/// All figures and the conditions that they were taken under, as Markdown.
pub fn section(conditions: &str, figures: &Figures) -> String {
    let mut out = format!("{conditions}\n\n{}\n", targets(figures));
    // Writing into a string cannot fail.
    let _ = write!(out, "\n### First run\n\n{}\n", costs(figures, |size| &size.first));
    let steady = costs(figures, |size| &size.steady);
    let new = thousands(figures.new);
    let _ = write!(out, "\n### Steady state, {new} new entries\n\n{steady}\n");
    let _ = write!(out, "\n### Daily comparison, nothing new\n\n{}\n", comparisons(figures));
    let _ = write!(out, "\n### Memory and store after the first run\n\n{}\n", sizes(figures));
    let _ = write!(out, "\n### CPU\n\n{}", cpu(figures));
    out
}

fn table<const N: usize>(header: [&str; N], right_from: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    for column in table.column_iter_mut().skip(right_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn targets(figures: &Figures) -> Table {
    let mut table = table(["what", "target", "measured", "met"], usize::MAX);
    for target in figures.targets() {
        let met = if target.met { "yes" } else { "no" };
        table.add_row([&target.what, target.goal, &target.measured, met]);
    }
    table
}

/// What of a cost is told, and how.
type Row = (&'static str, fn(&Cost) -> String);

fn costs(figures: &Figures, job: fn(&Size) -> &Job) -> Table {
    let mut table = table(["retained", "", "ours", "Lambda pattern", "floor"], 2);
    let rows: [Row; 4] = [
        ("time", |cost| seconds(cost.wall)),
        ("calls to Kong", |cost| thousands(cost.kong)),
        ("PutAuditEvents calls", |cost| thousands(cost.cloudtrail)),
        ("key-value operations", |cost| thousands(cost.kv)),
    ];
    for size in &figures.sizes {
        let job = job(size);
        let retained = thousands(size.retained);
        for (name, of) in rows {
            let [ours, lambda, floor] = [&job.ours, &job.lambda, &job.floor].map(of);
            table.add_row([retained.clone(), name.to_owned(), ours, lambda, floor]);
        }
    }
    table
}

fn comparisons(figures: &Figures) -> Table {
    let header = ["retained", "time", "calls to Kong", "key-value operations", "peak guest memory"];
    let mut table = table(header, 1);
    for Size { retained, comparison, .. } in &figures.sizes {
        let ours = &comparison.ours;
        table.add_row([
            thousands(*retained),
            seconds(ours.wall),
            thousands(ours.kong),
            thousands(ours.kv),
            mib(comparison.peak_memory),
        ]);
    }
    table
}

fn sizes(figures: &Figures) -> Table {
    let header = [
        "retained",
        "peak guest memory",
        "store, ours: keys",
        "bytes an entry",
        "Lambda pattern: keys",
        "bytes an entry",
    ];
    let mut table = table(header, 1);
    for size in &figures.sizes {
        let per_entry = |store: &Store| format!("{:.1}", store.per(size.retained));
        table.add_row([
            thousands(size.retained),
            mib(size.peak_memory),
            thousands(size.ours_store.keys),
            per_entry(&size.ours_store),
            thousands(size.lambda_store.keys),
            per_entry(&size.lambda_store),
        ]);
    }
    table
}

fn cpu(figures: &Figures) -> Table {
    let Throughput { component, native, native_soft } = figures.throughput;
    let mut table = table(["what", "measured"], 1);
    table.add_row(["component, events a second of CPU time", &rounded(component)]);
    table.add_row(["the same code native", &rounded(native)]);
    table.add_row(["the same without SHA instructions", &rounded(native_soft)]);
    let idle = format!("{:.1} ms", figures.idle_cpu.as_secs_f64() * 1000.0);
    table.add_row(["an idle run of the component", &idle]);
    table
}

fn seconds(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{} s", thousands(span.as_secs()))
    }
}

/// Where, of what and when it is measured, as Markdown: to be asked at the beginning.
pub fn conditions() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |text: &str, name: &str| {
        let values = text.lines().filter_map(|line| line.split_once(':'));
        let mut values = values.filter(|(key, _)| key.trim() == name);
        values.next().map(|(_, value)| value.trim().to_owned())
    };
    let unknown = || "unknown".to_owned();
    let kib = field(&memory, "MemTotal")
        .and_then(|total| total.trim_end_matches(" kB").parse::<u64>().ok());
    let flags = field(&cpu, "flags").or_else(|| field(&cpu, "Features")).unwrap_or_default();
    let sha = flags.split_whitespace().any(|flag| flag == "sha_ni" || flag == "sha2");
    let commit = tool::answer("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(unknown);
    let changed = tool::answer("git", &["status", "--porcelain"]).is_none_or(|all| !all.is_empty());
    format!(
        "- Machine: {}, {} cores, {}, {} SHA instructions; {}\n\
         - Commit: {commit}{}\n\
         - Date: {}\n\
         - Command: `cargo xtask bench`; {}",
        field(&cpu, "model name").unwrap_or_else(unknown),
        std::thread::available_parallelism().map_or(0, usize::from),
        kib.map_or_else(unknown, |kib| format!("{} GiB memory", kib / (1024 * 1024))),
        if sha { "with" } else { "without" },
        tool::answer("uname", &["-sr"]).unwrap_or_else(unknown),
        if changed { ", with local changes" } else { "" },
        OffsetDateTime::now_utc().date(),
        tool::answer("rustc", &["--version"]).unwrap_or_else(unknown),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("by hand\n{BEGIN}old\n{END}by hand, too\n");
        let once = replaced(&page, "new").unwrap();
        assert_eq!(once, format!("by hand\n{BEGIN}\nnew\n{END}by hand, too\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
        assert_eq!(replaced("by hand", "new"), None);
    }

    #[test]
    fn the_page_has_the_marks() {
        let page = include_str!("../../../docs/benchmarks.md");
        assert!(replaced(page, "").is_some());
    }

    #[test]
    fn times_are_told_to_three_digits_or_so() {
        assert_eq!(seconds(Duration::from_millis(318)), "0.32 s");
        assert_eq!(seconds(Duration::from_millis(1_032_700)), "1,032 s");
    }
}
