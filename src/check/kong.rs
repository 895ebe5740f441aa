//! What a run needs of Kong.

use super::row::{Found, Rows, named};
use super::{NOT_SOUND, PATIENCE};
use crate::config;
use crate::kong::{Access, Ask, CLOCKS_DIFFER_SECS, Fetched, Kong, KongError, Page, Root};
use crate::log::Logger;
use crate::ports::Ports;
use crate::report::Calls;
use crate::terms::{Stream, Window};
use crate::words::{Told, together};

/// The rows, and what is tried.
const REACH: (&str, &str) = ("kong-reach", "GET / of Kong's Admin API");
const VERSION: (&str, &str) = ("kong-version", "the version that GET / tells");
const DATABASE: (&str, &str) = ("kong-database", "database and role that GET / shows");
const AUDIT_LOG: (&str, &str) = ("kong-audit-log", "audit_log that GET / shows, and its pages");
const LICENCE: (&str, &str) = ("kong-licence", "a page of the audit log, which needs a licence");
const TOKEN: (&str, &str) =
    ("kong-token", "GET /, and a page of each stream, with kong_admin_token");
const PAGES: (&str, &str) = ("kong-pages", "a page of each stream is read");
const FILTERS: (&str, &str) =
    ("kong-filters", "pages of a span of tomorrow, which has nothing in it");
const IGNORED: (&str, &str) = ("kong-ignore-settings", "audit_log_ignore_… that GET / shows");
const CLOCK: (&str, &str) = ("kong-clock", "the Date of GET / against this machine's clock");

/// What was asked, and answered.
struct Asked {
    root: Result<(Root, Option<i64>), KongError>,
    pages: Vec<Result<Page, KongError>>,
    streams: Vec<Stream>,
    /// What the pages were asked for.
    window: Window,
    /// This machine's clock, in Unix seconds.
    host_now: i64,
}

impl Asked {
    /// The errors of all answers, each with its path.
    fn errors(&self) -> impl Iterator<Item = &KongError> {
        self.root.as_ref().err().into_iter().chain(self.page_errors())
    }

    fn page_errors(&self) -> impl Iterator<Item = &KongError> {
        self.pages.iter().filter_map(|page| page.as_ref().err())
    }

    fn root(&self) -> Option<&Root> {
        self.root.as_ref().ok().map(|(root, _)| root)
    }

    fn all_pages(&self) -> bool {
        self.pages.iter().all(Result::is_ok)
    }
}

/// All of them.
pub(super) async fn rows<P: Ports>(
    log: Logger<'_, P>,
    access: &Access,
    streams: &[Stream],
    rows: &mut Rows,
) -> Calls {
    let port = log.port();
    let kong = Kong::new(log, access, port.elapsed() + PATIENCE);
    let root = kong.root().await;
    let host_now = port.now_ms().div_euclid(1000);
    let url = named(&access.url(""));
    if let Some(error) = root.as_ref().err().filter(|error| is_unreachable(error)) {
        rows.add(REACH.0, format!("{} at {url}", REACH.1), Found::Fail(error.told()));
        skip_from(1, "Kong's Admin API was not reached", rows);
    } else {
        let asked = ask(&kong, root, streams, host_now).await;
        let plaintext = config::is_plaintext(access);
        rows.add(REACH.0, format!("{} at {url}", REACH.1), reach(plaintext));
        judge(&asked, rows);
    }
    Calls { kong: kong.calls(), retries: kong.retries(), ..Calls::default() }
}

/// Where the variables are not sound.
pub(super) fn skip(rows: &mut Rows) -> Calls {
    skip_from(0, NOT_SOUND, rows);
    Calls::default()
}

fn skip_from(first: usize, why: &str, rows: &mut Rows) {
    let all = [REACH, VERSION, DATABASE, AUDIT_LOG, LICENCE, TOKEN, PAGES, FILTERS, IGNORED, CLOCK];
    for (name, tried) in &all[first..] {
        rows.add(name, *tried, Found::skipped(why));
    }
}

/// A Kong that refuses the caller is one that was reached.
fn is_unreachable(error: &KongError) -> bool {
    !error.is_of_token() && !error.is_of_licence()
}

