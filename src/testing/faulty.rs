//! Faults between the core and a store.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};

use super::Answer;
use crate::ports::{
    Clock, FileError, Files, Http, HttpLimits, HttpRequest, KeyValue, KeyValueError, Log, Random,
    Swap,
};

/// A kind of call on a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A value is read.
    Get,
    /// So many values are written.
    SetMany(usize),
    /// A value is deleted.
    Delete,
    /// A value is swapped.
    Swap,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is made.
    Made,
    /// It has no effect, and does not say so.
    Ignored,
    /// It fails in these words, and so many of its changes have taken effect all the same.
    Fails(&'static str, usize),
}

/// Who decides what becomes of calls.
pub trait Faults {
    /// The fate of the call that is about to be made.
    fn fate(&self, call: Call) -> Fate;
    /// What another host writes right after a swap.
    fn rival(&self) -> Option<(String, Vec<u8>)> {
        None
    }
    /// Whether swaps overwrite what was written after they had looked.
    fn overwrites(&self) -> bool {
        false
    }
}

impl<F: Faults> Faults for &F {
    fn fate(&self, call: Call) -> Fate {
        (*self).fate(call)
    }
    fn rival(&self) -> Option<(String, Vec<u8>)> {
        (*self).rival()
    }
}

/// Faults that a test has planned.
#[derive(Debug, Default)]
pub struct Planned {
    /// How often a swap was asked for.
    pub swaps: Cell<u32>,
    /// What another host writes right after the next one.
    pub rival: RefCell<Option<(String, Vec<u8>)>>,
    /// Swaps overwrite what was written after they had looked.
    pub overwrites: Cell<bool>,
    plan: RefCell<Vec<(Call, u32, Fate)>>,
}

impl Planned {
    /// The next so many calls of that kind, however many values they write, have that fate.
    pub fn next(&self, times: u32, call: Call, fate: Fate) {
        self.plan.borrow_mut().push((call, times, fate));
    }
}

impl Faults for Planned {
    fn fate(&self, call: Call) -> Fate {
        self.swaps.set(self.swaps.get() + u32::from(call == Call::Swap));
        let is_kind =
            |planned: &Call| std::mem::discriminant(planned) == std::mem::discriminant(&call);
        let mut plan = self.plan.borrow_mut();
        match plan.iter_mut().find(|(planned, left, _)| is_kind(planned) && *left > 0) {
            Some((_, left, fate)) => {
                *left -= 1;
                *fate
            }
            None => Fate::Made,
        }
    }
    fn rival(&self) -> Option<(String, Vec<u8>)> {
        self.rival.take()
    }
    fn overwrites(&self) -> bool {
        self.overwrites.get()
    }
}

/// A store behind faults. All else is that of the process that has the store.
#[derive(Debug, Default)]
pub struct Faulty<P, F = Planned> {
    /// The store.
    pub inner: P,
    /// What fails.
    pub faults: F,
}

impl<P, F: Faults> Faulty<P, F> {
    /// How many of so many changes take effect, and what is said.
    fn change(&self, call: Call, changes: usize) -> (usize, Result<(), KeyValueError>) {
        match self.faults.fate(call) {
            Fate::Made => (changes, Ok(())),
            Fate::Ignored => (0, Ok(())),
            Fate::Fails(why, done) => (done.min(changes), Err(KeyValueError(why.to_owned()))),
        }
    }
}

impl<P: KeyValue, F: Faults> KeyValue for Faulty<P, F> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        match self.faults.fate(Call::Get) {
            Fate::Fails(why, _) => Err(KeyValueError(why.to_owned())),
            Fate::Made | Fate::Ignored => self.inner.get(key),
        }
    }
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        let (done, said) = self.change(Call::SetMany(pairs.len()), pairs.len());
        if done > 0 {
            self.inner.set_many(&pairs[..done])?;
        }
        said
    }
    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        let (done, said) = self.change(Call::Delete, 1);
        if done > 0 {
            self.inner.delete(key)?;
        }
        said
    }
    fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), KeyValueError> {
        let (done, said) = self.change(Call::Swap, 1);
        if done > 0 {
            self.inner.swap(key, expected, new)?;
        }
        if let Some(pair) = self.faults.rival() {
            self.inner.set_many(&[pair])?;
        }
        said
    }
    fn swaps_atomically(&self, key: &str) -> Result<bool, KeyValueError> {
        Ok(!self.faults.overwrites() && self.inner.swaps_atomically(key)?)
    }
    fn begin_swap(&self, key: &str) -> Result<Box<dyn Swap + '_>, KeyValueError> {
        self.inner.begin_swap(key)
    }
}

impl<P: Clock, F> Clock for Faulty<P, F> {
    fn now_ms(&self) -> i64 {
        self.inner.now_ms()
    }
    fn elapsed(&self) -> std::time::Duration {
        self.inner.elapsed()
    }
    fn sleep(&self, duration: std::time::Duration) -> impl Future<Output = ()> {
        self.inner.sleep(duration)
    }
}

impl<P: Random, F> Random for Faulty<P, F> {
    fn u64(&self) -> u64 {
        self.inner.u64()
    }
}

impl<P: Http, F> Http for Faulty<P, F> {
    async fn send(&self, request: HttpRequest, limits: HttpLimits) -> Answer {
        self.inner.send(request, limits).await
    }
}

impl<P: Files, F> Files for Faulty<P, F> {
    fn read(&self, path: &str, max_bytes: usize) -> Result<String, FileError> {
        self.inner.read(path, max_bytes)
    }
}

impl<P: Log, F> Log for Faulty<P, F> {
    fn line(&self, line: &str) {
        self.inner.line(line);
    }
}

impl<P, F> Deref for Faulty<P, F> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.inner
    }
}

impl<P, F> DerefMut for Faulty<P, F> {
    fn deref_mut(&mut self) -> &mut P {
        &mut self.inner
    }
}
