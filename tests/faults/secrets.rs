//! No secret is ever printed or stored, whatever fails (invariant 7): not by the component, not by
//! the host with its logs turned up, not in the store.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use kong_cloudtrail_sim::fault::{Fault, Rule, When};
use kong_cloudtrail_sim::{cloudtrail, credentials, kong};

use super::driver::Verb;
use super::redis::Redis;
use super::world::{SECRET, SESSION_TOKEN, TOKEN, World};

const LEDGER_KEY: &str = "ledger/key+that~nobody=may&see-of-32-characters";
const SHORT_KEY: &str = "ledger/key+too=short";
const OTHER_KEY: &str = "other/ledger+key~nobody=may&see-of-32-characters";
const STORE_PASSWORD: &str = "redis-password-that-nobody-may-see";

/// A secret in every form in which it could be met.
fn forms(secret: &str) -> Vec<String> {
    let mut percent = String::new();
    for byte in secret.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                percent.push(char::from(byte));
            }
            _ => write!(percent, "%{byte:02X}").unwrap(),
        }
    }
    let hex: String = secret.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let json = serde_json::to_string(secret).unwrap().trim_matches('"').to_owned();
    let mut forms = vec![secret.to_owned(), percent.clone(), percent.to_lowercase(), hex, json];
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        // Within a longer text it can begin at each of three places of a group; the characters that
        // it shares with its neighbours are left out.
        for before in 0..3 {
            let padded = [&b"???"[..before], secret.as_bytes()].concat();
            let encoded = engine.encode(&padded);
            let first = [0, 2, 3][before];
            let shared = usize::from(!padded.len().is_multiple_of(3));
            forms.push(encoded[first..encoded.len() - shared].to_owned());
        }
    }
    forms
}

/// The secrets that occur in `text`, in whatever form.
fn leaked(text: &[u8], secrets: &[&str]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let forms = secrets.iter().flat_map(|secret| forms(secret));
    forms.filter(|form| text.contains(form.as_str())).collect()
}

#[test]
fn the_search_finds_a_secret_in_every_form() {
    let secret = "a/b+c~d=e&f";
    for (number, before) in ["", "x", "xy", "xyz"].into_iter().enumerate() {
        let text = format!("{before}{secret}, and more");
        let encoded = [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)];
        for encoded in encoded {
            assert!(!leaked(encoded.as_bytes(), &[secret]).is_empty(), "base64 {number}");
        }
        assert!(!leaked(text.as_bytes(), &[secret]).is_empty());
    }
    for text in ["?t=a%2Fb%2Bc~d%3De%26f&", "?t=a%2fb%2bc~d%3de%26f&", "612f622b637e643d652666"] {
        assert!(!leaked(text.as_bytes(), &[secret]).is_empty(), "{text}");
    }
    assert!(leaked(b"a/b+c and d=e&f", &[secret]).is_empty());
}

/// What is done to a world before a run, and a word that its report or the host must say.
type Failing = (&'static str, &'static str, fn(&mut World));

#[test]
fn no_secret_is_printed_or_stored_whatever_fails() {
    let Some(mut redis) = Redis::start(Some(STORE_PASSWORD)) else { return };
    let options = kong::Options { requests: 150, objects: 120, ..Default::default() };
    let mut world = World::new(options);
    world.store_at(&redis.url());
    world.set("lease_secs", "1").set("log_level", "debug").set("ledger_key", LEDGER_KEY);
    let good = world.variables.clone();

    let mut secrets =
        vec![TOKEN, SECRET, SESSION_TOKEN, STORE_PASSWORD, LEDGER_KEY, SHORT_KEY, OTHER_KEY];
    // The first that the endpoint hands out has this id, and its token begins with it in base64.
    let issued = credentials::Issuer::new("aws").issue(1, 0).credentials;
    secrets.extend([CONTAINER_TOKEN, &issued.access_key_id]);
    secrets.extend(["other/kong+token", "other/aws+secret", "other/session+token", PASSWORD]);
    let mut said = String::new();
    for (failing, word, spoil) in FAILINGS {
        world.variables = good.clone();
        world.kong.set_faults(kong::Faults::default());
        world.cloudtrail.set_faults(cloudtrail::Faults::default());
        spoil(&mut world);
        let output = run(&world);
        let says = if word == ENDPOINT { world.cloudtrail.kind().variables()[1] } else { word };
        assert!(output.contains(says), "{failing}: {says:?} is not in: {output:.3000}");
        said.push_str(&output);
    }
    redis.stop(super::redis::Stop::Orderly);
    let output = run(&world);
    assert!(output.contains("key-value store failed"), "{output:.3000}");
    said.push_str(&output);

    assert!(said.contains("TRACE"), "the host's own logs are turned up");
    assert!(said.contains("\"outcome\":\"ok\""), "some runs ship");
    let stored = redis.ever_stored();
    assert!(String::from_utf8_lossy(&stored).contains("kong-cloudtrail:"), "the ledger is in it");
    println!(
        "secrets: {} runs, {} bytes printed, {} bytes stored, {} secrets looked for in {} forms",
        FAILINGS.len() + 1,
        said.len(),
        stored.len(),
        secrets.len(),
        forms("x").len()
    );
    assert!(
        leaked(said.as_bytes(), &secrets).is_empty(),
        "printed: {:?}",
        leaked(said.as_bytes(), &secrets)
    );
    assert!(leaked(&stored, &secrets).is_empty(), "stored: {:?}", leaked(&stored, &secrets));
}

