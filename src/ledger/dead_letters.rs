//! Events that the destination refuses for good, kept whole until somebody has decided about them.
//!
//! Keeps invariant 1: a dead letter is stored before the fingerprint of its entry is recorded, so a
//! crash in between has the event sent, refused and stored once more, never forgotten.
//!
//! Letters are stored in chunks, each a value of the store. One index names the chunks, and says how many
//! letters each holds, how many of them are to be replayed, and which generation of the index wrote it: a chunk of
//! an earlier one was put back. It also remembers since when events have been failing: they may yet become dead
//! letters. A chunk is written together with the index and deleted after
//! it; its number is never used again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::letter::{DeadLetter, decode, encoded};
use super::{IndexState, LedgerError};
use crate::ports::KeyValue;
use crate::seal::{self, HEADER_BYTES, Mark, VALUE_BYTES, ValueFault};
use crate::store::Store;

/// The index's name in the store.
pub const INDEX: &str = "dead-letters";
const INDEX_MARK: Mark = *b"kdi2";
const CHUNK_MARK: Mark = *b"kdl2";

/// The most failing events that the index remembers. More are taken up as others leave.
const MAX_FAILING: usize = 1500;

/// The highest number that a chunk is given.
const LAST_NUMBER: u64 = i64::MAX.unsigned_abs();

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Index {
    /// Rises with each write.
    generation: u64,
    next: u64,
    chunks: Vec<Chunk>,
    /// Since when, in Unix seconds, by event id.
    failing: BTreeMap<String, i64>,
}

/// What the index knows of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its number, in its key.
    pub number: u64,
    /// Letters in it.
    pub letters: u64,
    /// Those of them that are to be replayed.
    pub replays: u64,
    bytes: usize,
    /// Of the index that wrote it. It stands in the chunk too.
    generation: u64,
}

/// What a chunk holds.
struct Kept {
    letters: Vec<DeadLetter>,
    /// Whether they are all that the index knows of, or newer than it.
    is_whole: bool,
}

/// The dead letters of one ledger. Additions are stored by [`DeadLetters::write`].
pub struct DeadLetters<'a, P> {
    pub(super) store: &'a Store<'a, P>,
    index: Index,
    added: Vec<DeadLetter>,
    changed: bool,
    lost: Vec<String>,
    /// The ids of all letters about what cannot be read, once somebody has asked.
    unreadable: Option<BTreeSet<String>>,
}

impl<'a, P: KeyValue> DeadLetters<'a, P> {
    /// As where there is no index.
    pub(super) fn none(store: &'a Store<'a, P>) -> Self {
        let (index, added, lost) = (Index::default(), Vec::new(), Vec::new());
        Self { store, index, added, changed: false, lost, unreadable: None }
    }

    /// Reads the index.
    pub fn load(store: &'a Store<'a, P>) -> Result<Self, LedgerError> {
        let index = match store.get(INDEX)? {
            None => Index::default(),
            Some(value) => store
                .open(INDEX, INDEX_MARK, &value)
                .and_then(seal::read_json)
                .and_then(Index::checked)
                .map_err(LedgerError::at(store, INDEX))?,
        };
        Ok(Self { index, ..Self::none(store) })
    }

    /// Whether a run has ever stored anything in this ledger.
    pub fn is_of_a_used_ledger(&self) -> Result<bool, LedgerError> {
        Ok(self.store.get(super::HEAD)?.is_some())
    }

    /// How many are stored.
    pub fn count(&self) -> u64 {
        self.index.chunks.iter().map(|chunk| chunk.letters).sum()
    }

    /// What the head is to know of the index; none where there is none.
    pub fn state(&self) -> Option<IndexState> {
        let generation = self.index.generation;
        (generation > 0).then(|| IndexState { generation, letters: self.count() })
    }

