//! The README's way with `.env`, with one value after the other wrong: what the run says then.
//!
//! The built component on the host's program, as `kong-cloudtrail once` runs it, between the simulators and a
//! real store. The texts are printed too, for those who want to read them: `cargo test --test words --
//! --nocapture`.
#![allow(clippy::unwrap_used)]

#[path = "../tls/authority.rs"]
#[allow(dead_code, reason = "one of its certificates is enough")]
mod authority;
#[path = "../component/driver.rs"]
mod driver;
#[path = "../faults/host.rs"]
#[allow(dead_code, reason = "refusals waits with it")]
mod host;
#[path = "../faults/redis.rs"]
#[allow(dead_code, reason = "refusals starts it")]
mod redis;
#[path = "../faults/refusals.rs"]
#[allow(dead_code, reason = "two of its stores are enough")]
mod refusals;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use authority::Authority;
use kong_cloudtrail_sim::fault::{Fault, Rule, When};
use kong_cloudtrail_sim::tls::{Clients, Tls};
use kong_cloudtrail_sim::{cloudtrail, kong};
use serde_json::Value;
use tempfile::TempDir;

const CHANNEL: &str =
    "arn:aws:cloudtrail:eu-west-1:123456789012:channel/3f2a1b4c-5d6e-4f70-8a9b-0c1d2e3f4a5b";
const OTHER_CHANNEL: &str =
    "arn:aws:cloudtrail:eu-west-1:123456789012:channel/00000000-0000-0000-0000-000000000000";
const TOKEN: &str = "kong-token-that-nobody-may-see";
const SECRET: &str = "aws-secret-that-nobody-may-see";

/// A folder with `.env` and a runtime config, and what they lead to.
struct Setup {
    kong: kong::Simulator,
    _cloudtrail: cloudtrail::Simulator,
    env: BTreeMap<&'static str, String>,
    runtime_config: String,
    folder: TempDir,
}

/// How a run went.
struct Run {
    report: Value,
    said: String,
}

impl Run {
    fn error(&self) -> &str {
        self.report["error"].as_str().unwrap_or_default()
    }
}

fn setup(tls: Option<Tls>) -> Setup {
    let options = kong::Options {
        requests: 30,
        objects: 20,
        token: Some(TOKEN.to_owned()),
        tls,
        ..Default::default()
    };
    let kong = kong::Simulator::start(options).unwrap();
    let credentials = cloudtrail::Credentials {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: SECRET.into(),
        session_token: None,
    };
    let options = cloudtrail::Options::new(CHANNEL, credentials);
    let cloudtrail = cloudtrail::Simulator::start(options).unwrap();
    let env = BTreeMap::from([
        ("kong_admin_api", kong.url().replace("127.0.0.1", "localhost")),
        ("kong_admin_token", TOKEN.to_owned()),
        ("channel_arn", CHANNEL.to_owned()),
        ("cloudtrail_endpoint", cloudtrail.url()),
        ("allow_outbound", cloudtrail.url()),
        ("aws_access_key_id", "AKIDEXAMPLE".to_owned()),
        ("aws_secret_access_key", SECRET.to_owned()),
    ]);
    let folder = TempDir::new().unwrap();
    Setup { kong, _cloudtrail: cloudtrail, env, runtime_config: String::new(), folder }
}

impl Setup {
    fn set(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(name, value.to_owned());
        self
    }

    fn stored_in(mut self, runtime_config: &str) -> Self {
        self.runtime_config.push_str(runtime_config);
        self
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let component = root.join("target/wasm32-wasip2/release/kong_cloudtrail.wasm");
        assert!(component.exists(), "no component: run `cargo xtask build`");
        let lines = self
            .env
            .iter()
            .map(|(name, value)| format!("SPIN_VARIABLE_{}='{value}'\n", name.to_uppercase()));
        self.file(".env", &lines.collect::<String>());
        let manifest = root.join("spin.toml");
        let config = self.file("runtime-config.toml", &self.runtime_config);
        let start = driver::Start {
            runtime_config: Some(&config),
            state_dir: self.folder.path().as_os_str(),
            ..driver::Start::new(driver::Verb::Once, &manifest)
        };
        let mut command = start.command();
        command
            .current_dir(self.folder.path())
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR");
        command
    }

