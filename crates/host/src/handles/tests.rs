//! Handles as a component holds them.
#![allow(clippy::unwrap_used)]

use kong_cloudtrail_application::key_value::StoreManager;
use kong_cloudtrail_application::key_value::sqlite::SqliteStores;

use super::*;

fn key_value() -> KeyValue {
    let stores: Arc<dyn StoreManager> = Arc::new(SqliteStores::default());
    let managers = Managers::from([("default".to_owned(), stores)]);
    let allowed = vec!["default".to_owned(), "unknown".to_owned()];
    KeyValue::new(allowed, Arc::new(managers), Arc::default())
}

/// The same handle once more: the interfaces take handles by value.
fn again<T: 'static>(handle: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(handle.rep())
}

#[tokio::test]
async fn a_store_opens_when_the_manifest_grants_it_and_it_exists() {
    let mut kv = key_value();
    assert!(spin::HostStore::open(&mut kv, "default".into()).await.is_ok());
    let denied = wasi::Host::open(&mut kv, "secret".into()).await;
    assert_eq!(denied.err(), Some(StoreError::AccessDenied));
    let unknown = wasi::Host::open(&mut kv, "unknown".into()).await;
    assert_eq!(unknown.err(), Some(StoreError::NoSuchStore));
}

#[tokio::test]
async fn a_failed_swap_hands_out_a_new_handle_that_knows_the_value_of_now() {
    let mut kv = key_value();
    let store = wasi::Host::open(&mut kv, "default".into()).await.unwrap();
    wasi::HostBucket::set(&mut kv, again(&store), "key".into(), b"old".to_vec()).await.unwrap();
    let swap = atomics::HostCas::new(&mut kv, again(&store), "key".into()).await.unwrap();
    atomics::HostCas::current(&mut kv, again(&swap)).await.unwrap();
    wasi::HostBucket::set(&mut kv, again(&store), "key".into(), b"theirs".to_vec()).await.unwrap();
    let failed = atomics::Host::swap(&mut kv, swap, b"ours".to_vec()).await;
    let Err(SwapFailure::Changed(retry)) = failed else { panic!("the swap did not fail") };
    assert!(atomics::Host::swap(&mut kv, retry, b"ours".to_vec()).await.is_ok());
    let now = wasi::HostBucket::get(&mut kv, store, "key".into()).await.unwrap();
    assert_eq!(now.as_deref(), Some(&b"ours"[..]));
}

#[tokio::test]
async fn keys_come_in_one_page() {
    let mut kv = key_value();
    let store = wasi::Host::open(&mut kv, "default".into()).await.unwrap();
    let page = wasi::HostBucket::list_keys(&mut kv, again(&store), None).await.unwrap();
    assert!(page.cursor.is_none());
    assert!(wasi::HostBucket::list_keys(&mut kv, store, Some("1".into())).await.is_err());
}

#[test]
fn where_spin_panics_the_component_traps() {
    let mut kv = key_value();
    let trap = wasi::Host::convert_error(&mut kv, StoreError::Panic("why".into()));
    assert_eq!(trap.unwrap_err().to_string(), "why");
}
