//! CloudTrail's endpoint where it has a certificate of a private authority: behind a proxy that
//! ends TLS, say, before an interface endpoint.

use kong_cloudtrail_sim::tls::Clients;

use super::authority::Authority;
use super::world::{HOST, World};

#[test]
fn the_same_section_serves_it() {
    let authority = Authority::new("ours");
    let tls = || authority.server(HOST).serving(Clients::All, false);
    World::new(None, Some(tls())).client_tls(&authority.pem(), None).ships_all();
    World::new(Some(tls()), Some(tls())).client_tls(&authority.pem(), None).ships_all();
}

#[test]
fn a_certificate_that_cannot_be_trusted_names_the_endpoint() {
    let (authority, another) = (Authority::new("ours"), Authority::new("another"));
    for (identity, trusted) in [
        (authority.server(HOST), another.pem()),
        (authority.server("cloudtrail.example"), authority.pem()),
        (authority.expired(HOST), authority.pem()),
    ] {
        let world = World::new(None, Some(identity.serving(Clients::All, false)));
        let words = ["TLS handshake failed", "ca_roots_file", "cloudtrail_endpoint"];
        let run = world.client_tls(&trusted, None).fails_saying(&words);
        assert!(!run.report["error"].as_str().unwrap().contains("kong_admin_api"));
    }
}