    fn run(&self) -> Run {
        let output = self.command().output().unwrap();
        let said =
            [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
        for secret in [TOKEN, SECRET] {
            assert!(!said.contains(secret), "a secret was printed: {said}");
        }
        let report = said.lines().find_map(kong_cloudtrail_host::report);
        Run { report: report.unwrap_or_else(|| panic!("no report: {said}")), said }
    }

    /// One run that fails, with an error that has all of `words` in this order, and nothing for developers.
    fn fails_saying(&self, wrong: &str, words: &[&str]) -> Run {
        let run = self.run();
        println!("{wrong}:\n  {}\n", run.error());
        assert_eq!(run.report["outcome"], "failed", "{wrong}: {}", run.said);
        let mut rest = run.error();
        for word in words {
            let (_, behind) = rest.split_once(word).unwrap_or_else(|| {
                panic!("{wrong}: {word:?} is not in its place: {}", run.error())
            });
            rest = behind;
        }
        for word in ["ErrorCode", "Some(", "SqliteFailure", "Os {", ": ;", "()"] {
            assert!(!run.said.contains(word), "{wrong}: {word} in {}", run.said);
        }
        run
    }
}

#[test]
fn everything_right_ships_all() {
    let run = setup(None).run();
    assert_eq!((&run.report["outcome"], run.error()), (&Value::from("ok"), ""), "{}", run.said);
}

/// What is wrong, the variable, its value, and words of the error in their order.
type Wrong = (&'static str, &'static str, &'static str, &'static [&'static str]);

const WRONG: [Wrong; 10] = [
    (
        "the ARN of something else",
        "channel_arn",
        "arn:aws:s3:::bucket",
        &["channel_arn", "is not the ARN of a CloudTrail channel"],
    ),
    (
        "the ARN of another channel",
        "channel_arn",
        OTHER_CHANNEL,
        &["CloudTrail answered ChannelNotFound", ": check channel_arn"],
    ),
    ("no ARN", "channel_arn", "", &["channel_arn is not set: give the ARN"]),
    (
        "a wrong token",
        "kong_admin_token",
        "another",
        &[
            "Kong answered 401 on / (Invalid RBAC credentials): kong_admin_token is missing or wrong; set it",
        ],
    ),
    (
        "a wrong secret",
        "aws_secret_access_key",
        "another",
        &["CloudTrail answered ", "Signature", ": check aws_secret_access_key"],
    ),
    (
        "an unknown access key",
        "aws_access_key_id",
        "AKIDOTHER",
        &["CloudTrail answered ", ": check aws_access_key_id"],
    ),
    (
        "Kong is down",
        "kong_admin_api",
        "http://localhost:1",
        &[
            "Kong's Admin API cannot be reached: nothing listens on that port",
            ": check the port in kong_admin_api",
        ],
    ),
    (
        "a name that does not resolve",
        "kong_admin_api",
        "https://kong.invalid:8444",
        &["its host name does not resolve: check the host in kong_admin_api"],
    ),
    (
        "an address in plain HTTP on another machine",
        "kong_admin_api",
        "http://kong.invalid:8001",
        &[
            "is not encrypted, and others on the way can read Kong's token",
            "allow_plaintext to true",
        ],
    ),
    (
        "a wrong path",
        "kong_admin_path",
        "/nowhere",
        &["Kong answered 404 on /", ": no Admin API answers there; check kong_admin_api"],
    ),
];

#[test]
fn a_wrong_value_is_told_by_its_cause_and_then_what_to_do() {
    for (wrong, name, value, words) in WRONG {
        setup(None).set(name, value).fails_saying(wrong, words);
    }
}

#[test]
fn an_env_without_kongs_address_is_told_before_a_run() {
    let mut setup = setup(None);
    setup.env.remove("kong_admin_api");
    let output = setup.command().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("SPIN_VARIABLE_KONG_ADMIN_API")
            || driver::is_spin(),
        "{said}"
    );
}

#[test]
fn a_private_authority_is_told_with_the_section_that_names_it() {
    let tls = Authority::new("ours").server("localhost").serving(Clients::All, true);
    let words = ["cannot be reached: the TLS handshake failed", "ca_roots_file", "[[client_tls]]"];
    setup(Some(tls)).fails_saying("a private authority", &words);
}

#[test]
fn a_store_that_is_away_or_takes_nothing_is_told_by_its_cause() {
    // Spin tries to open a Redis for minutes before it says why.
    if driver::is_spin() {
        return;
    }
    let redis = |url: &str| format!("[key_value_store.default]\ntype = 'redis'\nurl = '{url}'\n");
    let away = setup(None).stored_in(&redis("redis://127.0.0.1:1"));
    away.fails_saying(
        "Redis is down",
        &[
            "the key-value store failed at kong-cloudtrail:default:",
            "nothing listens at Redis's address (Connection refused",
            ": start Redis, or check host and port",
        ],
    );
    let nowhere = setup(None).stored_in(&redis("redis://redis.invalid:6379"));
    nowhere.fails_saying(
        "Redis's name does not resolve",
        &["Redis's host name does not resolve", ": check the host"],
    );
    for (wrong, made, words) in [
        (
            "a folder that is read-only",
            refusals::read_only_folder(),
            &["SQLite file", "kv.db", ": "][..],
        ),
        (
            "a disk that is full",
            refusals::disk_full(),
            &["the disk with the SQLite file is full", "kv.db", ": free some of that disk"],
        ),
    ] {
        let mut store = match made {
            Ok(store) => store,
            Err(why) => {
                eprintln!("SKIPPED: {wrong}: {why}");
                continue;
            }
        };
        let setup = setup(None).stored_in(&store.config);
        assert_eq!(setup.run().report["outcome"], "ok");
        store.refuse();
        setup.fails_saying(wrong, words);
        store.relent();
    }
}

#[test]
fn a_redis_that_refuses_is_told_by_its_cause() {
    let Some(server) = redis::Redis::start_with(&["--requirepass", "password-of-redis"]) else {
        return;
    };
    let at = |user: &str| server.url().replace("redis://", &format!("redis://{user}"));
    let config = |url: &str| format!("[key_value_store.default]\ntype = 'redis'\nurl = '{url}'\n");
    for (wrong, url, words) in [
        (
            "no password",
            at(""),
            &["Redis asks for a password, and none is set", "NOAUTH", ": set user and password"][..],
        ),
        (
            "a wrong password",
            at(":wrong@"),
            &["Redis does not take this user and password", ": set the right ones"],
        ),
        (
            "a database that is not there",
            format!(
                "{}/99",
                at(":password-of-redis@").trim_end_matches("/0").trim_end_matches('/')
            ),
            &["Redis has no database of the number in the url", ": give a number that it has"],
        ),
    ] {
        // Spin tries to open the others for minutes before it says why.
        if driver::is_spin() && wrong != "no password" {
            continue;
        }
        let run = setup(None).stored_in(&config(&url)).fails_saying(wrong, words);
        assert!(!run.said.contains("password-of-redis"), "{}", run.said);
    }
}

#[test]
fn kongs_own_words_stand_in_the_error_with_the_remedy_for_them_cut_and_escaped() {
    let long = format!("evil\u{202e}\u{200b} {}", "x".repeat(1000));
    for (code, message, words) in [
        (
            403,
            "Enterprise license missing or expired",
            &[
                "403",
                "(Enterprise license missing or expired): Kong's Enterprise licence is missing or has run out",
            ][..],
        ),
        (
            403,
            "reader, you do not have permissions to read this resource",
            &[
                "(reader, you do not have permissions",
                ": the RBAC user of kong_admin_token may not read this path; give the user",
                "read action",
            ],
        ),
        (426, "Please use HTTPS protocol", &["426", "write https://"]),
        (400, "size must be an integer between 1 and 1000", &["400", ": page_size is above"]),
        (401, &long, &[r"(evil\u202e\u200b xxx", "x…): kong_admin_token is missing or wrong"]),
    ] {
        let setup = setup(None);
        let body = serde_json::json!({ "message": message }).to_string();
        let fault = Fault::Status { code, retry_after: None, body: Some(body) };
        let rule = Rule { path: None, when: When::default(), fault };
        setup.kong.set_faults(kong::Faults { rules: vec![rule], ..Default::default() });
        let run = setup.fails_saying(message, words);
        let in_brackets = run.error().split_once(" (").unwrap().1.split_once("): ").unwrap().0;
        assert!(in_brackets.chars().count() <= 300, "{in_brackets}");
        assert!(!run.said.contains(['\u{202e}', '\u{200b}']), "{}", run.said);
    }
}

#[test]
fn a_wait_that_is_longer_than_the_run_is_told_at_once() {
    let setup = setup(None);
    let fault = Fault::Status { code: 429, retry_after: Some(7200), body: None };
    let rule = Rule { path: None, when: When::default(), fault };
    setup.kong.set_faults(kong::Faults { rules: vec![rule], ..Default::default() });
    let run = setup.fails_saying(
        "a long wait",
        &["Kong answered 429", "asks for a wait of 7200 s", ": the next run tries again"],
    );
    assert!(run.report["duration_ms"].as_u64().unwrap() < 5000, "{}", run.said);
}