    /// What the head knows of an index that the store has lost, or of which it has gone back to an earlier one.
    pub(crate) fn lost_index(&self, known: Option<IndexState>) -> Option<IndexState> {
        known.filter(|known| self.index.generation < known.generation)
    }

    /// Begins another index after the one that the head knew as `known` is lost. Its chunks may still be in
    /// the store, and are needed when it is restored. So new chunks are numbered from `number` on, in later
    /// runs too.
    pub(crate) fn go_on_after(&mut self, known: IndexState, number: u64) {
        self.index.generation = known.generation;
        self.index.next = self.index.next.max(number);
        self.changed = true;
    }

    /// Whether there is something to store.
    pub(crate) fn has_news(&self) -> bool {
        self.changed
    }

    /// Adds a letter.
    pub fn add(&mut self, letter: DeadLetter) {
        self.index.failing.remove(&letter.id);
        self.added.push(letter);
        self.changed = true;
    }

    /// Since when the event of that id has been failing; `now` when it has only begun to.
    pub(crate) fn failing_since(&mut self, id: &str, now: i64) -> i64 {
        if let Some(since) = self.index.failing.get(id) {
            return *since;
        }
        if self.index.failing.len() < MAX_FAILING {
            self.index.failing.insert(id.to_owned(), now);
            self.changed = true;
        }
        now
    }

    /// The destination has the event of that id, which no longer fails.
    pub fn arrived(&mut self, id: &str) {
        self.changed |= self.index.failing.remove(id).is_some();
    }

    /// Whether there is a letter of that id about what cannot be read.
    pub(crate) fn stands(&mut self, id: &str) -> Result<bool, LedgerError> {
        if self.unreadable.is_none() {
            let mut ids = BTreeSet::new();
            for chunk in self.chunks() {
                let letters = match self.read(chunk) {
                    Err(LedgerError::Unreadable { key, .. }) => {
                        self.lost.push(key);
                        continue;
                    }
                    letters => letters?,
                };
                ids.extend(letters.into_iter().filter(DeadLetter::is_unreadable).map(|it| it.id));
            }
            self.unreadable = Some(ids);
        }
        let is_new = || self.added.iter().any(|letter| letter.id == id);
        Ok(self.unreadable.as_ref().is_some_and(|ids| ids.contains(id)) || is_new())
    }

    /// Whether something whose id begins so is remembered as failing.
    pub(crate) fn remember_failing(&self, prefix: &str) -> bool {
        let next = self.index.failing.range(prefix.to_owned()..).next();
        next.is_some_and(|(id, _)| id.starts_with(prefix))
    }

    /// Forgets what fails no longer, of all whose ids begin so.
    pub(crate) fn forget_failing(&mut self, prefix: &str, is_over: impl Fn(&str) -> bool) {
        if self.remember_failing(prefix) {
            let remembered = self.index.failing.len();
            self.index.failing.retain(|id, _| !(id.starts_with(prefix) && is_over(id)));
            self.changed |= self.index.failing.len() < remembered;
        }
    }

    /// Forgets the failing events that began to fail before `time`: Kong no longer holds them.
    pub(crate) fn forget_failing_before(&mut self, time: i64) {
        let remembered = self.index.failing.len();
        self.index.failing.retain(|_, since| *since >= time);
        self.changed |= self.index.failing.len() < remembered;
    }

