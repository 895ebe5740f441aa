//! What each address gives in each state, without a host and without a store.
#![allow(clippy::unwrap_used)]

mod metrics;
mod scenes;

use base64::Engine as _;
use kong_cloudtrail_status::answer::{Answer, Shown, Verb, answer};
use kong_cloudtrail_status::page::style_source;
use scenes::{SCENES, shown};
use sha2::{Digest as _, Sha256};

fn get(path: &str, scene: &str) -> Answer {
    answer(Verb::Get, path, || Ok(shown(scene)))
}

fn page(scene: &str) -> String {
    get("/", scene).body
}

#[test]
fn each_state_has_its_word() {
    for (scene, title, says) in [
        (
            "healthy",
            "All is well",
            "The last run was <strong>ok</strong> and ended 2 min 23 s ago.",
        ),
        ("empty", "No run yet", "The store holds no run of this ledger."),
        (
            "behind",
            "Needs attention",
            "No run has made progress for 2 h 20 min (stale_after_secs = 900 s).",
        ),
        (
            "failing",
            "Needs attention",
            "The last 3 runs failed: Kong's Admin API cannot be reached",
        ),
        ("dead-letters", "Needs attention", "2 dead letters wait for somebody"),
        (
            "forged",
            "Cannot tell",
            "One value (kong-cloudtrail:production:{0}reports) is damaged, or was written with",
        ),
        ("lost", "Needs attention", "its head is lost"),
    ] {
        let page = page(scene).replace("&quot;", "\"");
        assert!(page.contains(&format!("<h1>{title}</h1>")), "{scene}");
        assert!(
            page.contains(&format!("<title>{title} · kong-cloudtrail production</title>")),
            "{scene}"
        );
        assert!(page.contains(says), "{scene}");
        assert!(
            page.contains("Runs that were skipped, or could not begin, are not kept"),
            "{scene}"
        );
    }
}

#[test]
fn where_the_reports_do_not_hold_good_nothing_is_said_in_their_place() {
    let page = page("forged");
    assert_eq!(page.matches("The reports cannot be read.").count(), 3);
    for said in ["Nothing has been shipped", "The last run", "No run is kept", "requests, "] {
        assert!(!page.contains(said), "{said}");
    }
}

#[test]
fn the_probe_succeeds_where_runs_make_progress_and_nowhere_else() {
    for (scene, status, says) in [
        ("healthy", 200, "ok: the last run that made progress ended 143 s ago"),
        ("dead-letters", 200, "ok: "),
        ("lost", 200, "ok: "),
        (
            "behind",
            503,
            "stale: the last run that made progress ended 8400 s ago, and stale_after_secs is 900",
        ),
        ("failing", 503, "stale: the last run that made progress ended 1043 s ago"),
        ("empty", 503, "no run that is kept"),
        ("forged", 503, "unknown: One value (kong-cloudtrail:production:{0}reports) is damaged"),
    ] {
        let answer = get("/healthz", scene);
        assert_eq!(answer.status, status, "{scene}");
        assert!(answer.body.starts_with(says), "{scene}: {}", answer.body);
    }
}

#[test]
fn only_three_addresses_are_there_and_they_are_only_read() {
    let nothing = || -> Result<Shown, String> { panic!("the store is not asked") };
    for path in ["", "/x", "/healthz/", "/metrics.txt", "//", "/../", "/favicon.ico"] {
        for verb in [Verb::Get, Verb::Head, Verb::Other] {
            assert_eq!(answer(verb, path, nothing).status, 404, "{path}");
        }
    }
    for path in ["/", "/metrics", "/healthz"] {
        let refused = answer(Verb::Other, path, nothing);
        assert_eq!(refused.status, 405, "{path}");
        assert!(refused.headers().contains(&("allow", "GET, HEAD".to_owned())));
        // The library gives a metric's series in no order.
        let sorted = |mut answer: Answer| {
            let mut lines: Vec<_> = answer.body.lines().collect();
            lines.sort_unstable();
            answer.body = lines.join("\n");
            answer
        };
        let head = answer(Verb::Head, path, || Ok(shown("healthy")));
        assert_eq!(sorted(head), sorted(get(path, "healthy")));
    }
}

