//! What an operator decides about values that are lost, do not hold good, or are of a key that is lost.

use super::dead_letters::{INDEX, chunk_name};
use super::error::Lost;
use super::interventions::{self, ByHand, Intervention, Interventions};
use super::{Chunk, DeadLetter, DeadLetters, Head, IndexState, LedgerError, reports};
use crate::ports::KeyValue;
use crate::store::Store;

/// Letters of a chunk that are lost: what is left of it, and the error that tells of it.
#[derive(Debug)]
struct Loss {
    chunk: Chunk,
    left: Vec<DeadLetter>,
    error: LedgerError,
}

impl<P: KeyValue> DeadLetters<'_, P> {
    /// Fails where letters are lost, of the index that the head knows as `known` or of those that the index
    /// names.
    pub(crate) fn check(&mut self, known: Option<IndexState>) -> Result<(), LedgerError> {
        match self.lost_index(known) {
            Some(lost) if lost.letters > 0 || self.count() > 0 => Err(self.index_is_lost(lost)),
            _ => self.losses()?.pop().map_or(Ok(()), |loss| Err(loss.error)),
        }
    }

    fn index_is_lost(&self, lost: IndexState) -> LedgerError {
        LedgerError::Lost { key: self.store.key(INDEX), what: Lost::Index(lost.letters) }
    }

    /// All letters that are lost of those that the index names.
    fn losses(&mut self) -> Result<Vec<Loss>, LedgerError> {
        let mut losses = Vec::new();
        self.take_lost();
        for chunk in self.chunks() {
            let (left, fault) = match self.read(chunk) {
                Ok(_) if self.take_lost().is_empty() => continue,
                Ok(left) => (left, None),
                Err(LedgerError::Unreadable { fault, .. }) => (Vec::new(), Some(fault)),
                Err(error) => return Err(error),
            };
            self.take_lost();
            let key = self.store.key(&chunk_name(chunk.number));
            losses.push(Loss {
                chunk,
                left,
                error: LedgerError::Lost { key, what: Lost::Letters(fault) },
            });
        }
        Ok(losses)
    }
}

/// The names of all values that a ledger has, but the head's own.
pub(crate) fn names<P: KeyValue>(head: &mut Head, letters: &DeadLetters<'_, P>) -> Vec<String> {
    let mut names = head.names();
    names.extend(letters.names());
    names.extend([reports::NAME, interventions::NAME].map(str::to_owned));
    names
}

/// Rewrites the value of `name` with the current key, if it was written with another that is accepted.
pub(crate) fn reseal<P: KeyValue>(store: &Store<'_, P>, name: &str) -> Result<(), LedgerError> {
    let Some(value) = store.get(name)? else { return Ok(()) };
    let mark = value.first_chunk().copied().unwrap_or_default();
    let opened = store.seals().open(&store.key(name), mark, &value);
    let (body, by_another) = opened.map_err(LedgerError::at(store, name))?;
    if by_another {
        let value = store.seal(name, mark, body);
        store.set_many(vec![(name.to_owned(), value)])?;
    }
    Ok(())
}

/// Rewrites the whole ledger with the current key, whatever key it was written with: for a store that takes
/// any. The head comes last. Returns whether there is a ledger. `hold` makes sure of the lease.
pub fn rekey<P: KeyValue>(
    store: &Store<'_, P>,
    intervention: Intervention,
    hold: impl Fn() -> Result<(), String>,
) -> Result<bool, String> {
    let told = |error: LedgerError| error.to_string();
    let Some(mut ledger) = ByHand::load(store).map_err(told)? else { return Ok(false) };
    let letters = DeadLetters::load(store).map_err(told)?;
    for name in names(&mut ledger.head, &letters) {
        hold()?;
        reseal(store, &name).map_err(told)?;
    }
    hold()?;
    ledger.write(intervention).map_err(told)?;
    Ok(true)
}

/// Fails where dead letters are lost, as each run does.
pub fn check_letters<P: KeyValue>(store: &Store<'_, P>) -> Result<(), LedgerError> {
    let known = Head::load(store)?.and_then(|head| head.dead_letters);
    DeadLetters::load(store)?.check(known)
}

/// What is lost of a ledger, or does not hold good.
struct Damage<'a, P> {
    /// Each as a run would tell it.
    told: Vec<LedgerError>,
    record: Interventions,
    letters: DeadLetters<'a, P>,
    /// What the head knows of an index that is to be begun anew.
    index: Option<IndexState>,
    losses: Vec<Loss>,
    /// Names of segments, of intents and of the ring of reports.
    forged: Vec<String>,
}

