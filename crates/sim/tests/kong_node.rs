//! What kind of node a Kong is, whom it lets in, and how it refuses.
#![allow(clippy::unwrap_used)]

#[path = "support/kong.rs"]
mod support;

use kong_cloudtrail_sim::kong::{Database, Faults, Node, Options, Rbac, Role, Simulator, Stream};
use serde_json::{Value, json};
use support::{page, refused, start, version};

fn node(node: Node) -> Options {
    Options { node, ..version("3.10.0.0") }
}

fn rbac(mode: Rbac) -> Node {
    Node { enforce_rbac: Some(mode), ..Node::default() }
}

async fn status(kong: &Simulator, header: &str, token: &str) -> u16 {
    let url = format!("{}/audit/requests", kong.url());
    let call = reqwest::Client::new().get(url).header(header, token);
    call.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_root_shows_what_node_it_is() {
    let shown = async |options: Options| {
        let root = page(&start(options), "/").await;
        ["database", "role", "enforce_rbac", "rbac_auth_header"]
            .map(|name| root["configuration"][name].as_str().unwrap().to_owned())
    };
    let usual = shown(node(Node::default())).await;
    assert_eq!(usual, ["postgres", "traditional", "off", "Kong-Admin-Token"]);
    for (mode, name) in
        [(Rbac::On, "on"), (Rbac::Off, "off"), (Rbac::Both, "both"), (Rbac::Entity, "entity")]
    {
        assert_eq!(shown(node(rbac(mode))).await[2], name);
    }
    let control_plane = Node { role: Role::ControlPlane, ..Node::default() };
    assert_eq!(shown(node(control_plane)).await[..2], ["postgres", "control_plane"]);
    let data_plane = Node {
        role: Role::DataPlane,
        database: Database::Off,
        rbac_auth_header: "X-Token".to_owned(),
        ..Node::default()
    };
    assert_eq!(shown(node(data_plane)).await, ["off", "data_plane", "off", "X-Token"]);
}

#[tokio::test]
async fn a_token_means_that_rbac_is_on_unless_it_is_said_otherwise() {
    for (mode, shown) in [(None, "on"), (Some(Rbac::Entity), "entity")] {
        let kong = start(Options {
            token: Some("t".to_owned()),
            ..node(Node { enforce_rbac: mode, ..Node::default() })
        });
        let url = kong.url();
        let call = reqwest::Client::new().get(url).header("Kong-Admin-Token", "t");
        let root: Value = call.send().await.unwrap().json().await.unwrap();
        assert_eq!(root["configuration"]["enforce_rbac"], shown);
        assert_eq!(refused(&kong, "/").await.0, 401);
    }
    let off = start(Options { token: Some("t".to_owned()), ..node(rbac(Rbac::Off)) });
    assert_eq!(status(&off, "Kong-Admin-Token", "another").await, 200, "nobody asks for it");
}

#[tokio::test]
async fn a_node_without_a_database_has_empty_pages_though_audit_log_is_on() {
    let off = Node { database: Database::Off, ..Node::default() };
    let data_plane = Node { role: Role::DataPlane, ..Node::default() };
    for node in [off, data_plane] {
        let kong = start(Options { audit_readers: true, ..self::node(node) });
        kong.add_activity(10, 10);
        kong.add_entries(Stream::Objects, [json!({"id": "a"})]);
        assert_eq!(page(&kong, "/").await["configuration"]["audit_log"], true);
        for path in ["/audit/requests", "/audit/objects"] {
            assert_eq!(page(&kong, path).await, json!({"data": [], "next": null}));
        }
        assert_eq!((kong.status().requests, kong.status().objects), (0, 0));
    }
    let control_plane = Node { role: Role::ControlPlane, ..Node::default() };
    assert_eq!(start(node(control_plane)).status().objects, 500);
}

#[tokio::test]
async fn where_rbac_is_enforced_who_is_nobody_is_refused_and_where_it_is_off_nobody_is_known() {
    let entries = |options: Options| start(options).entries(Stream::Requests, 0, usize::MAX);
    let anonymous = |entry: &&Value| entry["rbac_user_id"].is_null();
    for mode in [Rbac::On, Rbac::Both, Rbac::Entity] {
        let entries = entries(node(rbac(mode)));
        let refused = entries.iter().filter(anonymous).collect::<Vec<_>>();
        assert!(refused.len() > 20 && refused.len() < 250, "{}", refused.len());
        for entry in refused {
            assert_eq!(entry["status"], 401, "{entry}");
            assert_eq!(entry["rbac_user_name"], Value::Null);
        }
    }
    for entry in entries(node(rbac(Rbac::Off))) {
        assert_eq!(
            (&entry["rbac_user_id"], &entry["rbac_user_name"]),
            (&json!(null), &json!(null))
        );
    }
    let usual = entries(node(Node::default()));
    assert!(usual.iter().any(|entry| entry["rbac_user_id"].is_string()));
    let probe = |entry: &&Value| entry["path"] == "/status";
    assert!(usual.iter().filter(probe).all(|entry| entry["status"] == 200));
}

#[tokio::test]
async fn the_token_is_taken_from_the_header_that_kong_is_told() {
    let header = Node { rbac_auth_header: "X-Kong-Token".to_owned(), ..Node::default() };
    let kong = start(Options { token: Some("t".to_owned()), ..node(header) });
    assert_eq!(status(&kong, "X-Kong-Token", "t").await, 200);
    assert_eq!(status(&kong, "x-kong-token", "t").await, 200, "header names have no case");
    assert_eq!(status(&kong, "Kong-Admin-Token", "t").await, 401);
}

#[tokio::test]
async fn without_a_licence_the_audit_log_is_refused() {
    let kong = start(version("3.10.0.0"));
    kong.set_faults(Faults { licence_missing: true, ..Faults::default() });
    let body = json!({"message": "Enterprise license missing or expired"});
    for path in ["/audit/requests", "/audit/objects?size=5"] {
        assert_eq!(refused(&kong, path).await, (403, body.clone()));
    }
    assert_eq!(page(&kong, "/").await["version"], "3.10.0.0-enterprise-edition");
    kong.set_faults(Faults::default());
    page(&kong, "/audit/objects").await;
}

#[tokio::test]
async fn who_has_no_permission_for_a_path_is_told_so_by_name() {
    let kong = start(Options { audit_readers: true, ..node(Node::default()) });
    let body =
        json!({"message": "audit-reader, you do not have permissions to read this resource"});
    let no_permission = vec!["/audit/objects".to_owned()];
    kong.set_faults(Faults { no_permission, ..Faults::default() });
    assert_eq!(refused(&kong, "/audit/objects?after=1").await, (403, body.clone()));
    page(&kong, "/audit/requests").await;
    page(&kong, "/").await;
    let no_permission = vec!["/".to_owned()];
    kong.set_faults(Faults { no_permission, ..Faults::default() });
    assert_eq!(refused(&kong, "/").await, (403, body));
    page(&kong, "/audit/objects").await;

    let token = Some("t".to_owned());
    let kong = start(Options { token, audit_readers: true, ..Options::default() });
    let no_permission = vec!["/audit/requests".to_owned()];
    kong.set_faults(Faults { no_permission, licence_missing: true, ..Faults::default() });
    assert_eq!(status(&kong, "Kong-Admin-Token", "t").await, 403);
    assert_eq!(refused(&kong, "/audit/requests").await.0, 401, "the token comes first");
    let audited = kong.entries(Stream::Requests, 0, 1);
    assert_eq!(
        (&audited[0]["status"], &audited[0]["rbac_user_name"]),
        (&json!(403), &json!("audit-reader"))
    );
}