    /// Stores what was added and noted since the last time.
    pub fn write(&mut self) -> Result<(), LedgerError> {
        if !self.changed {
            return Ok(());
        }
        let mut index = self.index.clone();
        let mut letters = self.added.clone();
        let first = letters.first().map_or(0, |letter| encoded(letter).len());
        let room = CHUNK_BYTES.saturating_sub(first);
        let last = index.chunks.pop_if(|last| !letters.is_empty() && last.bytes <= room);
        let number = match last.map(|last| (last, self.kept(last))) {
            // The store has lost some of its letters, or gone back to an earlier chunk: it is left as it is.
            Some((last, Ok(Kept { is_whole: false, .. }))) => {
                self.lost.push(self.store.key(&chunk_name(last.number)));
                index.chunks.push(last);
                index.next
            }
            Some((last, Ok(Kept { letters: mut kept, .. }))) => {
                // An earlier run stored these events too, and could not record their entries: the new letters
                // replace them.
                let anew = |old: &DeadLetter| letters.iter().any(|new| new.is_of(old));
                kept.retain(|old| !anew(old));
                letters.splice(..0, kept);
                last.number
            }
            // A damaged chunk is left as it is, for whoever restores it.
            Some((last, Err(LedgerError::Unreadable { key, .. }))) => {
                self.lost.push(key);
                index.chunks.push(last);
                index.next
            }
            Some((_, Err(error))) => return Err(error),
            None => index.next,
        };
        let place = index.chunks.len();
        let pairs = index.put(place, number, &letters);
        self.save(index, pairs)?;
        self.added.clear();
        self.changed = false;
        Ok(())
    }

    /// Whether somebody wants letters sent again.
    pub(crate) fn has_replays(&self) -> bool {
        self.index.chunks.iter().any(|chunk| chunk.replays > 0)
    }

    /// The chunks, oldest first.
    pub fn chunks(&self) -> Vec<Chunk> {
        self.index.chunks.clone()
    }

    /// The letters of a chunk, oldest first; none when the store has lost it.
    pub fn read(&mut self, chunk: Chunk) -> Result<Vec<DeadLetter>, LedgerError> {
        let Kept { letters, is_whole } = self.kept(chunk)?;
        if !is_whole {
            self.lost.push(self.store.key(&chunk_name(chunk.number)));
        }
        Ok(letters)
    }

    fn kept(&self, chunk: Chunk) -> Result<Kept, LedgerError> {
        let name = chunk_name(chunk.number);
        let Some(value) = self.store.get(&name)? else {
            return Ok(Kept { letters: Vec::new(), is_whole: false });
        };
        let (generation, letters) = self
            .store
            .open(&name, CHUNK_MARK, &value)
            .and_then(|body| decode(body).ok_or(ValueFault::Damaged))
            .map_err(LedgerError::at(self.store, &name))?;
        // A write that the store tore apart leaves a newer chunk than the index knows.
        let is_whole = generation >= chunk.generation && letters.len() as u64 >= chunk.letters;
        Ok(Kept { letters, is_whole })
    }

    /// Keys of chunks that the store has lost or damaged, as met since the last call.
    pub fn take_lost(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lost)
    }

    /// Stores `letters` in place of those in `chunks`, which follow each other. Returns the chunks that hold
    /// them now.
    pub fn replace(
        &mut self,
        chunks: &[Chunk],
        letters: &[DeadLetter],
    ) -> Result<Vec<Chunk>, LedgerError> {
        let mut index = self.index.clone();
        let is_replaced = |known: &Chunk| chunks.iter().any(|old| old.number == known.number);
        let place = index.chunks.iter().position(is_replaced);
        let (Some(place), Some(first)) = (place, chunks.first()) else { return Ok(Vec::new()) };
        index.chunks.retain(|known| !is_replaced(known));
        let pairs = index.put(place, first.number, letters);
        let now = index.chunks[place..place + pairs.len()].to_vec();
        self.save(index, pairs)?;
        for gone in chunks.iter().filter(|old| now.iter().all(|new| new.number != old.number)) {
            self.store.delete(&chunk_name(gone.number))?;
        }
        Ok(now)
    }

    /// Stores chunks, each by name and body, and the index that names them.
    fn save(
        &mut self,
        mut index: Index,
        chunks: Vec<(String, Vec<u8>)>,
    ) -> Result<(), LedgerError> {
        index.generation = index.generation.saturating_add(1);
        let sealed = |(name, body): (String, Vec<u8>)| {
            let value = self.store.seal(&name, CHUNK_MARK, &body);
            (name, value)
        };
        let mut pairs: Vec<_> = chunks.into_iter().map(sealed).collect();
        pairs.push((INDEX.to_owned(), self.store.seal(INDEX, INDEX_MARK, &seal::json(&index))));
        self.store.set_many(pairs)?;
        self.index = index;
        Ok(())
    }

    /// The names of the index and of all chunks that it knows.
    pub fn names(&self) -> Vec<String> {
        let chunks = self.index.chunks.iter().map(|chunk| chunk_name(chunk.number));
        chunks.chain(self.state().map(|_| INDEX.to_owned())).collect()
    }
}