impl<'a, P: KeyValue> Damage<'a, P> {
    fn find(store: &'a Store<'a, P>, head: &mut Head) -> Result<Self, LedgerError> {
        let mut told = Vec::new();
        let record = match Interventions::load(store, head.interventions) {
            Err(error @ (LedgerError::Lost { .. } | LedgerError::Unreadable { .. })) => {
                told.push(error);
                Interventions::after(head.interventions)
            }
            record => record?,
        };
        let (mut letters, index) = match DeadLetters::load(store) {
            Err(error @ LedgerError::Unreadable { .. }) => {
                told.push(error);
                (DeadLetters::none(store), head.dead_letters.or(Some(IndexState::default())))
            }
            letters => {
                let letters = letters?;
                let index = letters.lost_index(head.dead_letters);
                told.extend(index.map(|lost| letters.index_is_lost(lost)));
                (letters, index)
            }
        };
        let losses = letters.losses()?;
        told.extend(losses.iter().map(|loss| loss.error.clone()));
        let mut forged = Vec::new();
        for name in head.names().into_iter().chain([reports::NAME.to_owned()]) {
            if let Err(error @ LedgerError::Unreadable { .. }) = reseal(store, &name) {
                told.push(error);
                forged.push(name);
            }
        }
        Ok(Self { told, record, letters, index, losses, forged })
    }
}

