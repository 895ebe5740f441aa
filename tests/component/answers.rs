//! What Kong's answers look like beside the usual, and what they do not state.

use kong_cloudtrail_sim::kong::{
    self, Configuration, Database, Dates, EmptyList, Node, Rbac, Role, Shape, Stream,
};
use serde_json::{Value, json};

use super::support::{Store, World};

fn shaped(shape: Shape) -> kong::Options {
    kong::Options { shape, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_one_however_it_is_written() {
    for empty_list in [EmptyList::Array, EmptyList::Object, EmptyList::Null] {
        let world = World::new(Store::Sqlite, shaped(Shape { empty_list, ..Default::default() }));
        assert_eq!(world.tick_ok().await.shipped(), (0, 0), "{empty_list:?}");
        world.kong.add_activity(5, 5);
        assert_eq!(world.tick_ok().await.shipped(), (5, 5), "{empty_list:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_a_list_null_or_hidden_and_a_byte_order_mark_do_not_matter() {
    let shapes = [Configuration::EmptyList, Configuration::Null, Configuration::Hidden]
        .map(|configuration| Shape { configuration, ..Default::default() })
        .into_iter()
        .chain([Shape { byte_order_mark: true, ..Default::default() }]);
    for shape in shapes {
        let world = World::new(
            Store::Sqlite,
            kong::Options { requests: 30, objects: 20, ..shaped(shape.clone()) },
        );
        assert_eq!(world.tick_ok().await.shipped(), (30, 20), "{shape:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kong_that_takes_one_form_of_date_alone_is_read_by_windows() {
    for (dates, retries) in [(Dates::Both, 0), (Dates::Rfc3339Only, 0), (Dates::UnixOnly, 1)] {
        let world = World::new(
            Store::Sqlite,
            kong::Options {
                requests: 2500,
                objects: 20,
                ..shaped(Shape { dates, ..Default::default() })
            },
        );
        assert_eq!(world.tick_ok().await.shipped(), (2500, 20), "{dates:?}");
        world.kong.add_activity(7, 3);
        let report = world.tick_ok().await;
        assert_eq!(report.shipped(), (7, 3), "{dates:?}");
        assert_eq!(report["streams"]["requests"]["mode"], "incremental", "{dates:?}");
        assert_eq!(report["calls"]["retries"], retries, "{dates:?}: one call finds it out");
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_database_is_no_empty_trail() {
    for (node, named) in [
        (Node { database: Database::Off, ..Default::default() }, "database = off"),
        (Node { role: Role::DataPlane, ..Default::default() }, "role = data_plane"),
    ] {
        let world =
            World::new(Store::Sqlite, kong::Options { node, requests: 30, ..Default::default() });
        let report = world.tick().await;
        assert_eq!(report["outcome"], "failed");
        for told in [named, "kong_admin_api", "control plane"] {
            assert!(report.error().contains(told), "{told}: {}", report.error());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_goes_in_the_header_that_kong_takes_it_from() {
    let node = Node { rbac_auth_header: "X-Admin".to_owned(), ..Default::default() };
    let mut world =
        World::new(Store::Sqlite, kong::Options { node, requests: 5, ..Default::default() });
    assert_eq!(world.tick().await["outcome"], "failed");
    world.set("kong_admin_token_header", "X-Admin");
    assert_eq!(world.tick_ok().await.shipped(), (5, 0));
    world.set("kong_admin_token_header", "X Admin");
    let report = world.tick().await;
    assert!(report.error().contains("kong_admin_token_header"), "{}", report.error());
}

/// `userIdentity` of a call without a user that was refused.
async fn identity_of_a_refused_call(enforce_rbac: Rbac) -> Value {
    let node = Node { enforce_rbac: Some(enforce_rbac), ..Default::default() };
    let world = World::new(Store::Sqlite, kong::Options { node, ..Default::default() });
    let now = world.kong.status().now;
    let refused = json!({"request_id": "refused", "request_timestamp": now, "method": "GET", "path": "/services",
        "status": 401, "rbac_user_id": null});
    world.kong.add_entries(Stream::Requests, [refused]);
    assert_eq!(world.tick_ok().await.shipped(), (1, 0));
    world.cloudtrail.events(0, 1)[0].event_data["userIdentity"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn rbac_is_not_enforced_where_kong_says_so_alone() {
    let anonymous = json!({"type": "Anonymous", "principalId": "anonymous"});
    for rbac in [Rbac::On, Rbac::Both, Rbac::Entity] {
        assert_eq!(identity_of_a_refused_call(rbac).await, anonymous, "{rbac:?}");
    }
    let off = identity_of_a_refused_call(Rbac::Off).await;
    assert_eq!(off["details"], json!({"rbac": "not enforced"}));
}
