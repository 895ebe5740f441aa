//! What cannot be read of a stream: how it is named, and what is said of it.

use super::{Halt, Reader, StreamRun};
use crate::delivery::Unreadable;
use crate::kong::{KongError, LeftOut};
use crate::ports::Ports;
use crate::terms::{LedgerTime, Stream};
use crate::wire::rfc3339;
use crate::words::{Told, shown};

/// A row that is left out of its page, and none other with it.
pub fn row(stream: Stream, row: LeftOut) -> Unreadable {
    let identity = row.id.as_deref().unwrap_or(&row.identity);
    Unreadable {
        key: Unreadable::row(stream, identity),
        entry: row.id.clone().unwrap_or_else(|| "of unknown id".to_owned()),
        stamp: row.stamp,
        why: row.told(stream),
        text: row.text,
    }
}

/// A row of that second which fails, and what lies behind it in that second.
pub fn second(stream: Stream, second: i64, error: &KongError) -> Unreadable {
    let (time, Told { cause, remedy }) = (rfc3339(second), error.told());
    Unreadable {
        key: Unreadable::second(stream, second),
        entry: time.clone(),
        stamp: Some(second),
        why: Told::new(
            format!(
                "a row of {} of {time} cannot be read, nor what lies behind it in that second: {cause}",
                stream.name()
            ),
            remedy,
        ),
        text: None,
    }
}

/// What lies behind the row of that name, or behind that offset, and cannot be had by time.
pub fn behind(stream: Stream, place: &str, error: &str) -> Unreadable {
    let key = Unreadable::behind(stream, place);
    let place = shown(place);
    Unreadable {
        key,
        entry: format!("behind {place}"),
        stamp: None,
        why: Told::from(format!(
            "a row of {} behind {place} cannot be read, nor what lies behind it and is in no window of time: {error}",
            stream.name()
        )),
        text: None,
    }
}

impl<P: Ports> Reader<'_, '_, P> {
    /// Leaves out a row of a page that arrived.
    pub(super) fn leave_out_row(
        &mut self,
        left_out: LeftOut,
        stream_run: &mut StreamRun,
    ) -> Result<(), Halt> {
        match left_out.time {
            Some(time) => stream_run.buckets.extend(time.buckets()),
            None => stream_run.untimed = true,
        }
        Ok(self.delivery.leave_out(row(stream_run.stream, left_out))?)
    }

    /// Leaves out a place that has a time. Its bucket stays, since Kong may still hold rows of it.
    pub(super) fn leave_out(
        &mut self,
        place: Unreadable,
        stream_run: &mut StreamRun,
    ) -> Result<(), Halt> {
        if let Some(stamp) = place.stamp {
            stream_run.buckets.extend(LedgerTime::Written(stamp).buckets());
        }
        Ok(self.delivery.leave_out(place)?)
    }
}