#[test]
fn mistakes_in_the_variables_are_told() {
    for path in ["/", "/metrics", "/healthz"] {
        let answer = answer(Verb::Get, path, || Err("stale_after_secs \"x\" must be".to_owned()));
        assert_eq!(answer.status, 500);
        assert!(answer.body.contains("stale_after_secs \"x\""), "{}", answer.body);
    }
}

#[test]
fn no_answer_is_kept_framed_guessed_at_or_may_load_anything() {
    for path in ["/", "/metrics", "/healthz", "/nothing"] {
        let headers = get(path, "healthy").headers();
        let value = |name: &str| {
            let mut found = headers.iter().filter(|(told, _)| *told == name);
            let (_, value) = found.next().unwrap();
            assert!(found.next().is_none());
            value.clone()
        };
        assert_eq!(value("cache-control"), "no-store");
        assert_eq!(value("x-content-type-options"), "nosniff");
        assert_eq!(value("referrer-policy"), "no-referrer");
        let policy = value("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src "), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    }
    let policy = get("/", "healthy").headers();
    assert!(policy.iter().any(|(_, value)| value.contains(&style_source())));
}

#[test]
fn the_policy_names_the_style_that_the_page_has() {
    let page = page("healthy");
    let (_, rest) = page.split_once("<style>").unwrap();
    let (style, rest) = rest.split_once("</style>").unwrap();
    assert!(!rest.contains("<style"));
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style));
    assert_eq!(style_source(), format!("'sha256-{hash}'"));
}

/// The names of all elements and attributes of a page. Texts are escaped, so each `<` begins a tag.
fn markup(page: &str) -> (Vec<String>, Vec<String>) {
    let (mut elements, mut attributes) = (Vec::new(), Vec::new());
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    for part in [head, body] {
        for tag in part.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').unwrap();
            let mut quoted = tag.split('"');
            let names = quoted.by_ref().step_by(2).collect::<Vec<_>>().join(" ");
            let mut names = names.split_whitespace();
            elements.extend(names.next().map(str::to_owned));
            attributes.extend(names.map(|name| name.trim_end_matches('=').to_owned()));
        }
    }
    (elements, attributes)
}

#[test]
fn no_state_has_a_script_a_style_of_its_own_or_anything_from_elsewhere() {
    for (scene, _) in SCENES {
        let page = page(scene);
        let (elements, attributes) = markup(&page);
        for element in ["script", "img", "iframe", "object", "form", "link", "base", "b"] {
            assert!(!elements.iter().any(|found| found == element), "{scene}: {element}");
        }
        let handler = |name: &String| name.starts_with("on") || name == "style" || name == "src";
        assert!(!attributes.iter().any(handler), "{scene}: {attributes:?}");
        assert!(!page.contains("http://") && !page.contains("https://"), "{scene}");
        assert!(!page.contains("javascript:"), "{scene}");
        let odd = |c: char| c.is_control() && c != '\n';
        assert!(!page.contains(odd), "{scene}");
    }
}

#[test]
fn hostile_texts_are_shown_and_harmless() {
    let page = page("hostile");
    for shown in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "\\u0000\\u001b[31m\\u000d\\u000aSet-Cookie",
        "\\u202etxt.exe\\u200b\\u2028\\ufeff",
        "&lt;b&gt;ok&lt;/b&gt;",
        "&amp;lt;",
        "18,446,744,073,709,551,615",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    for scene in ["/metrics", "/healthz"] {
        let answer = get(scene, "hostile");
        assert!(!answer.body.contains(['<', '\u{1b}', '\r', '\u{202e}']), "{}", answer.body);
        for (name, value) in answer.headers() {
            assert!(value.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{name}");
        }
    }
}

#[test]
fn a_page_of_a_hundred_runs_is_a_small_one() {
    let bytes = page("healthy").len();
    assert!(bytes < 100_000, "{bytes}");
}
