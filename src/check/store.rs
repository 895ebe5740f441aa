//! What a run needs of the key-value store. All that is written is under keys of its own, and is deleted again.

use super::NOT_SOUND;
use super::row::{Found, Rows};
use crate::lease;
use crate::ledger::{DeadLetters, Head, Interventions, Ledger, LedgerError, Reports, Target};
use crate::ports::{KeyValue, Random};
use crate::seal::{HEADER_BYTES, Mark, Seal, VALUE_BYTES};
use crate::store::{Store, StoreError};
use crate::words::Told;

const READ: (&str, &str) =
    ("store-read", "the ledger's head, its dead letters, the last reports and the lease are read");
const WRITE: (&str, &str) = (
    "store-write",
    "two values are written at once, one as large as any that a run writes, then read back and deleted",
);
const SWAP: (&str, &str) = (
    "store-swap",
    "a compare-and-swap writes, and leaves a value alone that was written in between",
);

/// Names of its own.
const LARGE: &str = "check";
const SMALL: &str = "check-head";
const SWAPPED: &str = "check-swap";
const MARK: Mark = *b"kck2";

/// All of them.
pub(super) fn rows<P: KeyValue + Random>(
    port: &P,
    store: &Store<'_, P>,
    target: Option<Target<'_>>,
    rows: &mut Rows,
) {
    let read = read(store, target);
    let reached = !matches!(read, Err(LedgerError::Store(_)));
    let found = match read.map_err(|error| error.told()) {
        Ok(found) => lease::holder(store)
            .map_or_else(|error| Found::Fail(error.told()), |_| Found::Ok(found)),
        Err(told) => Found::Fail(told),
    };
    rows.add(READ.0, format!("{}: {}", READ.1, store.key("head")), found);
    if !reached {
        for (name, tried) in [WRITE, SWAP] {
            rows.add(name, tried, Found::skipped("the store could not be read"));
        }
        return;
    }
    rows.add(WRITE.0, WRITE.1, write(port, store));
    rows.add(SWAP.0, SWAP.1, swap(port, store));
}

/// Where the variables are not sound.
pub(super) fn skip(rows: &mut Rows) {
    for (name, tried) in [READ, WRITE, SWAP] {
        rows.add(name, tried, Found::skipped(NOT_SOUND));
    }
}

fn read<P: KeyValue>(
    store: &Store<'_, P>,
    target: Option<Target<'_>>,
) -> Result<String, LedgerError> {
    if let Some(target) = target {
        // Fails where it is bound to another one.
        Ledger::load(store, target, "")?;
    }
    let head = Head::load(store)?;
    let mut dead_letters = DeadLetters::load(store)?;
    dead_letters.check(head.as_ref().and_then(|head| head.dead_letters))?;
    Interventions::load(store, head.as_ref().map_or(0, |head| head.interventions))?;
    let (generation, letters) = (head.map(|head| head.generation), dead_letters.count());
    let reports = Reports::load(store)?.runs.len();
    let key = match store.seals().current() {
        Seal::Unkeyed => "; without ledger_key, so nothing tells a value that somebody else wrote",
        Seal::Keyed(_) => "",
    };
    Ok(match generation {
        None => format!("there is no ledger yet: the first run makes it{key}"),
        Some(generation) => {
            format!("generation {generation}; dead letters: {letters}; reports: {reports}{key}")
        }
    })
}

fn write<P: KeyValue + Random>(port: &P, store: &Store<'_, P>) -> Found {
    let mut body = port.u64().to_be_bytes().repeat(VALUE_BYTES / 8);
    body.truncate(VALUE_BYTES - HEADER_BYTES);
    let large = store.seal(LARGE, MARK, &body);
    let small = store.seal(SMALL, MARK, &port.u64().to_be_bytes());
    let written = write_and_read(store, &large, &small);
    // Also after a failure: a write that fails may have taken effect in part.
    let deleted = [LARGE, SMALL].map(|name| store.delete(name));
    match (written, deleted.into_iter().find_map(Result::err)) {
        (Err(error), _) => Found::Fail(error.told()),
        (Ok(()), Some(error)) => {
            let Told { cause, remedy } = error.told();
            Found::Warn(Told::new(format!("they were written, and not deleted: {cause}"), remedy))
        }
        (Ok(()), None) => Found::Ok(format!("it takes {VALUE_BYTES} bytes")),
    }
}

fn write_and_read<P: KeyValue>(
    store: &Store<'_, P>,
    large: &[u8],
    small: &[u8],
) -> Result<(), StoreError> {
    store.set_many(vec![(LARGE.to_owned(), large.to_vec()), (SMALL.to_owned(), small.to_vec())])?;
    for (name, value) in [(LARGE, large), (SMALL, small)] {
        if store.get(name)?.as_deref() != Some(value) {
            return Err(store.no_effect(name));
        }
    }
    Ok(())
}

fn swap<P: KeyValue + Random>(port: &P, store: &Store<'_, P>) -> Found {
    let swapped = swap_and_read(port, store);
    let deleted = store.delete(SWAPPED);
    match swapped.and(deleted) {
        Ok(()) => Found::Ok("it keeps two hosts apart".to_owned()),
        Err(error) => Found::Fail(error.told()),
    }
}

fn swap_and_read<P: KeyValue + Random>(port: &P, store: &Store<'_, P>) -> Result<(), StoreError> {
    let present = store.get(SWAPPED)?;
    let new = port.u64().to_be_bytes();
    // Its answer says nothing, as everywhere: see `lease`.
    store.swap(SWAPPED, present.as_deref(), &new)?;
    if store.get(SWAPPED)?.as_deref() != Some(new.as_slice()) {
        return Err(store.no_effect(SWAPPED));
    }
    if store.swaps_atomically(SWAPPED)? { Ok(()) } else { Err(store.not_atomic(SWAPPED)) }
}
