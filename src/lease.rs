//! One run at a time across hosts that share a store (invariant 2).
//!
//! The lease is one value: its owner's token, random and never used again, and when it ends. It is taken by
//! compare-and-swap; the swap's answer is ignored and the value read back, since Spin 4.0.2 on Redis reports
//! "failed" even when it wrote. A token is the run's alone, so whoever reads its own token back has the
//! lease.
//!
//! Hosts' clocks may differ by seconds, so the owner renews its lease when a third of it has passed. It goes
//! by a clock that never goes back. A host that was stopped past the end of its lease notices before its next
//! batch or write.
//!
//! A swap holds a connection that Spin never gives back. `SWAPS` bounds the swaps, and so the length
//! of a run.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures::future::{Either, select};
use serde::{Deserialize, Serialize};

use crate::ports::{Clock, KeyValue, Random};
use crate::seal::Mark;
use crate::store::{Store, StoreError};
use crate::wire::rfc3339;
use crate::words::Told;

const NAME: &str = "lease";
const MARK: Mark = *b"kcl2";
/// Where a plain write is tried when a swap had no effect.
const PROBE: &str = "probe";

/// The end of a lease that its owner has given back.
const RELEASED: i64 = 0;

/// Most swaps a run makes, and again as many when the store fails.
const SWAPS: u32 = 100;

/// The longest lease that can be configured.
pub const LONGEST: Duration = Duration::from_hours(24);

/// Why a run may not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseError {
    /// Another host has it, or a run that was interrupted.
    Held {
        /// When it ends, in Unix milliseconds by this host's clock.
        until_ms: i64,
    },
    /// Nobody with this `ledger_key` has written it.
    Foreign {
        /// The whole key.
        key: String,
    },
    /// It was ours and another host has taken it over.
    Lost,
    /// The store failed.
    Store(StoreError),
}

impl LeaseError {
    /// In words.
    pub fn told(&self) -> Told {
        match self {
            Self::Held { until_ms } => Told::from(format!(
                "an interrupted run or another host holds the lease, until {} at the latest",
                rfc3339(until_ms.div_euclid(1000) + 1)
            )),
            Self::Foreign { key } => Told::new(
                format!(
                    "the lease at {key} was written with another ledger_key, or by somebody without the key"
                ),
                format!(
                    "set ledger_key as on the other hosts; while you change keys, set ledger_key to the new one and \
                     ledger_key_previous to the old one, or to the word \"unkeyed\" if there was none; if the keys are \
                     right, somebody has changed the lease: delete {key} while no run is under way"
                ),
            ),
            Self::Lost => Told::new(
                "this host stalled past its lease and another took over",
                "the run stopped, the other goes on; if it comes back, raise lease_secs",
            ),
            Self::Store(error) => error.told(),
        }
    }
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}

impl From<StoreError> for LeaseError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The lease as stored: JSON, with a check over owner and end.
#[derive(Serialize, Deserialize)]
struct Value {
    owner: String,
    until_ms: i64,
    check: String,
}

impl Value {
    fn body(owner: &str, until_ms: i64) -> Vec<u8> {
        format!("{owner} {until_ms}").into_bytes()
    }

    /// Reads a stored lease; none where `value` has not the form of one.
    fn read<P: KeyValue>(store: &Store<'_, P>, value: &[u8]) -> Result<Option<Self>, LeaseError> {
        let Ok(value) = serde_json::from_slice::<Self>(value) else { return Ok(None) };
        let check = hex::decode(&value.check).unwrap_or_default();
        let body = Self::body(&value.owner, value.until_ms);
        if store.seals().hold(&check, &store.key(NAME), MARK, &body) {
            Ok(Some(value))
        } else {
            Err(LeaseError::Foreign { key: store.key(NAME) })
        }
    }
}

/// A lease that is ours.
pub struct Lease<'a, P> {
    store: &'a Store<'a, P>,
    port: &'a P,
    owner: String,
    length: Duration,
    value: RefCell<Vec<u8>>,
    /// When the value was last seen to be ours, by the clock that never goes back.
    seen: Cell<Duration>,
    next_renewal: Cell<Duration>,
    spare_tries: Cell<u32>,
    lost: Cell<bool>,
    follows_a_death: bool,
    was_absent: bool,
}

