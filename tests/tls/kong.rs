//! Kong's Admin API over TLS, in plain HTTP, and with client certificates.

use kong_cloudtrail_sim::tls::Clients;

use super::authority::Authority;
use super::driver;
use super::world::{HOST, World, named};

/// What the report names when a handshake fails, whatever the cause: Spin does not tell it.
const HANDSHAKE: [&str; 5] = [
    "TLS handshake failed",
    "ca_roots_file",
    "[[client_tls]]",
    "client_cert_file",
    "kong_admin_api",
];

#[test]
fn plain_http_ships_all() {
    World::new(None, None).ships_all();
}

#[test]
fn a_private_authority_ships_all_over_http_2_and_1() {
    let authority = Authority::new("ours");
    for http2 in [true, false] {
        let tls = authority.server(HOST).serving(Clients::All, http2);
        World::new(Some(tls), None).client_tls(&authority.pem(), None).ships_all();
    }
}

#[test]
fn an_authority_that_the_system_trusts_needs_no_client_tls() {
    let authority = Authority::new("ours");
    let tls = authority.server(HOST).serving(Clients::All, true);
    let world = World::new(Some(tls), None).system_trusts(&authority.pem());
    if driver::is_spin_3() {
        world.fails_saying(&HANDSHAKE);
    } else {
        world.ships_all();
    }
}

#[test]
fn a_client_certificate_ships_all_whoever_asks_for_it() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let client = clients.client("kong-cloudtrail");
    for asks in [Clients::Verified(clients.pem()), Clients::Handshake(clients.pem())] {
        let tls = authority.server(HOST).serving(asks, true);
        World::new(Some(tls), None).client_tls(&authority.pem(), Some(&client)).ships_all();
    }
}

#[test]
fn a_certificate_that_cannot_be_trusted_is_named_and_not_retried_for_long() {
    let (authority, another) = (Authority::new("ours"), Authority::new("another"));
    for (wrong, identity, trusted) in [
        ("UnknownIssuer", authority.server(HOST), another.pem()),
        ("NotValidForName", authority.server("kong.example"), authority.pem()),
        ("Expired", authority.expired(HOST), authority.pem()),
    ] {
        let world = World::new(Some(identity.serving(Clients::All, true)), None);
        let run = world.client_tls(&trusted, None).fails_saying(&HANDSHAKE);
        assert_eq!(run.report["calls"]["retries"], 1, "{wrong}");
        // The reason itself is the host's to log. Spin's timer trigger logs nothing.
        if driver::is_spin() {
            continue;
        }
        let logged = run.said.contains(wrong) || run.said.contains(&wrong.to_lowercase());
        assert!(
            logged || wrong == "NotValidForName" && run.said.contains("not valid for name"),
            "{}",
            run.said
        );
    }
}

#[test]
fn a_private_authority_that_nothing_names_is_not_trusted() {
    let tls = Authority::new("ours").server(HOST).serving(Clients::All, true);
    World::new(Some(tls), None).fails_saying(&HANDSHAKE);
}

#[test]
fn hosts_are_matched_as_they_are_written() {
    let authority = Authority::new("ours");
    let tls = authority.server("127.0.0.1").serving(Clients::All, true);
    let world = World::new(Some(tls), None).client_tls(&authority.pem(), None);
    let url = world.kong.url();
    // The section is for the name, and the address is not in it.
    world.set("kong_admin_api", &url).fails_saying(&HANDSHAKE);
}

#[test]
fn a_client_certificate_that_is_missing_or_of_another_authority_is_named() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let (stranger, client) = (Authority::new("another").client("x"), clients.client("y"));
    // As Kong's nginx answers.
    let asks = Clients::Verified(clients.pem());
    for (client, says) in [
        (None, "No required SSL certificate was sent"),
        (Some(&stranger), "The SSL certificate error"),
    ] {
        let tls = authority.server(HOST).serving(asks.clone(), true);
        let world = World::new(Some(tls), None).client_tls(&authority.pem(), client);
        let words = [says, "client_cert_file", "client_private_key_file", "[[client_tls]]"];
        let run = world.fails_saying(&words);
        assert_eq!(run.report["calls"]["retries"], 0, "it does not pass: {says}");
    }
    // As what stands before Kong may: in TLS 1.3 the handshake is over by then.
    let asks = Clients::Handshake(clients.pem());
    for wrong in [None, Some(&stranger)] {
        let tls = authority.server(HOST).serving(asks.clone(), true);
        let world = World::new(Some(tls), None).client_tls(&authority.pem(), wrong);
        world.fails_saying(&["client_cert_file", "[[client_tls]]", "kong_admin_api"]);
    }
    // And once it is right, the same Kong is read.
    let tls = authority.server(HOST).serving(asks, true);
    World::new(Some(tls), None).client_tls(&authority.pem(), Some(&client)).ships_all();
}

#[test]
fn plain_http_against_tls_and_tls_against_plain_http_name_the_scheme() {
    let authority = Authority::new("ours");
    let tls = authority.server(HOST).serving(Clients::All, true);
    let world = World::new(Some(tls), None);
    let url = named(&world.kong.url()).replace("https://", "http://");
    let run = world.set("kong_admin_api", &url).fails_saying(&["https:// in kong_admin_api"]);
    assert_eq!(run.report["calls"]["retries"], 0);

    let world = World::new(None, None).client_tls(&authority.pem(), None);
    let url = named(&world.kong.url()).replace("http://", "https://");
    world.set("kong_admin_api", &url).fails_saying(&["http:// in kong_admin_api"]);
}