/// Goes on without what is lost or does not hold good, and takes note of who has decided so. A new index of
/// dead letters numbers its chunks from `number` on. `hold` makes sure of the lease. Returns what it was, each as a run would tell it; nothing
/// is written where it is nothing.
pub fn acknowledge<P: KeyValue>(
    store: &Store<'_, P>,
    intervention: Intervention,
    number: u64,
    hold: impl Fn() -> Result<(), String>,
) -> Result<Vec<LedgerError>, String> {
    let said = |error: LedgerError| error.to_string();
    let Some(mut head) = Head::load(store).map_err(said)? else { return Ok(Vec::new()) };
    let Damage { told, record, mut letters, index, losses, forged } =
        Damage::find(store, &mut head).map_err(said)?;
    if told.is_empty() {
        return Ok(told);
    }
    hold()?;
    // The record first: what comes then may be done again, and takes away what there is to be told.
    let mut ledger = ByHand::of(store, head, record);
    let keys = told.iter().filter_map(LedgerError::key).collect();
    ledger.write(intervention.about(keys)).map_err(said)?;
    if let Some(known) = index {
        hold()?;
        letters.go_on_after(known, number);
        letters.write().map_err(said)?;
    }
    for loss in losses {
        hold()?;
        letters.replace(&[loss.chunk], &loss.left).map_err(said)?;
    }
    for name in forged {
        hold()?;
        store.delete(&name).map_err(|error| said(error.into()))?;
    }
    hold()?;
    ledger.head.dead_letters = letters.state();
    ledger.write_head(Vec::new()).map_err(said)?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ledger::DEAD_LETTERS;
    use crate::seal::{Seal, Seals, ValueFault};
    use crate::terms::{Secret, Stream};
    use crate::testing::Memory;

    fn intervention(why: &str) -> Intervention {
        let text = str::to_owned;
        let (who, what, why, which) = (text("a@b"), text("acknowledge"), text(why), Vec::new());
        Intervention { at_ms: 1_795_348_800_000, who, what, why, which, more: 0 }
    }

    fn letter(id: &str, bytes: usize) -> DeadLetter {
        DeadLetter {
            stream: Stream::Requests,
            id: id.to_owned(),
            entry: id.to_owned(),
            error: "InvalidData".to_owned(),
            refused_at: 1_795_348_800,
            replay: false,
            data: "x".repeat(bytes),
        }
    }

    /// A ledger with two chunks of dead letters, of which the head knows.
    fn with_letters(store: &Store<'_, Memory>) {
        let mut letters = DeadLetters::load(store).unwrap();
        for id in ["a", "b"] {
            letters.add(letter(id, 200_000));
        }
        letters.write().unwrap();
        let mut head = Head::new("kong");
        head.dead_letters = letters.state();
        ByHand::of(store, head, Interventions::default()).write_head(Vec::new()).unwrap();
    }

    fn lost(store: &Store<'_, Memory>) -> Option<Lost> {
        match check_letters(store) {
            Err(LedgerError::Lost { what, .. }) => Some(what),
            checked => {
                checked.unwrap();
                None
            }
        }
    }

    fn record(store: &Store<'_, Memory>) -> Vec<Intervention> {
        ByHand::load(store).unwrap().unwrap().record().kept().cloned().collect()
    }

    #[test]
    fn each_loss_is_named_and_gone_on_from_with_what_is_left() {
        let flip = |value: &mut Vec<u8>| *value.last_mut().unwrap() ^= 1;
        for (name, forged, expected, left) in [
            (DEAD_LETTERS, false, Lost::Index(2), 0),
            ("dead-letters:0", false, Lost::Letters(None), 1),
            ("dead-letters:1", true, Lost::Letters(Some(ValueFault::Damaged)), 1),
        ] {
            let memory = Memory::default();
            let store = Store::new(&memory, "default");
            with_letters(&store);
            assert_eq!(lost(&store), None);
            let key = store.key(name);
            if forged {
                flip(memory.values.borrow_mut().get_mut(&key).unwrap());
            } else {
                memory.values.borrow_mut().remove(&key);
            }
            assert_eq!(lost(&store), Some(expected));
            let told = acknowledge(&store, intervention("no snapshot"), 1000, || Ok(())).unwrap();
            assert_eq!(
                told.iter().filter_map(LedgerError::key).collect::<Vec<_>>(),
                [key.as_str()]
            );
            assert_eq!(lost(&store), None, "{name}");
            assert_eq!(DeadLetters::load(&store).unwrap().count(), left, "{name}");
            let record = record(&store);
            assert_eq!((record[0].which.as_slice(), record.len()), (&[key][..], 1));
            assert_eq!(acknowledge(&store, intervention("again"), 1000, || Ok(())).unwrap(), []);
            // What the letters had is known to the head from now on.
            memory.values.borrow_mut().remove(&store.key(DEAD_LETTERS));
            assert_eq!(lost(&store), (left > 0).then_some(Lost::Index(left)), "{name}");
        }
    }

    #[test]
    fn an_index_that_does_not_hold_good_is_begun_anew_behind_the_numbers_it_had() {
        let memory = Memory::default();
        let store = Store::new(&memory, "default");
        with_letters(&store);
        memory.values.borrow_mut().insert(store.key(DEAD_LETTERS), b"kdi2 of somebody".to_vec());
        assert_eq!(acknowledge(&store, intervention("forged"), 1000, || Ok(())).unwrap().len(), 1);
        let mut letters = DeadLetters::load(&store).unwrap();
        letters.add(letter("c", 1));
        letters.write().unwrap();
        assert_eq!(letters.chunks()[0].number, 1000);
        assert_eq!(lost(&store), None);
    }

    #[test]
    fn a_record_that_is_lost_put_back_or_forged_is_missed_and_the_last_hundred_are_kept() {
        let memory = Memory::default();
        let store = Store::new(&memory, "default");
        with_letters(&store);
        let mut ledger = ByHand::load(&store).unwrap().unwrap();
        let mut earlier = Vec::new();
        for number in 0..103 {
            earlier = memory
                .values
                .borrow()
                .get(&store.key(interventions::NAME))
                .cloned()
                .unwrap_or_default();
            ledger.write(intervention(&number.to_string())).unwrap();
        }
        let kept: Vec<_> = record(&store).into_iter().map(|it| it.why).collect();
        assert_eq!((kept.len(), kept[0].as_str(), kept[99].as_str()), (100, "3", "102"));
        let since: Vec<_> = ledger.record().since(101).map(|it| it.why.clone()).collect();
        assert_eq!(since, ["101", "102"]);
        let key = store.key(interventions::NAME);
        for value in [None, Some(earlier), Some(b"kci2 of somebody else".to_vec())] {
            match value {
                None => drop(memory.values.borrow_mut().remove(&key)),
                Some(value) => drop(memory.values.borrow_mut().insert(key.clone(), value)),
            }
            assert!(ByHand::load(&store).is_err());
            assert_eq!(
                acknowledge(&store, intervention("lost"), 1000, || Ok(())).unwrap().len(),
                1
            );
            assert_eq!(record(&store).len(), 1);
        }
        assert_eq!(ByHand::load(&store).unwrap().unwrap().head.interventions, 106);
    }

    #[test]
    fn an_intervention_about_more_than_a_record_holds_says_how_many_more() {
        let names = (0..501).map(|number| number.to_string()).collect();
        let about = intervention("").about(names);
        assert_eq!((about.which.len(), about.more), (500, 1));
    }

    #[test]
    fn all_of_a_ledger_is_taken_by_who_has_lost_its_key_and_by_nobody_else() {
        let memory = Memory::default();
        let keyed = |key: &str| Seals::new(Seal::Keyed(Secret::new(key)), None);
        with_letters(&Store::sealed(&memory, "default", keyed("lost")));
        let hold = || Ok(());
        let careful = Store::sealed(&memory, "default", keyed("new"));
        assert!(rekey(&careful, intervention("x"), hold).is_err());
        let taking = Store::sealed(&memory, "default", keyed("new").taking_any());
        assert_eq!(rekey(&taking, intervention("x"), hold), Ok(true));
        let careful = Store::sealed(&memory, "default", keyed("new"));
        assert_eq!((lost(&careful), record(&careful).len()), (None, 1));
        let other = Store::sealed(&memory, "another", keyed("new").taking_any());
        assert_eq!(rekey(&other, intervention("x"), hold), Ok(false));
        let stop = || Err("the lease is lost".to_owned());
        assert_eq!(rekey(&taking, intervention("x"), stop), Err("the lease is lost".to_owned()));
    }
}