/// Asks for a page of each stream, of a span of tomorrow where Kong filters. Where that brings entries, or is
/// refused, times are written in the other way, as a run does.
async fn ask<P: Ports>(
    kong: &Kong<'_, P>,
    root: Result<(Root, Option<i64>), KongError>,
    streams: &[Stream],
    host_now: i64,
) -> Asked {
    let about = root.as_ref().ok().map(|(root, now)| root.facts(*now));
    let ahead = Window::ahead_of(about.as_ref().and_then(|about| about.now).unwrap_or(host_now));
    let filters = about.is_some_and(|about| about.version.has_time_filters());
    let window = if filters { ahead } else { Window::default() };
    let mut pages = Vec::new();
    for stream in streams {
        let ask = Ask { stream: *stream, window, offset: None, probe: window, closes_in: true };
        let mut page = page(kong, ask).await;
        let ignored = matches!(&page, Ok(page) if ignores(page, *stream, &window));
        if ignored && kong.try_other_dates() {
            page = self::page(kong, ask).await;
        }
        pages.push(page);
    }
    Asked { root, pages, streams: streams.to_vec(), window, host_now }
}

async fn page<P: Ports>(kong: &Kong<'_, P>, ask: Ask<'_>) -> Result<Page, KongError> {
    match kong.page(ask).await? {
        Fetched::Page(page) => Ok(page),
        Fetched::Fails(error) => Err(error),
    }
}

/// Whether an entry is on the page that the filters cannot have let through.
fn ignores(page: &Page, stream: Stream, window: &Window) -> bool {
    page.entries(stream).flatten().any(|entry| !entry.may_be_in(window))
}

fn judge(asked: &Asked, rows: &mut Rows) {
    for ((name, tried), found) in [
        (VERSION, version(asked)),
        (DATABASE, database(asked)),
        (AUDIT_LOG, audit_log(asked)),
        (LICENCE, licence(asked)),
        (TOKEN, token(asked)),
        (PAGES, pages(asked)),
        (FILTERS, filters(asked)),
        (IGNORED, ignored(asked)),
        (CLOCK, clock(asked)),
    ] {
        rows.add(name, tried, found);
    }
}

fn reach(plaintext: bool) -> Found {
    if plaintext {
        return Found::Warn(Told::new(
            "it answers, and in plain HTTP: Kong's token and the entries can be read on the way",
            "write https:// in kong_admin_api, with the port of Kong's HTTPS (8444 by default)",
        ));
    }
    Found::Ok("it answers".to_owned())
}

const REFUSED: &str = "Kong refused GET /";

fn version(asked: &Asked) -> Found {
    let Some(root) = asked.root() else { return Found::skipped(REFUSED) };
    match root.is_enterprise() {
        Ok(()) => Found::Ok(root.facts(None).version.to_string()),
        Err(error) => Found::Fail(error.told()),
    }
}

fn database(asked: &Asked) -> Found {
    let Some(root) = asked.root() else { return Found::skipped(REFUSED) };
    match root.has_database() {
        Err(error) => Found::Fail(error.told()),
        Ok(()) if root.shows("database") => Found::Ok("the node has a database".to_owned()),
        Ok(()) => Found::skipped("GET / does not show its settings"),
    }
}

fn audit_log(asked: &Asked) -> Found {
    let none = asked.page_errors().find(|error| matches!(error, KongError::NoAuditLog { .. }));
    let root = asked.root();
    match (root.map(Root::keeps_audit_log), none) {
        (Some(Err(error)), _) => Found::Fail(error.told()),
        (_, Some(error)) => Found::Fail(error.told()),
        (Some(Ok(())), None) if root.is_some_and(|root| root.shows("audit_log")) => {
            let kept = root.and_then(|root| root.facts(None).record_ttl);
            let kept = kept.map_or_else(String::new, |secs| {
                format!(", and entries are kept for {secs} s (audit_log_record_ttl)")
            });
            Found::Ok(format!("it is on{kept}"))
        }
        _ if asked.all_pages() => {
            Found::Ok("GET / does not show it, and its pages are there".to_owned())
        }
        _ => Found::skipped("GET / does not show it, and its pages were refused"),
    }
}

fn licence(asked: &Asked) -> Found {
    if let Some(error) = asked.errors().find(|error| error.is_of_licence()) {
        return Found::Fail(error.told());
    }
    if asked.pages.iter().any(Result::is_ok) {
        return Found::Ok("the audit log is given".to_owned());
    }
    Found::skipped("no page of the audit log was given")
}

