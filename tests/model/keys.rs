//! Ledgers with a key: which one runs have, that all values are written with it, and what happens while
//! one takes over from another.

use kong_cloudtrail::report::{Attention, Note, Outcome};

use crate::host::Faults;
use crate::scene::Scene;
use crate::store::{self, is_sealed};
use crate::world::World;

/// `ledger_key` and `ledger_key_previous`, by number: number 0 is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys {
    current: u8,
    previous: Option<u8>,
}

fn secret(number: u8) -> Option<String> {
    (number > 0).then(|| format!("the secret of key {number}, of 32 characters and more"))
}

impl Keys {
    pub fn current(self) -> Option<String> {
        secret(self.current)
    }

    pub fn previous(self) -> Option<String> {
        self.previous.map(|number| secret(number).unwrap_or_else(|| "unkeyed".to_owned()))
    }
}

impl World {
    /// The names of the ledger's values that are not written with the current key.
    pub fn written_otherwise(&self) -> Vec<String> {
        let key = self.keys.get().current();
        let mut names = store::ledger(&self.store).names();
        let values = self.store.values.borrow();
        names.retain(|name| {
            let value = values.get(&store::key(name));
            value.is_some_and(|value| !is_sealed(name, value, key.as_deref()))
        });
        names
    }

    /// Another key is set, the first one or the next, once all is written with the one of now.
    pub fn rotate_key(&self) {
        if self.written_otherwise().is_empty() && self.has_no_lease_of_another_key() {
            let Keys { current, .. } = self.keys.get();
            self.keys.set(Keys { current: current + 1, previous: Some(current) });
            // A failover goes back by seconds, not to before the last rotation.
            self.store.forget_undo();
        }
    }

    /// Whether a run with the current key can read the lease, be it that of a run that died before it wrote
    /// anything else.
    fn has_no_lease_of_another_key(&self) -> bool {
        let values = self.store.values.borrow();
        let lease = values.get(&store::key("lease"));
        let key = self.keys.get().current();
        lease.is_none_or(|lease| is_sealed("lease", &as_sealed(lease), key.as_deref()))
    }

    /// Values of the previous key are no longer accepted.
    pub fn settle_key(&self) {
        self.keys.set(Keys { previous: None, ..self.keys.get() });
    }
}

/// The lease, which is JSON, in the form of the other values.
fn as_sealed(lease: &[u8]) -> Vec<u8> {
    let lease: serde_json::Value = serde_json::from_slice(lease).unwrap();
    let check = hex::decode(lease["check"].as_str().unwrap()).unwrap();
    let body = format!("{} {}", lease["owner"].as_str().unwrap(), lease["until_ms"]);
    [b"kcl2", check.as_slice(), body.as_bytes()].concat()
}

/// A ledger with segments of several buckets, a minute before a key takes over.
fn shipped(keyed: bool) -> Scene {
    let scene = Scene::new();
    if keyed {
        scene.world.rotate_key();
    }
    for day in 0..5 {
        scene.write_stamped(20, scene.kong_time() - day * 86_400);
        scene.write_objects_stamped(20, scene.kong_time() - day * 86_400);
    }
    scene.run();
    scene.pass(300);
    scene.world.settle_key();
    scene.world.rotate_key();
    scene.write(10);
    scene
}

#[test]
fn a_key_takes_over_from_none_and_from_another_and_nothing_is_repeated() {
    for keyed in [false, true] {
        let scene = shipped(keyed);
        assert!(scene.world.written_otherwise().len() > 5);
        let report = scene.run();
        assert!(report.attention.contains(&Attention::Rekeyed));
        assert_eq!(report.notes.contains(&Note::AdoptingUnkeyedLedger), !keyed);
        assert!(!report.notes.contains(&Note::UnauthenticatedLedger));
        assert_eq!(scene.world.written_otherwise(), [""; 0]);
        scene.world.settle_key();
        scene.pass(90_000);
        assert!(!scene.run().attention.contains(&Attention::Rekeyed));
        assert_eq!((scene.missing(), scene.repeated()), (0, 0));
    }
}

#[test]
fn a_death_in_any_call_of_the_run_that_writes_the_ledger_anew_costs_nothing_more() {
    for keyed in [false, true] {
        for calls in 1..40 {
            let scene = shipped(keyed);
            scene.run_with(Faults { dies_after: Some(calls), ..Faults::default() });
            scene.pass(400);
            scene.run();
            assert_eq!((scene.missing(), scene.world.written_otherwise().len()), (0, 0));
            assert!(scene.repeated() <= 10, "died after call {calls}: the batch of that run");
        }
    }
}

#[test]
fn with_a_key_that_did_not_write_the_ledger_nothing_is_read_sent_or_written() {
    let scene = shipped(true);
    scene.world.settle_key();
    let report = scene.run_with(Faults::default()).unwrap();
    assert_eq!((report.outcome, report.generation), (Outcome::Failed, None));
    assert!(report.error.unwrap().contains("ledger_key_previous"));
    assert_eq!(scene.missing(), 10);
}

/// Why no failover strikes such a run in a history.
#[test]
fn a_failover_under_the_run_that_writes_the_ledger_anew_leaves_values_that_no_run_reads() {
    let stuck = (1..40).filter(|call| {
        let scene = shipped(true);
        scene.run_with(Faults { failover: Some((*call, 3)), ..Faults::default() });
        scene.pass(90_000);
        let report = scene.run_with(Faults::default()).unwrap();
        let error = report.error.unwrap_or_default();
        report.outcome == Outcome::Failed && error.contains("was written with another ledger_key")
    });
    assert!(stuck.count() > 0);
}

/// A store that tears a write apart may have the reports of a first run and no head.
#[test]
fn what_a_torn_first_write_left_is_taken_from_the_key_before_where_there_is_no_head() {
    let scene = Scene::new();
    scene.run();
    scene.world.store.apply([(store::key("head"), None)]);
    scene.world.rotate_key();
    let report = scene.run();
    assert!(report.attention.contains(&Attention::Rekeyed));
    scene.world.settle_key();
    scene.run();
}