impl Index {
    /// The index, where it is one that [`Self::put`] can have made: no chunk has a number that is yet to be
    /// given, and there are numbers and letters to count on.
    fn checked(self) -> Result<Self, ValueFault> {
        let letters =
            self.chunks.iter().try_fold(0, |sum: u64, chunk| sum.checked_add(chunk.letters));
        let is_numbered = self.chunks.iter().all(|chunk| chunk.number < self.next);
        let is_sound = is_numbered && self.next <= LAST_NUMBER && letters.is_some();
        is_sound.then_some(self).ok_or(ValueFault::Damaged)
    }

    /// Puts `letters` into as many chunks as they take, and names these from `place` on. The first has
    /// `number`, the others have new numbers. Returns names and bodies.
    fn put(
        &mut self,
        mut place: usize,
        mut number: u64,
        letters: &[DeadLetter],
    ) -> Vec<(String, Vec<u8>)> {
        let generation = self.generation.saturating_add(1);
        let mut pairs = Vec::new();
        let mut rest = letters;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |letter: &&DeadLetter| {
                bytes += encoded(letter).len();
                bytes <= CHUNK_BYTES
            };
            // A letter is smaller than a chunk. A larger one would be kept in a chunk by itself.
            let (chunk, others) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            rest = others;
            let (known, body) = encode(number, generation, chunk);
            self.chunks.insert(place, known);
            pairs.push((chunk_name(number), body));
            self.next = self.next.max(number + 1);
            (place, number) = (place + 1, self.next);
        }
        // A store that tears a write apart keeps a letter twice rather than not at all.
        pairs.reverse();
        pairs
    }
}

/// For letters: the generation stands before them.
const CHUNK_BYTES: usize = VALUE_BYTES - HEADER_BYTES - size_of::<u64>();

pub(super) fn chunk_name(number: u64) -> String {
    format!("{INDEX}:{number}")
}