impl<'a, P: KeyValue + Clock + Random> Lease<'a, P> {
    /// Takes the lease for `length`, unless another host holds it.
    pub fn take(
        store: &'a Store<'a, P>,
        port: &'a P,
        length: Duration,
    ) -> Result<Self, LeaseError> {
        let present = store.get(NAME)?;
        let held = present.as_deref().map_or(Ok(None), |value| Value::read(store, value))?;
        if let Some(held) = &held {
            let remaining_ms = held.until_ms.saturating_sub(port.now_ms());
            // A clock that was far ahead must not keep all others waiting for ever.
            if (1..=2 * millis(LONGEST)).contains(&remaining_ms) {
                return Err(LeaseError::Held { until_ms: held.until_ms });
            }
        }
        let lease = Self {
            store,
            port,
            owner: format!("{:016x}{:016x}", port.u64(), port.u64()),
            length,
            value: RefCell::default(),
            seen: Cell::new(port.elapsed()),
            next_renewal: Cell::default(),
            spare_tries: Cell::new(SWAPS),
            lost: Cell::new(false),
            follows_a_death: held.is_some_and(|held| held.until_ms != RELEASED),
            was_absent: present.is_none(),
        };
        match lease.swap(present.as_deref()) {
            Ok(()) => Ok(lease),
            Err(LeaseError::Lost) => {
                Err(LeaseError::Held { until_ms: port.now_ms().saturating_add(millis(length)) })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the one before it ran out: its owner died, or stalled.
    pub(crate) fn follows_a_death(&self) -> bool {
        self.follows_a_death
    }

    /// Whether there was no lease: no run was made yet, or one was interrupted and its lease freed.
    pub(crate) fn was_absent(&self) -> bool {
        self.was_absent
    }

    /// Makes sure that the lease is still ours. To be called before each batch and each write, and at least
    /// every [`Self::renewal`]. It costs nothing until a renewal is due, and renews the lease then. A store
    /// that fails is asked again while the lease certainly lasts.
    pub fn hold(&self) -> Result<(), LeaseError> {
        if self.lost.get() {
            return Err(LeaseError::Lost);
        }
        let now = self.port.elapsed();
        if now < self.next_renewal.get() {
            return Ok(());
        }
        let present = self.value.borrow().clone();
        match self.swap(Some(&present)) {
            Err(LeaseError::Store(error)) => {
                let left = self.spare_tries.get().checked_sub(1);
                let lasts = now.saturating_sub(self.seen.get()) < self.renewal() * 2;
                let Some(left) = left.filter(|_| lasts) else {
                    return Err(LeaseError::Store(error));
                };
                self.spare_tries.set(left);
                self.next_renewal.set(now + self.renewal() / 4);
                Ok(())
            }
            renewed => renewed,
        }
    }

    /// How often the lease is to be renewed.
    pub fn renewal(&self) -> Duration {
        self.length / 3
    }

    /// The longest that a run may take on leases of `length`: [`SWAPS`] renewals, with some to spare.
    pub(crate) fn longest_run(length: Duration) -> Duration {
        length / 3 * (SWAPS - 10)
    }

    /// Awaits `work` and renews the lease meanwhile. When that fails, `work` learns it from its own
    /// [`Self::hold`], before its next batch or write.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            let renewal = std::pin::pin!(self.port.sleep(self.renewal()));
            match select(work, renewal).await {
                Either::Left((done, _)) => return done,
                Either::Right(((), unfinished)) => {
                    let _ = self.hold();
                    work = unfinished;
                }
            }
        }
    }

    /// Ends the lease, so that no host need wait for it to run out. A lease that was lost since the last
    /// [`Self::hold`] shows here at the latest: a host may stall between that and a write.
    pub fn release(self) -> Result<(), LeaseError> {
        let ended = encode(self.store, &self.owner, RELEASED);
        let present = self.value.into_inner();
        self.store.swap(NAME, Some(&present), &ended)?;
        match self.store.get(NAME)? {
            Some(found) if found == ended => Ok(()),
            Some(found) if found == present => Err(self.store.no_effect(NAME).into()),
            // Another took it once it was given back.
            _ if self.port.elapsed().saturating_sub(self.seen.get()) < self.length => Ok(()),
            _ => Err(LeaseError::Lost),
        }
    }

    fn is_ours(&self, value: &[u8]) -> bool {
        Value::read(self.store, value)
            .is_ok_and(|value| value.is_some_and(|value| value.owner == self.owner))
    }

    fn swap(&self, present: Option<&[u8]>) -> Result<(), LeaseError> {
        let seen = self.port.elapsed();
        let until_ms = self.port.now_ms().saturating_add(millis(self.length));
        let wanted = encode(self.store, &self.owner, until_ms);
        self.store.swap(NAME, present, &wanted)?;
        let found = self.store.get(NAME)?;
        if found.as_deref() == Some(wanted.as_slice()) {
            self.seen.set(seen);
            self.next_renewal.set(seen + self.renewal());
            self.value.replace(wanted);
            return Ok(());
        }
        // Either nobody else wrote and our swap had no effect: Redis was away. Or an earlier swap of ours had
        // written, and its answer was lost.
        let ours = found.as_deref().filter(|found| self.is_ours(found));
        if let Some(ours) = ours {
            self.value.replace(ours.to_vec());
        }
        if ours.is_some() || found.as_deref() == present {
            // Spin hides why a swap failed. A plain write that fails tells it in the store's own words.
            self.store.set_many(vec![(PROBE.to_owned(), b"probe".to_vec())])?;
            return Err(LeaseError::Store(self.store.no_effect(NAME)));
        }
        self.lost.set(true);
        Err(LeaseError::Lost)
    }
}

fn encode<P: KeyValue>(store: &Store<'_, P>, owner: &str, until_ms: i64) -> Vec<u8> {
    let body = Value::body(owner, until_ms);
    let check = hex::encode(store.seals().current().check(&store.key(NAME), MARK, &body));
    let value = Value { owner: owner.to_owned(), until_ms, check };
    serde_json::to_vec(&value).unwrap_or_default()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The run's token.
    pub owner: String,
    /// Until when at the latest, in Unix milliseconds by its host's clock.
    pub until_ms: i64,
}

impl Holder {
    /// What tells the run from others, as people are told it.
    pub fn short(&self) -> String {
        self.owner.chars().take(8).collect()
    }
}

/// Who holds the lease, for a program that only looks. None where there is none, or it was given back.
pub fn holder<P: KeyValue>(store: &Store<'_, P>) -> Result<Option<Holder>, LeaseError> {
    let value = store.get(NAME)?;
    let held = value.as_deref().map_or(Ok(None), |value| Value::read(store, value))?;
    let held = held.filter(|held| held.until_ms != RELEASED);
    Ok(held.map(|Value { owner, until_ms, .. }| Holder { owner, until_ms }))
}

/// Whether that is the store key of a ledger's lease: for a host that frees one for a run that it has
/// ended.
pub fn is_key(key: &str) -> bool {
    key.ends_with(NAME)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::seal::{Seal, Seals};
    use crate::terms::Secret;
    use crate::testing::{Call, Fate, Faulty, InMemory, Planned};

    const LENGTH: Duration = Duration::from_mins(5);

    type Port = Faulty<InMemory<'static>>;

    fn port() -> Port {
        port_at(0)
    }

    fn port_at(epoch_ms: i64) -> Port {
        let inner = InMemory::at(epoch_ms, |_| unreachable!("the lease sends nothing"));
        Port { inner, faults: Planned::default() }
    }

    fn pass(port: &Port, secs: u64) {
        port.inner.clock.advance(Duration::from_secs(secs));
    }

    /// The next swaps have no effect.
    fn no_swap(port: &Port, times: u32) {
        port.faults.next(times, Call::Swap, Fate::Ignored);
    }

    /// Another host writes its lease right after the next swap.
    fn overtake(port: &Port) {
        let store = Store::new(port, "default");
        let value = encode(&store, "another", port.now_ms() + millis(LENGTH));
        port.faults.rival.replace(Some((store.key(NAME), value)));
    }

    fn held(work: impl FnOnce(&Port, &Lease<'_, Port>)) {
        let port = port();
        let store = Store::new(&port, "default");
        let lease = Lease::take(&store, &port, LENGTH).unwrap();
        work(&port, &lease);
    }

    #[test]
    fn a_renewal_whose_answer_is_lost_is_made_again() {
        held(|port, lease| {
            pass(port, 101);
            port.faults.next(1, Call::Get, Fate::Fails("connection lost", 0));
            assert_eq!(lease.hold(), Ok(()), "it lasts for a while yet");
            pass(port, 30);
            assert_eq!(lease.hold(), Ok(()), "the value found is its own");
            pass(port, 30);
            assert_eq!(lease.hold(), Ok(()));
            pass(port, 101);
            assert_eq!(lease.hold(), Ok(()));
        });
    }

    #[test]
    fn a_store_that_does_not_renew_is_told_before_the_lease_ends() {
        held(|port, lease| {
            pass(port, 101);
            no_swap(port, u32::MAX);
            assert_eq!(lease.hold(), Ok(()));
            pass(port, 60);
            assert_eq!(lease.hold(), Ok(()));
            pass(port, 60);
            assert!(matches!(lease.hold(), Err(LeaseError::Store(_))));
        });
    }

    #[test]
    fn a_store_that_failed_is_asked_again_after_a_while_and_until_two_thirds_of_the_lease() {
        held(|port, lease| {
            pass(port, 100);
            no_swap(port, u32::MAX);
            assert_eq!(lease.hold(), Ok(()));
            let asked = port.faults.swaps.get();
            pass(port, 24);
            assert_eq!((lease.hold(), port.faults.swaps.get()), (Ok(()), asked));
            pass(port, 1);
            assert_eq!((lease.hold(), port.faults.swaps.get()), (Ok(()), asked + 1));
            pass(port, 75);
            assert!(matches!(lease.hold(), Err(LeaseError::Store(_))), "200 s of 300 s");
        });
    }

    #[test]
    fn a_lease_is_renewed_when_a_third_of_it_has_passed_and_not_before() {
        held(|port, lease| {
            let taken = lease.store.calls();
            // A renewal is a swap, and the value read back.
            for (secs, calls) in [(99, 0), (1, 2), (0, 2), (150, 4)] {
                pass(port, secs);
                assert_eq!((lease.hold(), lease.store.calls() - taken), (Ok(()), calls));
            }
        });
    }

    #[test]
    fn a_lease_is_renewed_beside_a_long_wait_and_after_a_stall_that_nobody_noticed() {
        held(|port, lease| {
            port.inner.clock.run(lease.during(port.sleep(Duration::from_mins(50))));
            let other = take(lease.store, port);
            assert!(matches!(other.err(), Some(LeaseError::Held { .. })));
            pass(port, 1000);
            assert_eq!(lease.hold(), Ok(()));
        });
    }

    #[test]
    fn hosts_whose_clocks_are_half_a_minute_off_are_kept_out_all_the_same() {
        for off_ms in [-30_000, 30_000] {
            held(|port, lease| {
                let other = port_at(off_ms);
                other.inner.store.values.replace(port.inner.store.values.borrow().clone());
                pass(&other, 100);
                pass(port, 100);
                let store = Store::new(&other, "default");
                assert!(matches!(take(&store, &other).err(), Some(LeaseError::Held { .. })));
                assert_eq!(lease.hold(), Ok(()));
            });
        }
    }

    #[test]
    fn a_host_that_stalled_past_its_lease_notices_the_other_for_good_and_leaves_it_alone() {
        let port = port();
        let store = Store::new(&port, "default");
        let take_later = || {
            pass(&port, 301);
            take(&store, &port).unwrap()
        };
        let (looks, looks_no_more, other) = (take_later(), take_later(), take_later());
        assert_eq!(looks.hold(), Err(LeaseError::Lost));
        assert_eq!(looks_no_more.release(), Err(LeaseError::Lost));
        assert_eq!((other.hold(), other.release()), (Ok(()), Ok(())));
        assert_eq!(looks.hold(), Err(LeaseError::Lost));
    }

    #[test]
    fn renewals_for_the_longest_run_leave_ten_swaps_to_spare() {
        assert_eq!(Lease::<Port>::longest_run(LENGTH), LENGTH / 3 * 90);
    }

    #[test]
    fn a_lease_that_another_took_over_is_lost_for_good() {
        held(|port, lease| {
            pass(port, 101);
            overtake(port);
            assert_eq!(lease.hold(), Err(LeaseError::Lost));
            assert_eq!(lease.hold(), Err(LeaseError::Lost));
        });
    }

    fn take<'a>(store: &'a Store<'a, Port>, port: &'a Port) -> Result<Lease<'a, Port>, LeaseError> {
        Lease::take(store, port, LENGTH)
    }

