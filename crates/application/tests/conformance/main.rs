//! The same statements on both stores, and where their answers differ.
//!
//! They must differ exactly as they do in Spin: every row was seen on 4.0.2 and on 3.6.3. Run with `--nocapture` to see
//! the table.
#![allow(clippy::unwrap_used)]

#[path = "../../../../tests/faults/redis.rs"]
#[allow(dead_code, reason = "the tests of faults do more with theirs")]
mod redis_server;
mod statements;

use futures::future::join_all;
use kong_cloudtrail_application::key_value::redis::RedisStores;
use kong_cloudtrail_application::key_value::sqlite::SqliteStores;
use kong_cloudtrail_application::key_value::{StoreError, StoreManager};
use redis_server::Redis;
use statements::{Pair, Statement, statements};

/// Runs all statements, each on a fresh pair from `open`; returns what was observed, and asserts
/// that it is as `expected`.
async fn observe(
    name: &str,
    open: impl AsyncFn() -> Pair,
    expected: impl Fn(&Statement) -> &'static str,
) -> Vec<String> {
    let mut observed = Vec::new();
    for statement in statements() {
        let pair = open().await;
        let answer = (statement.run)(pair).await;
        assert_eq!(answer, expected(&statement), "{name}: {}", statement.says);
        observed.push(answer);
    }
    observed
}

#[tokio::test]
async fn the_stores_agree_but_where_spins_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = observe(
        "SQLite",
        async || {
            // A folder that is not there yet.
            let file = folder.path().join(format!("{:?}", std::time::Instant::now())).join("kv.db");
            let stores = || SqliteStores::new(Some(file.clone()));
            Pair::open(&stores(), &stores()).await
        },
        |statement| statement.sqlite,
    )
    .await;

    let redis = match Redis::start_with(&[]) {
        Some(server) => {
            observe(
                "Redis",
                async || {
                    let stores = || RedisStores::new(&server.url()).unwrap();
                    let pair = Pair::open(&stores(), &stores()).await;
                    pair.ours.delete_many(pair.ours.keys().await.unwrap_or_default()).await.ok();
                    pair
                },
                |statement| statement.redis,
            )
            .await
        }
        None => vec!["SKIPPED".to_owned(); sqlite.len()],
    };

    println!("{:60} | {:26} | Redis", "where the stores differ", "SQLite");
    for ((statement, sqlite), redis) in statements().iter().zip(sqlite).zip(redis) {
        if sqlite != redis {
            let sqlite = sqlite.escape_debug().to_string();
            println!("{:60} | {sqlite:26} | {}", statement.says, redis.escape_debug());
        }
    }
}

#[tokio::test]
async fn on_redis_each_swap_under_way_has_a_connection_of_its_own() {
    let Some(server) = Redis::start_with(&[]) else { return };
    let stores = RedisStores::new(&server.url()).unwrap();
    let store = stores.open("default").await.unwrap();
    let mut watcher = redis::Client::open(server.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let mut connections = async || {
        let list: String =
            redis::cmd("CLIENT").arg("LIST").query_async(&mut watcher).await.unwrap();
        list.lines().count()
    };
    let before = connections().await;
    let swaps = join_all((0..5).map(|_| store.compare_and_swap("a"))).await;
    assert_eq!(connections().await, before + 5);
    drop(swaps);
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_an_error_for_the_component() {
    let stores = RedisStores::new("redis://127.0.0.1:1").unwrap();
    assert!(matches!(stores.open("default").await.err(), Some(StoreError::Other(_))));
}

#[tokio::test]
async fn what_redis_does_when_it_is_full_is_told_by_config_or_else_by_info() {
    assert_eq!(SqliteStores::new(None).eviction().await, Ok(None), "SQLite deletes nothing");
    let Some(server) = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]) else { return };
    let mut admin = redis::Client::open(server.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    for (user, rights) in [("info", "-config"), ("none", "-config -info")] {
        let mut acl = redis::cmd("ACL");
        acl.arg("SETUSER").arg(user).arg(&["on", ">secret", "~*", "&*", "+@all"][..]);
        rights.split(' ').for_each(|right| _ = acl.arg(right));
        acl.exec_async(&mut admin).await.unwrap();
    }
    let told = async |user: &str| {
        let url = format!("redis://{user}127.0.0.1:{}", server.port());
        RedisStores::new(&url).unwrap().eviction().await
    };
    assert_eq!(told("").await, Ok(Some("allkeys-lru".to_owned())));
    assert_eq!(told("info:secret@").await, Ok(Some("allkeys-lru".to_owned())));
    let refused = told("none:secret@").await.unwrap_err();
    assert!(
        refused.to_string().contains("NOPERM") || refused.to_string().contains("no permissions"),
        "{refused}"
    );
}
