//! The status page, on the stores that the shipper has written to.

mod artefact;
mod page;
mod redis;

use std::time::{SystemTime, UNIX_EPOCH};

use kong_cloudtrail::ledger::{Ledger, Reports, Target};
use kong_cloudtrail::report::Report;
use kong_cloudtrail::seal::{Seal, Seals};
use kong_cloudtrail::store::Store as CoreStore;
use kong_cloudtrail::terms::Secret;
use kong_cloudtrail::testing::Memory;
use kong_cloudtrail_sim::kong;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::support::{Store, World, stores};
use page::{Answer, Page};

fn kong() -> kong::Options {
    kong::Options { requests: 40, objects: 30, ..kong::Options::default() }
}

/// The values of a world's ledger with that one report in it, as a shipper with that key would write them.
fn ledger(
    world: &World,
    report: &Value,
    ago_secs: u64,
    key: Option<&str>,
) -> Vec<(String, Vec<u8>)> {
    let memory = Memory::default();
    let seal = key.map_or(Seal::Unkeyed, |key| Seal::Keyed(Secret::new(key)));
    let store = CoreStore::sealed(&memory, &world.variables["ledger"], Seals::new(seal, None));
    let target = Target { name: "channel", variables: "channel_arn" };
    let mut ledger = Ledger::load(&store, target, "https://kong").unwrap();
    let mut reports = Reports::default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let at = i64::try_from(now).unwrap() - i64::try_from(ago_secs).unwrap() * 1000;
    reports.add(at, RawValue::from_string(report.to_string()).unwrap());
    ledger.write_with(vec![reports.pair(&store)]).unwrap();
    let pairs = memory.values.borrow().clone();
    pairs.into_iter().collect()
}

/// Puts them into the world's store.
async fn put(world: &World, report: &Value, ago_secs: u64, key: Option<&str>) {
    world.store().await.set_many(ledger(world, report, ago_secs, key)).await.unwrap();
}

fn report(changes: &Value) -> Value {
    let mut report: Value = serde_json::from_str(&Report::default().line()).unwrap();
    for (name, change) in changes.as_object().unwrap() {
        report[name] = change.clone();
    }
    report
}

/// What the probe says: its status, and its words.
fn probe(page: &Page) -> (u16, String) {
    let Answer { status, body, .. } = page.get("/healthz");
    (status, body)
}