    #[test]
    fn a_lease_that_was_given_back_tells_no_death_and_one_that_ran_out_does() {
        let port = port();
        let store = Store::new(&port, "default");
        let first = take(&store, &port).unwrap();
        assert!(!first.follows_a_death(), "there was none before");
        assert_eq!(first.release(), Ok(()));
        let second = take(&store, &port).unwrap();
        assert!(!second.follows_a_death());
        drop(second);
        port.inner.clock.advance(Duration::from_millis(299_999));
        assert_eq!(take(&store, &port).err(), Some(LeaseError::Held { until_ms: 300_000 }));
        port.inner.clock.advance_to(LENGTH);
        assert!(take(&store, &port).unwrap().follows_a_death());
    }

    #[test]
    fn a_lease_from_a_clock_that_is_far_ahead_keeps_nobody_waiting() {
        let port = port();
        let store = Store::new(&port, "default");
        let until = |until_ms| {
            let value = encode(&store, "another", until_ms);
            port.inner.store.values.borrow_mut().insert(store.key(NAME), value);
        };
        until(2 * millis(LONGEST));
        assert!(matches!(take(&store, &port).err(), Some(LeaseError::Held { .. })));
        until(2 * millis(LONGEST) + 1);
        assert!(take(&store, &port).is_ok());
    }