fn token(asked: &Asked) -> Found {
    let refused: Vec<Told> =
        asked.errors().filter(|error| error.is_of_token()).map(KongError::told).collect();
    if !refused.is_empty() {
        return Found::Fail(told_together(&refused));
    }
    if !asked.all_pages() || asked.root.is_err() {
        return Found::skipped("not all of them were answered, for another reason");
    }
    let off = asked.root().is_some_and(|root| root.facts(None).rbac_is_off);
    let paths = asked.streams.iter().map(|stream| format!(" /audit/{}", stream.name()));
    let paths = paths.collect::<Vec<_>>().join(" and");
    Found::Ok(if off {
        "RBAC is off (enforce_rbac): Kong asks for no token, and its entries name no user"
            .to_owned()
    } else {
        format!("it may read /,{paths}")
    })
}

/// Causes and remedies of all of them, each once.
fn told_together(all: &[Told]) -> Told {
    let [first, rest @ ..] = all else { return Told::from(String::new()) };
    if rest.iter().all(|told| told.remedy == first.remedy) {
        let causes: Vec<&str> = all.iter().map(|told| told.cause.as_str()).collect();
        return Told::new(causes.join(", and "), first.remedy.clone());
    }
    Told::from(together(all))
}

fn pages(asked: &Asked) -> Found {
    let told_elsewhere = |error: &KongError| {
        error.is_of_token()
            || error.is_of_licence()
            || matches!(error, KongError::NoAuditLog { .. })
    };
    let failed: Vec<Told> =
        asked.page_errors().filter(|error| !told_elsewhere(error)).map(KongError::told).collect();
    if !failed.is_empty() {
        Found::Fail(told_together(&failed))
    } else if asked.all_pages() {
        Found::Ok("they are what Kong sends".to_owned())
    } else {
        Found::skipped("Kong refused them")
    }
}

fn filters(asked: &Asked) -> Found {
    let Some(root) = asked.root() else { return Found::skipped(REFUSED) };
    let version = root.facts(None).version;
    if !version.has_time_filters() {
        return Found::Warn(Told::new(
            format!(
                "Kong {version} cannot be asked by time: all that it retains is read every full_secs"
            ),
            "upgrade Kong to 3.7 or later",
        ));
    }
    if !asked.all_pages() {
        return Found::skipped("not all pages were given");
    }
    let read = asked.streams.iter().zip(&asked.pages);
    let ignored: Vec<&str> = read
        .filter(|(stream, page)| {
            page.as_ref().is_ok_and(|page| ignores(page, **stream, &asked.window))
        })
        .map(|(stream, _)| stream.name())
        .collect();
    if ignored.is_empty() {
        return Found::Ok("nothing came that they should have kept back".to_owned());
    }
    Found::Warn(Told::new(
        format!(
            "before and after were ignored on /audit/{}: all that Kong retains is read every full_secs",
            ignored.join(" and /audit/")
        ),
        "check that no proxy drops the query",
    ))
}

fn ignored(asked: &Asked) -> Found {
    let Some(root) = asked.root() else { return Found::skipped(REFUSED) };
    let hides = root.facts(None).hides;
    if !hides.is_empty() {
        return Found::Warn(Told::new(
            format!("Kong keeps some calls or rows out of its audit log: {}", hides.join("; ")),
            "check kong.conf on the control plane, if that is not meant",
        ));
    }
    if root.shows("audit_log_ignore_paths") {
        return Found::Ok("no more is hidden than the audit log's own paths".to_owned());
    }
    Found::skipped("GET / does not show them")
}

fn clock(asked: &Asked) -> Found {
    let Ok((_, now)) = &asked.root else { return Found::skipped(REFUSED) };
    let Some(now) = now else {
        return Found::Warn(Told::new(
            "the answer has no Date, so this machine's clock stands in for Kong's",
            "have the proxy before Kong pass the header Date on",
        ));
    };
    let ahead = now - asked.host_now;
    if ahead.unsigned_abs() <= CLOCKS_DIFFER_SECS {
        return Found::Ok(format!("{} s apart", ahead.abs()));
    }
    let place = if ahead > 0 { "ahead of" } else { "behind" };
    Found::Warn(Told::new(
        format!("Kong's clock is {} s {place} this machine's", ahead.abs()),
        "set both clocks by NTP: AWS refuses signatures of a machine that is five minutes off",
    ))
}
