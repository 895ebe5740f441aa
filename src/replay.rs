//! Dead letters that somebody wants sent again: as they stand, after all else.

use crate::cloudtrail::{Batcher, CloudTrail, Item, Undelivered};
use crate::delivery::Halt;
use crate::event::Event;
use crate::lease::Lease;
use crate::ledger::{DeadLetters, Ledger};
use crate::log::{Level, Logger};
use crate::ports::Ports;

/// Sends the letters that are marked for it. What CloudTrail accepts is a dead letter no more, what
/// it refuses is one again, without the mark; what came of a batch is stored before the next is
/// sent. Of those that are pending the reason is returned.
pub async fn replay<P: Ports>(
    ledger: &mut Ledger<'_, P>,
    dead_letters: &mut DeadLetters<'_, P>,
    cloudtrail: &CloudTrail<'_, P>,
    lease: &Lease<'_, P>,
    log: &Logger<'_, P>,
) -> Result<Option<String>, Halt> {
    let (mut accepted, mut pending) = (0, None);
    for chunk in dead_letters.chunks() {
        if chunk.replays == 0 {
            continue;
        }
        let mut chunks = vec![chunk];
        let mut letters: Vec<_> = dead_letters.read(chunk)?.into_iter().map(Some).collect();
        let (mut open, mut batches) = (Batcher::default(), Vec::new());
        for (place, letter) in letters.iter().enumerate() {
            if let Some(letter) = letter.as_ref().filter(|letter| letter.replay) {
                let event = Event { id: letter.id.clone(), data: letter.data.clone() };
                batches.extend(open.push(Item::new(event, place as u64, 0)));
            }
        }
        batches.extend(open.close());
        for batch in batches {
            if cloudtrail.out_of_time() {
                pending = Some("run_budget_secs has passed".to_owned());
                break;
            }
            lease.hold()?;
            ledger.preflight()?;
            let sent = cloudtrail.send(batch, || lease.hold().is_ok()).await;
            for item in &sent.accepted {
                ledger.bind();
                letters[place(item)] = None;
                accepted += 1;
            }
            for (item, why) in sent.undelivered {
                match (why, &mut letters[place(&item)]) {
                    (Undelivered::Refused(why), Some(letter)) => {
                        log.log(
                            Level::Error,
                            format!(
                                "CloudTrail refuses the dead letter {} again: {why}",
                                letter.id
                            ),
                        );
                        letter.error = why;
                        letter.replay = false;
                    }
                    (why, _) => pending = Some(why.to_string()),
                }
            }
            lease.hold()?;
            let kept: Vec<_> = letters.iter().flatten().cloned().collect();
            chunks = dead_letters.replace(&chunks, &kept)?;
            if let Some(stop) = sent.stop {
                return Err(Halt::CloudTrail(stop));
            }
        }
    }
    if accepted > 0 {
        log.log(
            Level::Info,
            format!("{accepted} dead letters were sent again, and CloudTrail accepted them"),
        );
    }
    Ok(pending.map(|why| format!("dead letters that are to be sent again are pending: {why}")))
}

fn place(item: &Item) -> usize {
    usize::try_from(item.parcel).unwrap_or_default()
}