    #[test]
    fn a_lease_that_was_written_with_another_key_is_refused_and_nobodys_is_one_without_its_form() {
        let port = port();
        let store = Store::new(&port, "default");
        let until_ms = millis(LENGTH);
        let sound = encode(&store, "another", until_ms);
        let keyed = Seals::new(Seal::Keyed(Secret::new("k".repeat(32))), None);
        let with_a_key = Store::sealed(&port, "default", keyed);
        let held = Some(LeaseError::Held { until_ms });
        let foreign = Some(LeaseError::Foreign { key: store.key(NAME) });
        let forged = String::from_utf8(sound.clone()).unwrap().replace("another", "forged!");
        for (value, by, refused) in [
            (sound.clone(), &store, &held),
            (sound, &with_a_key, &foreign),
            (encode(&with_a_key, "another", until_ms), &with_a_key, &held),
            (encode(&with_a_key, "another", until_ms), &store, &foreign),
            (forged.into_bytes(), &store, &foreign),
            (br#"{"owner":"a","until_ms":300000}"#.to_vec(), &store, &None),
            (b"nonsense".to_vec(), &store, &None),
        ] {
            port.inner.store.values.borrow_mut().insert(store.key(NAME), value);
            assert_eq!(&take(by, &port).err(), refused);
        }
    }

    #[test]
    fn when_a_lease_is_given_back_a_store_that_fails_is_told_from_another_host() {
        // Given back in time, and taken right after; too late, and taken before; by nobody.
        for (secs, overtaken, without_effect, expected) in [
            (299, true, 0, Ok(())),
            (300, true, 0, Err("stalled past its lease")),
            (301, true, 0, Err("stalled past its lease")),
            (301, false, 0, Ok(())),
            (0, false, 1, Err("did not write the value")),
        ] {
            let port = port();
            let store = Store::new(&port, "default");
            let lease = take(&store, &port).unwrap();
            pass(&port, secs);
            if overtaken {
                overtake(&port);
            }
            no_swap(&port, without_effect);
            let released = lease.release().map_err(|error| error.to_string());
            let as_expected = match (&released, expected) {
                (Err(error), Err(told)) => error.contains(told),
                (released, expected) => released.is_ok() && expected.is_ok(),
            };
            assert!(as_expected, "after {secs} s: {released:?}");
        }
    }

    #[test]
    fn each_error_says_what_it_means() {
        let held = LeaseError::Held { until_ms: 1_795_348_800_001 };
        let text = "an interrupted run or another host holds the lease, until 2026-11-22T12:00:01Z at the latest";
        assert_eq!(held.to_string(), text);
        assert!(LeaseError::Lost.to_string().contains("stalled past its lease"));
    }

    #[test]
    fn why_a_swap_took_nothing_is_told_by_a_plain_write_that_fails() {
        let port = port();
        let store = Store::new(&port, "default");
        no_swap(&port, 1);
        port.faults.next(1, Call::SetMany(1), Fate::Fails("READONLY", 0));
        let error = take(&store, &port).err().unwrap().to_string();
        assert!(error.contains("READONLY"), "{error}");
    }

    #[test]
    fn a_swap_that_took_nothing_is_the_stores_failure_and_not_another_host() {
        let port = port();
        let store = Store::new(&port, "default");
        no_swap(&port, 1);
        assert!(matches!(Lease::take(&store, &port, LENGTH).err(), Some(LeaseError::Store(_))));
    }

    #[test]
    fn a_host_that_has_the_key_before_does_not_take_the_lease_of_one_that_writes_the_ledger_anew() {
        let port = port();
        let key = |key: &str| Seal::Keyed(Secret::new(key));
        for (old, new) in [(Seal::Unkeyed, key("new")), (key("old"), key("new"))] {
            port.inner.store.values.borrow_mut().clear();
            let old_host = Store::sealed(&port, "default", Seals::new(old.clone(), None));
            let new_host = Store::sealed(&port, "default", Seals::new(new, Some(old)));
            let rekeying = take(&new_host, &port).unwrap();
            pass(&port, 5);
            let other = take(&old_host, &port);
            assert!(matches!(other, Err(LeaseError::Foreign { .. })), "two hosts run at once");
            drop(rekeying);
        }
    }
}