/// The value of a metric.
fn metric(page: &Page, sample: &str) -> Option<f64> {
    let metrics = page.get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.ends_with("# EOF\n"), "{}", metrics.body);
    let name = format!("kong_cloudtrail_{sample} ");
    let value = metrics.body.lines().find_map(|line| line.strip_prefix(&name));
    value.map(|value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_shipper_did_is_shown() {
    for store in stores() {
        let mut world = World::new(store, kong());
        let page = Page::of(&world);
        assert!(page.get("/").body.contains("<h1>No run yet</h1>"));
        assert_eq!(probe(&page).0, 503);

        let shipped = world.tick_ok().await.shipped();
        let shown = page.get("/");
        assert_eq!(shown.status, 200);
        assert!(shown.body.contains("<h1>All is well</h1>"), "{}", shown.body);
        assert!(shown.body.contains("new-ledger"));
        let (status, says) = probe(&page);
        assert_eq!((status, says.starts_with("ok: ")), (200, true), "{says}");
        for (stream, shipped) in [("requests", shipped.0), ("objects", shipped.1)] {
            assert!(shipped > 0);
            let total = metric(&page, &format!("shipped_entries_total{{stream=\"{stream}\"}}"));
            let shipped = f64::from(u32::try_from(shipped).unwrap());
            assert_eq!(total, Some(shipped), "{store:?}: {stream}");
            let kept = metric(&page, &format!("ledger_entries{{stream=\"{stream}\"}}"));
            assert_eq!(kept, total, "{store:?}: {stream}");
        }
        assert_eq!(metric(&page, "runs_total{outcome=\"ok\"}"), Some(1.0));

        // A token that Kong refuses: the run fails, and says so here too.
        world.set("kong_admin_token", "another");
        assert_eq!(world.tick().await["outcome"], "failed");
        let shown = page.get("/").body;
        assert!(shown.contains("<h1>Needs attention</h1>"), "{shown}");
        assert!(shown.contains("The last run failed: "), "{shown}");
        assert_eq!(metric(&page, "last_run_outcome{outcome=\"failed\"}"), Some(1.0));
        // The run before it is fresh enough.
        assert_eq!(probe(&page).0, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_goes_by_its_own_limit() {
    for store in stores() {
        for (ago, limit, status) in [(800, "900", 200), (1000, "900", 503), (1000, "3600", 200)] {
            let mut world = World::new(store, kong());
            world.set("stale_after_secs", limit);
            put(&world, &report(&json!({})), ago, None).await;
            let (found, says) = probe(&Page::of(&world));
            assert_eq!(found, status, "{store:?}: {ago} s ago, {limit}: {says}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_written_is_no_data() {
    let key = "a-key-of-at-least-thirty-two-characters";
    for store in stores() {
        let mut world = World::new(store, kong());
        world.set("ledger_key", key);
        let forged = report(&json!({ "error": "all is well, says a stranger" }));
        put(&world, &forged, 10, None).await;
        let page = Page::of(&world);
        let shown = page.get("/").body;
        assert!(shown.contains("<h1>Cannot tell</h1>"), "{shown}");
        assert!(shown.contains("written without a ledger_key"), "{shown}");
        assert!(!shown.contains("stranger") && !shown.contains(key), "{shown}");
        assert_eq!(probe(&page).0, 503);
        assert_eq!(metric(&page, "value_readable{value=\"reports\"}"), Some(0.0));

        put(&world, &report(&json!({})), 10, Some(key)).await;
        assert!(page.get("/").body.contains("<h1>All is well</h1>"));
        assert_eq!(probe(&page).0, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_users_and_paths_are_shown_and_harmless() {
    let world = World::new(Store::Sqlite, kong());
    let hostile =
        "user <script>alert(1)</script> at /x\"onload=\"y\u{0}\u{1b}[2J\r\nX-Injected: 1\u{202e}";
    put(&world, &report(&json!({ "outcome": "failed", "error": hostile })), 10, None).await;
    let page = Page::of(&world);
    for path in ["/", "/metrics", "/healthz"] {
        let answer = page.get(path);
        assert!(!answer.body.contains("<script"), "{path}");
        assert!(!answer.body.contains(['\u{0}', '\u{1b}', '\r', '\u{202e}']), "{path}");
        assert!(!answer.headers.contains_key("x-injected"), "{path}");
    }
    let shown = page.get("/").body;
    let text = "&lt;script&gt;alert(1)&lt;/script&gt; at /x&quot;onload=&quot;y\\u0000\\u001b[2J\\u000d\\u000aX-Injected";
    assert!(shown.contains(text), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_only_read_and_says_how_it_may_be_kept_and_shown() {
    let world = World::new(Store::Sqlite, kong());
    put(&world, &report(&json!({})), 10, None).await;
    let page = Page::of(&world);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"] {
        let refused = page.ask(method, "/");
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.headers["allow"], "GET, HEAD");
    }
    for path in ["/nothing", "/healthz/", "/%2e%2e/", "/favicon.ico", "/?x"] {
        assert_eq!(page.get(path).status, if path == "/?x" { 200 } else { 404 }, "{path}");
    }
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("/healthz", "text/plain; charset=utf-8"),
    ] {
        let answer = page.get(path);
        assert_eq!(answer.status, 200, "{path}");
        let head = page.ask("HEAD", path);
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        for headers in [answer.headers, head.headers] {
            assert_eq!(headers["content-type"], content_type);
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert_eq!(headers["referrer-policy"], "no-referrer");
            assert!(headers["content-security-policy"].starts_with("default-src 'none';"));
        }
    }
    // Readers who go away harm nobody.
    (0..20).for_each(|_| page.ask_and_leave("/"));
    assert_eq!(page.get("/").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_with_the_variable() {
    let mut world = World::new(Store::Sqlite, kong());
    world.set("stale_after_secs", "soon").set("ledger_key", "short");
    let page = Page::of(&world);
    let answer = page.get("/healthz");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("stale_after_secs \"soon\""), "{}", answer.body);
    assert!(answer.body.contains("ledger_key is shorter"), "{}", answer.body);
}

/// The parser is the one that Prometheus' own Python library has for its tests.
#[tokio::test(flavor = "multi_thread")]
async fn a_parser_that_is_not_ours_reads_the_metrics() {
    let Some(python) = std::env::var_os("KONG_CLOUDTRAIL_TEST_OPENMETRICS") else {
        println!(
            "SKIPPED: a foreign parser of the metrics, since KONG_CLOUDTRAIL_TEST_OPENMETRICS names no Python with prometheus_client; `cargo xtask test` installs one"
        );
        return;
    };
    let world = World::new(Store::Sqlite, kong());
    let page = Page::of(&world);
    let empty = page.get("/metrics").body;
    world.tick_ok().await;
    let full = page.get("/metrics").body;
    for (metrics, least) in [(empty, 3), (full, 30)] {
        let program = "import sys\n\
            from prometheus_client.openmetrics.parser import text_string_to_metric_families as families\n\
            print(sum(len(family.samples) for family in families(sys.stdin.read())))";
        let mut child = std::process::Command::new(&python)
            .args(["-c", program])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), metrics.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{metrics}");
        let samples: usize = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        assert!(samples >= least, "{samples} samples in {metrics}");
    }
}
