//! Time that passes while all wait.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::ports::Clock;

/// When a sleeper is to wake, and its number.
type Turn = (Duration, u64);

/// A wall clock and one that never goes back, which are moved by hand or by [`VirtualClock::run`].
#[derive(Debug, Default)]
pub struct VirtualClock {
    epoch_ms: i64,
    elapsed: Cell<Duration>,
    sleepers: RefCell<BTreeMap<Turn, Waker>>,
    slept: Cell<u64>,
}

impl VirtualClock {
    /// Clocks that begin at that wall time.
    pub fn at(epoch_ms: i64) -> Self {
        Self { epoch_ms, ..Self::default() }
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.advance_to(self.elapsed.get() + by);
    }

    /// Time passes until then, and wakes who waits for it; it never goes back.
    pub fn advance_to(&self, elapsed: Duration) {
        self.elapsed.set(self.elapsed.get().max(elapsed));
        let later = self.sleepers.borrow_mut().split_off(&(self.elapsed.get(), u64::MAX));
        for waker in self.sleepers.replace(later).into_values() {
            waker.wake();
        }
    }

    /// When the next sleeper is to wake.
    pub fn next_wake(&self) -> Option<Duration> {
        self.sleepers.borrow().first_key_value().map(|((at, _), _)| *at)
    }

    /// Works to the end, and lets time pass whenever the work waits.
    ///
    /// # Panics
    /// When it waits for anything but time.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(flag.clone());
        loop {
            if let Poll::Ready(value) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            while !flag.take() {
                self.advance_to(self.next_wake().expect("work that waits for time alone"));
            }
        }
    }

    /// Waits until then, and at least until others had their turn.
    pub fn sleep_until(&self, elapsed: Duration) -> impl Future<Output = ()> {
        Sleep { clock: self, until: elapsed, turn: None }
    }
}

impl Clock for VirtualClock {
    fn now_ms(&self) -> i64 {
        self.epoch_ms + i64::try_from(self.elapsed.get().as_millis()).unwrap_or(i64::MAX)
    }
    fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        self.sleep_until(self.elapsed.get().saturating_add(duration))
    }
}

struct Sleep<'c> {
    clock: &'c VirtualClock,
    until: Duration,
    turn: Option<Turn>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock;
        let waits = self.turn.is_some_and(|turn| clock.sleepers.borrow().contains_key(&turn));
        if self.turn.is_some() && !waits {
            return Poll::Ready(());
        }
        let turn =
            self.turn.unwrap_or_else(|| (self.until, clock.slept.replace(clock.slept.get() + 1)));
        self.turn = Some(turn);
        clock.sleepers.borrow_mut().insert(turn, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    /// Nobody waits any more.
    fn drop(&mut self) {
        if let Some(turn) = self.turn {
            self.clock.sleepers.borrow_mut().remove(&turn);
        }
    }
}

/// Whether somebody was woken.
#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    /// Whether it was woken since this was asked last.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
