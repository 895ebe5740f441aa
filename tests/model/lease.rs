//! The lease, between hosts that share this world's store.

use std::time::Duration;

use kong_cloudtrail::lease::{Lease, LeaseError};
use kong_cloudtrail::store::Store;

use crate::world::World;

const LENGTH: Duration = Duration::from_mins(5);

#[test]
fn a_lease_keeps_others_out_until_it_is_released() {
    let world = World::new(1);
    let store = Store::new(&world, "default");
    let lease = Lease::take(&store, &world, LENGTH).unwrap();
    assert!(matches!(Lease::take(&store, &world, LENGTH).err(), Some(LeaseError::Held { .. })));
    lease.release().unwrap();
    assert!(Lease::take(&store, &world, LENGTH).is_ok());
}

#[test]
fn a_host_that_died_is_replaced_when_its_lease_has_run_out() {
    let world = World::new(1);
    let store = Store::new(&world, "default");
    drop(Lease::take(&store, &world, LENGTH).unwrap());
    world.advance(299);
    assert!(matches!(Lease::take(&store, &world, LENGTH).err(), Some(LeaseError::Held { .. })));
    world.advance(1);
    assert!(Lease::take(&store, &world, LENGTH).is_ok());
}

#[test]
fn a_host_that_stalled_past_its_lease_notices_the_other_and_never_forgets_it() {
    let world = World::new(1);
    let store = Store::new(&world, "default");
    let stalled = Lease::take(&store, &world, LENGTH).unwrap();
    world.advance(301);
    let other = Lease::take(&store, &world, LENGTH).unwrap();
    assert_eq!(stalled.hold(), Err(LeaseError::Lost));
    other.release().unwrap();
    assert_eq!(stalled.hold(), Err(LeaseError::Lost));
}

#[test]
fn a_host_that_works_on_renews_its_lease_and_one_that_stalled_unnoticed_goes_on() {
    let world = World::new(1);
    let store = Store::new(&world, "default");
    let lease = Lease::take(&store, &world, LENGTH).unwrap();
    for _ in 0..20 {
        world.advance(101);
        lease.hold().unwrap();
        assert!(matches!(Lease::take(&store, &world, LENGTH).err(), Some(LeaseError::Held { .. })));
    }
    world.advance(1000);
    lease.hold().unwrap();
}

#[test]
fn holding_costs_no_call_before_a_renewal_is_due() {
    let world = World::new(1);
    let store = Store::new(&world, "default");
    let lease = Lease::take(&store, &world, LENGTH).unwrap();
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
    let world = World::new(1);
    let store = Store::new(&world, "default");
    let lease = Lease::take(&store, &world, LENGTH).unwrap();
    let wait = kong_cloudtrail::ports::Clock::sleep(&world, Duration::from_mins(50));
    world.play(lease.during(wait)).unwrap();
    assert!(matches!(Lease::take(&store, &world, LENGTH).err(), Some(LeaseError::Held { .. })));
}

#[test]
fn clocks_may_differ_by_seconds() {
    let world = World::new(1);
    let store = Store::new(&world, "default");
    let lease = Lease::take(&store, &world, LENGTH).unwrap();
    world.skew.set(30);
    world.advance(100);
    assert!(matches!(Lease::take(&store, &world, LENGTH).err(), Some(LeaseError::Held { .. })));
    lease.hold().unwrap();
}

#[test]
fn a_value_that_no_host_wrote_and_a_time_that_no_lease_reaches_keep_nobody_out() {
    for value in [&b"nonsense"[..], br#"{"owner":"x","until_ms":9999999999999999}"#] {
        let world = World::new(1);
        let store = Store::new(&world, "default");
        store.set_many(vec![("lease".to_owned(), value.to_vec())]).unwrap();
        assert!(Lease::take(&store, &world, LENGTH).is_ok());
    }
}