const CONTAINER_TOKEN: &str = "container/token+that=nobody&may%see";

/// Has the component ask a container's endpoint, which wants the token.
fn from_container(world: &mut World) {
    let url = format!("{}/v1/credentials", world.endpoints.url());
    world.endpoints.set(|settings| settings.authorization = Some(CONTAINER_TOKEN.to_owned()));
    for name in ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"] {
        world.set(name, "");
    }
    world
        .set("allow_outbound", "http://127.0.0.1:*")
        .set("aws_container_credentials_full_uri", &url)
        .set("aws_container_authorization_token", CONTAINER_TOKEN);
}

const PASSWORD: &str = "kong-password-that-nobody-may-see";
/// Stands for the variable that overrides the destination's endpoint.
const ENDPOINT: &str = "the endpoint's variable";

const FAILINGS: [Failing; 15] = [
    ("nothing", "\"outcome\":\"ok\"", |_| {}),
    ("a wrong secret key", "aws_secret_access_key", |world| {
        world.kong.add_activity(5, 5);
        world.set("aws_secret_access_key", "other/aws+secret");
    }),
    ("a wrong session token", "aws_session_token", |world| {
        world.set("aws_session_token", "other/session+token");
    }),
    ("a ledger key that is too short", "ledger_key", |world| {
        world.set("ledger_key", SHORT_KEY);
    }),
    ("another ledger key", "ledger_key_previous", |world| {
        world.set("ledger_key", OTHER_KEY);
    }),
    ("a wrong Kong token", "401", |world| {
        world.set("kong_admin_token", "other/kong+token");
    }),
    ("a Kong token that no header can carry", "kong_admin_token", |world| {
        world.set("kong_admin_token", &format!("{TOKEN}\n{SECRET}"));
    }),
    ("a password in the address", "kong_admin_api", |world| {
        let address = world.kong.url().replace("://", &format!("://admin:{PASSWORD}@"));
        world.set("kong_admin_api", &address);
    }),
    ("a password in the endpoint", ENDPOINT, |world| {
        let address = world.cloudtrail.url().replace("://", &format!("://admin:{PASSWORD}@"));
        let [_, endpoint] = world.cloudtrail.kind().variables();
        world.set(endpoint, &address).set("allow_outbound", &address);
    }),
    ("nonsense in every number", "page_size", |world| {
        let [target, _] = world.cloudtrail.kind().variables();
        for name in ["page_size", "max_in_flight", "lease_secs", "log_level", target] {
            world.set(name, "nonsense");
        }
    }),
    ("Kong out of reach", "kong_admin_api", |world| {
        world.set("kong_admin_api", "http://127.0.0.1:1");
    }),
    ("a destination out of reach", ENDPOINT, |world| {
        world.set("run_budget_secs", "2");
        let [_, endpoint] = world.cloudtrail.kind().variables();
        world.set(endpoint, "http://127.0.0.1:1").set("allow_outbound", "http://127.0.0.1:*");
    }),
    ("temporary credentials", "\"outcome\":\"ok\"", |world| {
        world.kong.add_activity(5, 5);
        from_container(world);
    }),
    ("a container token that is refused and echoed", "its words are not shown", |world| {
        world.kong.add_activity(5, 5);
        from_container(world);
        world.endpoints.set(|settings| settings.authorization = Some("another".to_owned()));
    }),
    ("broken answers", "\"outcome\":\"ok\"", |world| {
        let rule = |fault| {
            let when = When { next: Some(1), ..When::default() };
            Rule { path: None, when, fault }
        };
        let rules = vec![rule(Fault::CutOff)];
        world.kong.set_faults(kong::Faults { rules, ..Default::default() });
    }),
];

/// All that one run prints, the host's logs turned up as far as they go.
fn run(world: &World) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut host = world.spawn(Verb::Once, |command| {
            command.env("RUST_LOG", "trace");
        });
        host.ended_by(deadline).expect("a run hangs");
        let said = host.said();
        if !said.contains("\"outcome\":\"skipped\"") {
            return said;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