fn encode(number: u64, generation: u64, letters: &[DeadLetter]) -> (Chunk, Vec<u8>) {
    let written: Vec<u8> = letters.iter().flat_map(encoded).collect();
    let chunk = Chunk {
        number,
        letters: letters.len() as u64,
        replays: letters.iter().filter(|letter| letter.replay).count() as u64,
        bytes: written.len(),
        generation,
    };
    (chunk, [&generation.to_be_bytes()[..], &written].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::terms::Stream;
    use crate::testing::Memory;

    fn letter(id: &str, data: &str) -> DeadLetter {
        DeadLetter {
            stream: Stream::Requests,
            id: id.to_owned(),
            entry: id.to_owned(),
            error: "InvalidData".to_owned(),
            refused_at: 1_795_348_800,
            replay: false,
            data: data.to_owned(),
        }
    }

    #[test]
    fn an_event_has_the_time_that_its_data_tells() {
        for (data, time) in [
            (r#"{"UID":"a","eventTime":"2026-11-22T12:00:00Z"}"#, 1_795_348_800),
            (r#"{"UID":"a"}"#, 0),
            ("", 0),
        ] {
            assert_eq!(letter("a", data).event().time, time, "{data}");
        }
    }

    fn store(memory: &Memory) -> Store<'_, Memory> {
        Store::new(memory, "default")
    }

    fn add(memory: &Memory, letters: impl IntoIterator<Item = DeadLetter>) {
        let store = store(memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        letters.into_iter().for_each(|letter| dead_letters.add(letter));
        dead_letters.write().unwrap();
    }

    fn all(memory: &Memory) -> Vec<DeadLetter> {
        let store = store(memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        let chunks = dead_letters.chunks();
        let letters: Vec<_> =
            chunks.into_iter().flat_map(|chunk| dead_letters.read(chunk).unwrap()).collect();
        assert_eq!(dead_letters.count(), letters.len() as u64);
        letters
    }

    #[test]
    fn a_letter_about_what_cannot_be_read_stands_until_it_is_dropped() {
        let memory = Memory::default();
        let unreadable =
            |id| DeadLetter { error: "unreadable: 500".to_owned(), ..letter(id, "null") };
        add(&memory, [unreadable("a"), letter("b", "{}")]);
        let stands = |id| DeadLetters::load(&store(&memory)).unwrap().stands(id).unwrap();
        assert_eq!(["a", "b", "c"].map(stands), [true, false, false]);
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        dead_letters.add(unreadable("c"));
        assert!(dead_letters.stands("c").unwrap(), "before it is stored, too");
        let chunks = dead_letters.chunks();
        dead_letters.replace(&chunks, &[]).unwrap();
        assert!(!DeadLetters::load(&store).unwrap().stands("a").unwrap());
    }

    #[test]
    fn since_when_places_fail_is_forgotten_by_their_names() {
        let memory = Memory::default();
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        for id in ["p-1", "p-2", "q-1", "o"] {
            dead_letters.failing_since(id, 100);
        }
        dead_letters.forget_failing("p-", |id| id.ends_with('1'));
        dead_letters.write().unwrap();
        let mut later = DeadLetters::load(&store).unwrap();
        let since = ["p-1", "p-2", "q-1"].map(|id| later.failing_since(id, 200));
        assert_eq!(since, [200, 100, 100]);
        assert!(later.remember_failing("p-") && !later.remember_failing("r-"));
        dead_letters.forget_failing("p-", |_| true);
        assert!(!dead_letters.remember_failing("p-"));
    }

    fn values_within_the_limit(memory: &Memory) -> bool {
        memory.values.borrow().values().all(|value| value.len() <= VALUE_BYTES)
    }

    #[test]
    fn letters_are_read_back_as_they_were_added_over_many_runs() {
        let memory = Memory::default();
        let letters: Vec<_> =
            (0..40).map(|n| letter(&n.to_string(), &"{\n\"é\"}".repeat(n * 400))).collect();
        for run in letters.chunks(7) {
            add(&memory, run.iter().cloned());
        }
        assert_eq!(all(&memory), letters);
        assert!(values_within_the_limit(&memory));
        assert!(memory.values.borrow().len() < 20, "letters share chunks");
    }

    #[test]
    fn the_largest_letter_there_can_be_fits_a_value() {
        let memory = Memory::default();
        let mut large = letter(&"i".repeat(128), &"x".repeat(256_000));
        large.entry = "\u{1}".repeat(128);
        large.error = "\u{1}".repeat(400);
        let other = letter(&"o".repeat(128), &large.data);
        add(&memory, [large.clone(), other.clone()]);
        assert!(all(&memory) == [large, other]);
        assert!(values_within_the_limit(&memory));
    }

    #[test]
    fn a_letter_that_an_earlier_run_stored_and_did_not_record_is_kept_once() {
        let memory = Memory::default();
        add(&memory, [letter("a", "{}"), letter("b", "{}")]);
        add(&memory, [letter("a", "{}")]);
        let ids: Vec<_> = all(&memory).into_iter().map(|letter| letter.id).collect();
        assert_eq!(ids, ["b", "a"]);
        let of_objects = DeadLetter { stream: Stream::Objects, ..letter("b", "{}") };
        add(&memory, [of_objects]);
        assert_eq!(all(&memory).len(), 3, "an equal id of the other stream is another event");
    }

    #[test]
    fn letters_that_grow_move_to_a_chunk_of_their_own_and_keep_their_order() {
        let memory = Memory::default();
        add(&memory, ["a", "b", "c"].map(|id| letter(id, &"x".repeat(87_000))));
        add(&memory, [letter("d", "{}")]);
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        let first = dead_letters.chunks()[0];
        let mut letters = dead_letters.read(first).unwrap();
        for letter in &mut letters {
            letter.error = "e".repeat(400);
        }
        let chunks = dead_letters.replace(&[first], &letters).unwrap();
        assert_eq!(chunks.len(), 2);
        dead_letters.replace(&chunks, &letters).unwrap();
        let ids: Vec<_> = all(&memory).into_iter().map(|letter| letter.id).collect();
        assert_eq!(ids, ["a", "b", "c", "d"]);
        assert!(values_within_the_limit(&memory));
    }

    #[test]
    fn a_chunk_that_empties_is_deleted_and_its_number_never_used_again() {
        let memory = Memory::default();
        add(&memory, [letter("a", "{}")]);
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        let first = dead_letters.chunks()[0];
        dead_letters.replace(&[first], &[]).unwrap();
        assert_eq!(dead_letters.count(), 0);
        assert_eq!(memory.values.borrow().len(), 1, "the index alone");
        dead_letters.add(letter("b", "{}"));
        dead_letters.write().unwrap();
        assert_ne!(dead_letters.chunks()[0].number, first.number);
    }

    #[test]
    fn the_index_tells_which_chunks_hold_letters_to_replay() {
        let memory = Memory::default();
        add(&memory, [letter("a", &"x".repeat(200_000)), letter("b", &"x".repeat(200_000))]);
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        let second = dead_letters.chunks()[1];
        let marked: Vec<_> = dead_letters
            .read(second)
            .unwrap()
            .into_iter()
            .map(|letter| DeadLetter { replay: true, ..letter })
            .collect();
        dead_letters.replace(&[second], &marked).unwrap();
        let replays: Vec<_> = dead_letters.chunks().iter().map(|chunk| chunk.replays).collect();
        assert_eq!(replays, [0, 1]);
        assert_eq!(all(&memory)[1], marked[0]);
    }

    #[test]
    fn since_when_an_event_fails_is_remembered_until_it_arrives_or_is_given_up() {
        let memory = Memory::default();
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        assert_eq!(["a", "b", "c"].map(|id| dead_letters.failing_since(id, 100)), [100; 3]);
        dead_letters.write().unwrap();
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        dead_letters.arrived("a");
        dead_letters.add(letter("b", "{}"));
        let since = ["a", "b", "c"].map(|id| dead_letters.failing_since(id, 200));
        assert_eq!(since, [200, 200, 100]);
        dead_letters.forget_failing_before(150);
        assert_eq!(dead_letters.failing_since("c", 300), 300);
    }

    #[test]
    fn there_is_news_when_something_changed_and_until_it_is_stored() {
        let memory = Memory::default();
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        assert!(dead_letters.state().is_none() && !dead_letters.has_news());
        assert!(!dead_letters.is_of_a_used_ledger().unwrap());
        dead_letters.failing_since("a", 100);
        assert!(dead_letters.has_news());
        dead_letters.write().unwrap();
        assert!(dead_letters.state().is_some() && !dead_letters.has_news());
        dead_letters.arrived("b");
        dead_letters.forget_failing_before(100);
        assert!(!dead_letters.has_news());
        dead_letters.forget_failing_before(101);
        assert!(dead_letters.has_news());
        dead_letters.write().unwrap();
        dead_letters.failing_since("c", 200);
        dead_letters.write().unwrap();
        dead_letters.arrived("c");
        dead_letters.arrived("b");
        assert!(dead_letters.has_news());
        memory.values.borrow_mut().insert(store.key(crate::ledger::HEAD), Vec::new());
        assert!(dead_letters.is_of_a_used_ledger().unwrap());
    }

    #[test]
    fn what_a_lost_index_named_is_not_written_over() {
        let memory = Memory::default();
        add(&memory, [letter("a", "{}")]);
        let store = store(&memory);
        let index = memory.values.borrow_mut().remove(&store.key(INDEX)).unwrap();
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        let known = IndexState { generation: 1, letters: 1 };
        assert_eq!(dead_letters.lost_index(Some(known)), Some(known));
        assert_eq!(dead_letters.lost_index(None), None);
        dead_letters.go_on_after(known, 1_795_348_800_000);
        dead_letters.write().unwrap();
        assert_eq!(DeadLetters::load(&store).unwrap().lost_index(Some(known)), None, "told once");
        add(&memory, [letter("b", "{}")]);
        let chunks = DeadLetters::load(&store).unwrap().chunks();
        assert_eq!(chunks[0].number, 1_795_348_800_000);
        memory.values.borrow_mut().insert(store.key(INDEX), index);
        assert_eq!(all(&memory), [letter("a", "{}")]);
    }

    #[test]
    fn an_index_whose_numbers_cannot_be_is_damaged() {
        let memory = Memory::default();
        add(&memory, [letter("a", "{}")]);
        let store = store(&memory);
        let chunk = |number: u64, letters: u64| serde_json::json!({"number": number, "letters": letters, "replays": 0, "bytes": u64::MAX, "generation": 1});
        let last = i64::MAX.unsigned_abs();
        for (next, chunks, is_sound) in [
            (2, vec![chunk(0, 1), chunk(1, u64::MAX - 1)], true),
            (2, vec![chunk(0, 1), chunk(1, u64::MAX)], false),
            (2, vec![chunk(2, 1)], false),
            (last, vec![chunk(last - 1, 1)], true),
            (last + 1, vec![], false),
            (u64::MAX, vec![chunk(u64::MAX, 1)], false),
        ] {
            let index = serde_json::json!({"generation": u64::MAX, "next": next, "chunks": chunks, "failing": {}});
            let value = store.seal(INDEX, INDEX_MARK, &seal::json(&index));
            store.set_many(vec![(INDEX.to_owned(), value.clone())]).unwrap();
            let loaded = DeadLetters::load(&store);
            assert_eq!(loaded.is_ok(), is_sound, "{index}");
            if let Ok(mut letters) = loaded {
                assert_eq!(letters.state().unwrap().generation, u64::MAX);
                letters.add(letter("b", "{}"));
                letters.write().unwrap();
            } else {
                assert_eq!(store.get(INDEX).unwrap(), Some(value), "it is left as it is");
            }
        }
    }

    #[test]
    fn what_is_stored_without_a_letter_reads_no_chunk() {
        let memory = Memory::default();
        add(&memory, [letter("a", "{}")]);
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        dead_letters.failing_since("b", 100);
        let reads = memory.reads.get();
        dead_letters.write().unwrap();
        assert_eq!(memory.reads.get(), reads);
    }

    #[test]
    fn a_letter_that_would_exceed_the_value_goes_into_another_chunk() {
        // Its label tells a length of six digits instead of one.
        let overhead = encoded(&letter("b", "")).len() + 5;
        for (excess, chunks) in [(0, 1), (1, 2)] {
            let memory = Memory::default();
            let first = letter("a", &"x".repeat(100_000));
            let room = CHUNK_BYTES - encoded(&first).len();
            let second = letter("b", &"x".repeat(room - overhead + excess));
            assert_eq!(encoded(&second).len(), room + excess);
            add(&memory, [first, second]);
            assert_eq!(DeadLetters::load(&store(&memory)).unwrap().chunks().len(), chunks);
            assert!(values_within_the_limit(&memory));
        }
    }

    #[test]
    fn beyond_the_most_that_is_remembered_an_event_always_only_begins_to_fail() {
        let memory = Memory::default();
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        for n in 0..MAX_FAILING {
            dead_letters.failing_since(&n.to_string(), 100);
        }
        assert_eq!(dead_letters.failing_since("one more", 200), 200);
        assert_eq!(dead_letters.failing_since("one more", 300), 300);
        assert_eq!(dead_letters.failing_since("0", 300), 100);
    }

    #[test]
    fn however_many_events_fail_the_index_stays_within_a_value() {
        let memory = Memory::default();
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        for n in 0..5000 {
            dead_letters.failing_since(&format!("{n:0>128}"), 1_795_348_800);
        }
        dead_letters.write().unwrap();
        assert!(memory.values.borrow().values().all(|value| value.len() <= VALUE_BYTES));
    }

    #[test]
    fn a_lost_chunk_is_told_and_a_damaged_one_refused_with_its_key() {
        let memory = Memory::default();
        add(&memory, [letter("a", "{}")]);
        let key = "kong-cloudtrail:default:{0}dead-letters:0";
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        let chunk = dead_letters.chunks()[0];
        *memory.values.borrow_mut().get_mut(key).unwrap().last_mut().unwrap() ^= 1;
        let error = dead_letters.read(chunk).unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
        let damaged = memory.values.borrow()[key].clone();
        add(&memory, [letter("b", "{}")]);
        assert_eq!(memory.values.borrow()[key], damaged, "nothing is added to it");
        memory.values.borrow_mut().remove(key);
        assert_eq!(dead_letters.read(chunk).unwrap(), []);
        assert_eq!(dead_letters.take_lost(), [key]);
    }

    #[test]
    fn a_chunk_put_back_with_as_many_letters_is_told_and_one_newer_than_the_index_is_good() {
        let memory = Memory::default();
        add(&memory, [letter("a", "{}"), letter("b", "{}")]);
        let key = |name: &str| format!("kong-cloudtrail:default:{{0}}{name}");
        let value = |name: &str| memory.values.borrow()[&key(name)].clone();
        let put = |name: &str, value| memory.values.borrow_mut().insert(key(name), value);
        let (index, chunk) = (value("dead-letters"), value("dead-letters:0"));
        let store = store(&memory);
        let mut letters = DeadLetters::load(&store).unwrap();
        letters.replace(&letters.chunks(), &[letter("b", "{}"), letter("c", "{}")]).unwrap();
        let newer = value("dead-letters:0");
        put("dead-letters:0", chunk);
        assert_eq!(letters.read(letters.chunks()[0]).unwrap().len(), 2);
        assert_eq!(letters.take_lost(), [key("dead-letters:0")]);
        // A write that was torn apart: the chunk arrived, and the index did not.
        put("dead-letters:0", newer);
        put("dead-letters", index);
        let mut letters = DeadLetters::load(&store).unwrap();
        assert_eq!(letters.read(letters.chunks()[0]).unwrap().len(), 2);
        assert!(letters.take_lost().is_empty());
    }

    #[test]
    fn a_chunk_put_back_to_an_earlier_state_is_told() {
        let memory = Memory::default();
        add(&memory, [letter("a", "{}")]);
        let key = "kong-cloudtrail:default:{0}dead-letters:0";
        let earlier = memory.values.borrow()[key].clone();
        add(&memory, [letter("b", "{}"), letter("c", "{}")]);
        memory.values.borrow_mut().insert(key.to_owned(), earlier);
        let store = store(&memory);
        let mut dead_letters = DeadLetters::load(&store).unwrap();
        assert_eq!(dead_letters.count(), 3);
        dead_letters.add(letter("d", "{}"));
        dead_letters.write().unwrap();
        assert_eq!(dead_letters.take_lost(), [key]);
        assert_eq!(dead_letters.count(), 4, "it is left for whoever restores it");
    }
}
