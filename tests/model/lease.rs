//! The lease, between hosts that share this world's store.

use std::rc::Rc;
use std::time::Duration;

use kong_cloudtrail::lease::{Lease, LeaseError};
use kong_cloudtrail::ports::Clock;
use kong_cloudtrail::store::Store;

use crate::host::Host;
use crate::world::World;

const LENGTH: Duration = Duration::from_mins(5);

fn alone() -> (Rc<World>, Host) {
    let world = World::new(1);
    let host = Host::new(&world);
    (world, host)
}

#[test]
fn a_lease_keeps_others_out_until_it_is_released() {
    let (_world, host) = alone();
    let store = Store::new(&host, "default");
    let lease = Lease::take(&store, &host, LENGTH).unwrap();
    assert!(matches!(Lease::take(&store, &host, LENGTH).err(), Some(LeaseError::Held { .. })));
    lease.release().unwrap();
    assert!(Lease::take(&store, &host, LENGTH).is_ok());
}

#[test]
fn a_host_that_died_is_replaced_when_its_lease_has_run_out() {
    let (world, host) = alone();
    let store = Store::new(&host, "default");
    drop(Lease::take(&store, &host, LENGTH).unwrap());
    world.advance(299);
    assert!(matches!(Lease::take(&store, &host, LENGTH).err(), Some(LeaseError::Held { .. })));
    world.advance(1);
    assert!(Lease::take(&store, &host, LENGTH).is_ok());
}

#[test]
fn a_host_that_stalled_past_its_lease_notices_the_other_and_never_forgets_it() {
    let (world, host) = alone();
    let store = Store::new(&host, "default");
    let stalled = Lease::take(&store, &host, LENGTH).unwrap();
    world.advance(301);
    let other = Lease::take(&store, &host, LENGTH).unwrap();
    assert_eq!(stalled.hold(), Err(LeaseError::Lost));
    other.release().unwrap();
    assert_eq!(stalled.hold(), Err(LeaseError::Lost));
}

#[test]
fn a_host_that_works_on_renews_its_lease_and_one_that_stalled_unnoticed_goes_on() {
    let (world, host) = alone();
    let store = Store::new(&host, "default");
    let lease = Lease::take(&store, &host, LENGTH).unwrap();
    for _ in 0..20 {
        world.advance(101);
        lease.hold().unwrap();
        assert!(matches!(Lease::take(&store, &host, LENGTH).err(), Some(LeaseError::Held { .. })));
    }
    world.advance(1000);
    lease.hold().unwrap();
}

#[test]
fn holding_costs_no_call_before_a_renewal_is_due() {
    let (world, host) = alone();
    let store = Store::new(&host, "default");
    let lease = Lease::take(&store, &host, LENGTH).unwrap();
    let calls = store.calls();
    world.advance(99);
    lease.hold().unwrap();
    assert_eq!(store.calls(), calls);
    world.advance(1);
    lease.hold().unwrap();
    assert_eq!(store.calls(), calls + 2, "a swap, and the value read back");
}

#[test]
fn the_lease_is_renewed_beside_a_long_wait() {
    let (_world, host) = alone();
    let waiter = host.clone();
    let kept_out = host.play(async move {
        let store = Store::new(&waiter, "default");
        let lease = Lease::take(&store, &waiter, LENGTH).unwrap();
        lease.during(waiter.sleep(Duration::from_mins(50))).await;
        matches!(Lease::take(&store, &waiter, LENGTH).err(), Some(LeaseError::Held { .. }))
    });
    assert_eq!(kept_out, Some(true));
}

#[test]
fn clocks_may_differ_by_seconds() {
    let (world, host) = alone();
    let store = Store::new(&host, "default");
    let lease = Lease::take(&store, &host, LENGTH).unwrap();
    host.skew.set(30);
    world.advance(100);
    assert!(matches!(Lease::take(&store, &host, LENGTH).err(), Some(LeaseError::Held { .. })));
    lease.hold().unwrap();
}

#[test]
fn a_value_that_no_host_wrote_and_a_time_that_no_lease_reaches_keep_nobody_out() {
    for value in [&b"nonsense"[..], br#"{"owner":"x","until_ms":9999999999999999}"#] {
        let (_world, host) = alone();
        let store = Store::new(&host, "default");
        store.set_many(vec![("lease".to_owned(), value.to_vec())]).unwrap();
        assert!(Lease::take(&store, &host, LENGTH).is_ok());
    }
}

#[test]
fn a_host_that_stalled_after_its_last_look_notices_when_it_gives_the_lease_back() {
    let (world, host) = alone();
    let store = Store::new(&host, "default");
    let stalled = Lease::take(&store, &host, LENGTH).unwrap();
    world.advance(301);
    let other = Lease::take(&store, &host, LENGTH).unwrap();
    assert_eq!(stalled.release(), Err(LeaseError::Lost));
    assert!(other.hold().is_ok(), "the other's lease is left alone");
    assert!(other.release().is_ok());
}
