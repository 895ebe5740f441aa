//! The streams of a run: each is planned, read and reported.

use std::collections::HashSet;
use std::time::Duration;

use super::{Facts, Halt, Reader, Run, StreamRun, messages};
use crate::coverage::{Filters, Mode};
use crate::delivery::{Closed, Delivery, PATIENCE_SECS, Reading, Records, Tally};
use crate::kong::KongError;
use crate::ledger::Ledger;
use crate::log::Code;
use crate::ports::Ports;
use crate::report::{Attention, Outcome, Report};
use crate::terms::Stream;
use crate::words::Told;

/// The most reasons that a report gives for pending or refused events. The log has all of them.
const MAX_REASONS: usize = 5;

impl<'a, P: Ports> Run<'a, P> {
    /// Ships the streams, one after the other, and reports how each of them ended.
    pub(super) async fn streams(
        &self,
        facts: Facts,
        records: &mut Records<'a, P>,
        report: &mut Report,
    ) -> Result<(), Halt> {
        if !facts.about.hides.is_empty() && records.ledger.warns(facts.now) {
            let name = self.config.destination.profile().name;
            self.log
                .warn(Code::IgnoredSettings, messages::hidden_entries(&facts.about.hides, name));
        }
        let (stream_runs, facts, closed) = self.deliver(facts, records).await;
        let Closed { mut tallies, failure, store_lost, gone, renamed } = closed;
        if store_lost {
            report.attention.insert(Attention::StoreLost);
        }
        let name = self.config.destination.profile().name;
        if gone > 0 {
            report.add(Outcome::Partial, messages::gone(name, gone));
        }
        if renamed > 0 {
            report.add(Outcome::Partial, messages::renamed(name, renamed));
        }
        if tallies.values().any(|tally| !tally.unreadable.is_empty()) {
            report.attention.insert(Attention::Unreadable);
        }
        for mut stream_run in stream_runs {
            stream_run.tally = tallies.remove(&stream_run.stream).unwrap_or_default();
            stream_run.halted = stream_run.halted.or_else(|| failure.clone().map(Halt::Delivery));
            self.settle(&stream_run, &facts, &mut records.ledger);
            explain(&stream_run, &facts, &mut records.ledger, report);
            self.tell_of_adoption(&stream_run);
            self.conclude(stream_run, report);
        }
        let forgotten = facts.now - 2 * facts.retention().secs;
        records.dead_letters.forget_failing_before(forgotten);
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Reads all streams and delivers what is new in them.
    async fn deliver(
        &self,
        facts: Facts,
        records: &mut Records<'a, P>,
    ) -> (Vec<StreamRun>, Facts, Closed) {
        let delivery = Delivery::new(facts.now, records, self.sender, self.lease, self.log)
            .telling(self.how_far);
        let mut reader = Reader { run: self, facts, delivery, places: HashSet::new() };
        let stream_runs = self.read_all(&mut reader).await;
        let failed = stream_runs.iter().find_map(StreamRun::failure);
        let Reader { facts, delivery, .. } = reader;
        (stream_runs, facts, delivery.close(failed).await)
    }

    /// Reads the windows, then the sweeps. Each has an equal share of the time that is left.
    async fn read_all(&self, reader: &mut Reader<'_, 'a, P>) -> Vec<StreamRun> {
        let share = |left: usize| {
            let now = self.port.elapsed();
            now + self.deadline.saturating_sub(now) / u32::try_from(left).unwrap_or(1).max(1)
        };
        let streams = &self.config.streams;
        let mut stream_runs = Vec::new();
        for (index, stream) in streams.iter().enumerate() {
            let stream_run = self.read_new(*stream, share(streams.len() - index), reader).await;
            let failed = stream_run.failure().is_some();
            stream_runs.push(stream_run);
            if failed {
                return stream_runs;
            }
        }
        let mut left = stream_runs.iter().filter(|stream_run| stream_run.may_sweep()).count();
        for stream_run in stream_runs.iter_mut().filter(|stream_run| stream_run.may_sweep()) {
            stream_run.halted = reader.sweep(share(left), stream_run).await.err();
            left -= 1;
            if stream_run.failure().is_some() {
                break;
            }
        }
        stream_runs
    }

    /// Plans a stream's run, and reads its window if the plan has one. When Kong turns out to ignore time
    /// filters, this is done again: first with times written in the other way, then without filters.
    async fn read_new(
        &self,
        stream: Stream,
        deadline: Duration,
        reader: &mut Reader<'_, 'a, P>,
    ) -> StreamRun {
        reader.delivery.turn_to(stream, Reading::Window);
        let before = reader.coverage(stream).clone();
        let first = reader.delivery.records.ledger.has_nothing_of(stream);
        let mut filters = Filters::of(stream, reader.facts.about.version.has_time_filters());
        loop {
            let mut stream_run = self.plan(stream, filters, first, reader);
            let Some(window) = stream_run.plan.window else { return stream_run };
            let halted = reader.read_window(window, deadline, &mut stream_run).await.err();
            if !matches!(halted, Some(Halt::Kong(KongError::FilterIgnored))) {
                return StreamRun { halted, ..stream_run };
            }
            reader.coverage(stream).clone_from(&before);
            if !self.kong.try_other_dates() {
                let version = &reader.facts.about.version;
                self.log.warn(Code::FiltersIgnored, messages::filters_ignored(stream, version));
                filters = Filters::Ignored;
            }
        }
    }

    fn plan(
        &self,
        stream: Stream,
        filters: Filters,
        first: bool,
        reader: &mut Reader<'_, 'a, P>,
    ) -> StreamRun {
        let (now, writes_timeless) = (reader.facts.now, reader.facts.writes_timeless(stream));
        let coverage = reader.coverage(stream);
        let plan = coverage.plan(&self.config.spans, filters, now);
        coverage.begin(&plan, writes_timeless);
        reader.delivery.tally().report.mode = Some(plan.mode.name());
        StreamRun::new(stream, filters, plan, first)
    }

    /// Updates the stream's coverage, and has the ledger drop what it need not keep any more.
    fn settle(&self, stream_run: &StreamRun, facts: &Facts, ledger: &mut Ledger<'a, P>) {
        let stream = stream_run.stream;
        let coverage = ledger.coverage(stream);
        coverage.met(stream_run.timeless, facts.longest_ttl);
        if stream_run.ended() {
            let finished = stream_run.finished(facts.now, facts.writes_timeless(stream));
            let expiry = coverage.finish(&finished, facts.retention(), &self.config.spans);
            if let Some(expiry) = expiry {
                ledger.expire(stream, &expiry, &stream_run.buckets);
            }
        }
    }

    /// Reports how a stream ended.
    fn conclude(&self, stream_run: StreamRun, report: &mut Report) {
        let Tally { report: done, mut pending, left_out, rejected, unreadable, .. } =
            stream_run.tally;
        let stream = stream_run.stream;
        match stream_run.halted {
            // A failed delivery ends the run. It is reported once, and not for each stream or reason.
            Some(Halt::Delivery(failure)) => {
                let Told { cause, .. } = failure.told();
                pending.retain(|why, _| !why.starts_with(&cause));
            }
            None => {}
            Some(halt @ Halt::Budget) => report.add(Outcome::Partial, halt),
            Some(halt) => report.add(Outcome::Failed, halt),
        }
        if done.pending > 0 {
            let told =
                if left_out == done.pending { messages::cannot_be_read } else { messages::pending };
            let why = told(stream, done.pending, &few(pending.into_keys()));
            report.add(Outcome::Partial, why);
        }
        let places = unreadable.values().sum();
        if done.rejected > places {
            let name = self.config.destination.profile().name;
            let why = messages::rejected(name, stream, done.rejected - places, &few(rejected));
            report.add(Outcome::Partial, why);
        }
        if places > 0 {
            let why = messages::unreadable(stream, places, &few(unreadable.into_keys()));
            report.add(Outcome::Partial, why);
        }
        *report.stream(stream) = done;
    }
}

fn few(reasons: impl IntoIterator<Item = String>) -> String {
    reasons.into_iter().take(MAX_REASONS).collect::<Vec<_>>().join("; ")
}

/// Reports why a stream is not complete although none of its entries is pending, and warns of a stream that
/// is too large to be read as a whole in each run.
fn explain<P: Ports>(
    stream_run: &StreamRun,
    facts: &Facts,
    ledger: &mut Ledger<'_, P>,
    report: &mut Report,
) {
    let StreamRun { stream, plan, .. } = stream_run;
    let partly = ledger.coverage(*stream).partly();
    if partly.is_some_and(|partly| facts.now - partly.first >= PATIENCE_SECS) {
        report.attention.insert(Attention::Unreadable);
    }
    let mut partial = |why: Told| report.add(Outcome::Partial, why);
    if partly.is_some() {
        partial(messages::partly(*stream));
    } else if stream_run.tally.report.pending == 0 {
        if let Some(sweep) = stream_run.lags_behind(facts.now) {
            partial(messages::spread(*stream, sweep));
        }
        let coverage = ledger.coverage(*stream);
        if coverage.left_behind() {
            partial(messages::left_behind_by(*stream));
        } else if plan.window.is_some() && stream_run.ended() && coverage.compared().is_none() {
            partial(messages::not_compared(*stream));
        }
    }
    let kept = ledger.size(*stream);
    if plan.mode == Mode::Full && plan.sweep && kept > messages::MOST_WITHOUT_FILTERS {
        partial(messages::too_many(*stream, &facts.about.version, kept));
    }
}
