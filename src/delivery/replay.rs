//! Sends marked dead letters again, as they stand, after all else.

use std::collections::VecDeque;

use super::{Failure, Records};
use crate::destination::{Batcher, Item, Sender, Sent, Undelivered};
use crate::lease::Lease;
use crate::ledger::DeadLetter;
use crate::log::{Code, Logger};
use crate::ports::Ports;
use crate::words::Told;

/// Sends the letters that are marked for it. What the destination accepts is no longer a dead letter. What it
/// refuses stays one, with the new error and without the mark. The result of a batch is stored before the
/// next is sent. Returns why letters are pending, if any are.
pub async fn replay<P: Ports>(
    records: &mut Records<'_, P>,
    sender: &Sender<'_, P>,
    lease: &Lease<'_, P>,
    log: Logger<'_, P>,
) -> Result<Option<Told>, Failure> {
    let Records { ledger, dead_letters } = records;
    let destination = sender.protocol().profile().name;
    let (mut accepted, mut pending) = (0, None);
    for chunk in dead_letters.chunks() {
        if chunk.replays == 0 {
            continue;
        }
        let mut chunks = vec![chunk];
        let mut letters: Vec<_> = dead_letters.read(chunk)?.into_iter().map(Some).collect();
        let (mut open, mut batches) = (Batcher::new(sender.protocol()), VecDeque::new());
        for (place, letter) in letters.iter().enumerate() {
            if let Some(letter) = letter.as_ref().filter(|it| it.replay && !it.is_unreadable()) {
                let item = Item::new(letter.event(), place as u64, 0).of(letter.stream);
                batches.extend(open.push(item));
            }
        }
        batches.extend(open.close());
        while let Some(mut batch) = batches.pop_front() {
            if sender.out_of_time() {
                pending = Some("run_budget_secs has passed".to_owned());
                break;
            }
            lease.hold()?;
            ledger.preflight()?;
            sender.name(&mut batch);
            let mut sent = sender.send(batch, || lease.hold().is_ok()).await;
            if sent.may_have_arrived {
                // No intent carries its name to the next run.
                sent.undelivered.iter_mut().for_each(|(item, _)| sender.doubt(item));
            }
            if !sent.accepted.is_empty() {
                ledger.bind();
            }
            accepted += sent.accepted.len();
            batches.extend(std::mem::take(&mut sent.left));
            let stop = sent.stop.clone();
            pending = take_outcomes(&mut letters, sent, destination, log).or(pending);
            lease.hold()?;
            let kept: Vec<_> = letters.iter().flatten().cloned().collect();
            chunks = dead_letters.replace(&chunks, &kept)?;
            if let Some(stop) = stop {
                return Err(Failure::Destination(stop));
            }
        }
    }
    if accepted > 0 {
        log.info(format!(
            "{accepted} dead letters were sent again, and {destination} accepted them"
        ));
    }
    let pending =
        pending.map(|why| format!("dead letters that are to be sent again are pending ({why})"));
    Ok(pending.map(Told::from))
}

/// Takes note of what became of a batch in its letters. Returns why letters are pending, if any are.
fn take_outcomes<P: Ports>(
    letters: &mut [Option<DeadLetter>],
    sent: Sent,
    destination: &str,
    log: Logger<'_, P>,
) -> Option<String> {
    let mut pending = None;
    for item in &sent.accepted {
        letters[place(item)] = None;
    }
    for (item, why) in sent.undelivered {
        match (why, &mut letters[place(&item)]) {
            (Undelivered::Refused(why), Some(letter)) => {
                log.error(
                    Code::LetterRefusedAgain,
                    format!("{destination} refuses the dead letter {} again: {why}", letter.id),
                );
                letter.error = why;
                letter.replay = false;
            }
            (why, _) => pending = Some(why.to_string()),
        }
    }
    pending
}

fn place(item: &Item) -> usize {
    usize::try_from(item.entry).unwrap_or_default()
}
