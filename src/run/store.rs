//! What a run reads of the store at its beginning, and writes at its end.

use serde_json::value::RawValue;

use super::{Halt, Run, calls, messages, millis, notes};
use crate::delivery::{self, Failure, Records};
use crate::kong::About;
use crate::ledger::{
    self, DEAD_LETTERS, DeadLetters, Interventions, Ledger, LedgerError, Reports, Target,
};
use crate::log::Code;
use crate::ports::Ports;
use crate::report::{Attention, Outcome, Report};
use crate::seal::ValueFault;
use crate::terms::Stream;

/// What a run reads of the store at its beginning, and writes at its end.
pub struct Kept<'a, P> {
    pub records: Records<'a, P>,
    reports: Reports,
}

impl<P: Ports> Kept<'_, P> {
    /// The longest `ttl` that earlier runs have seen.
    pub fn longest_ttl(&mut self) -> i64 {
        let of = |stream| self.records.ledger.coverage(stream).longest_ttl();
        Stream::ALL.map(of).into_iter().max().unwrap_or(0)
    }
}

/// How a run ended.
pub struct Ended<'k> {
    /// What Kong has told of itself.
    pub about: Option<&'k About>,
    /// When, by Kong's clock.
    pub at: i64,
    /// Why it stopped.
    pub result: Result<(), Halt>,
}

impl<'a, P: Ports> Run<'a, P> {
    /// Reads the ledger, the dead letters and the last reports, and reports what happened to them since the
    /// last run. Rewrites them when `ledger_key` was changed.
    pub(super) fn load(&self, report: &mut Report) -> Result<Kept<'a, P>, Halt> {
        let profile = self.config.destination.profile();
        let target = Target { name: &profile.target, variables: profile.target_variables };
        let ledger = Ledger::load(self.store, target, &self.config.kong.url(""))?;
        report.generation = Some(ledger.generation());
        if ledger.is_new() {
            report.attention.insert(Attention::NewLedger);
        }
        if self.lease.follows_a_death() || (self.lease.was_absent() && !ledger.is_new()) {
            report.attention.insert(Attention::DiedBefore);
            self.log.warn(Code::DiedBefore, messages::died_before(profile));
        }
        let dead_letters = DeadLetters::load(self.store)?;
        let reports = self.reports(report)?;
        report.dead_letters = Some(dead_letters.count());
        if ledger.was_of_another_kong() {
            report.attention.insert(Attention::OtherKong);
        }
        let mut kept = Kept { records: Records { ledger, dead_letters }, reports };
        if let Err(error) = self.look_for_losses(&mut kept.records, report) {
            if matches!(error, LedgerError::Lost { .. }) {
                report.attention.insert(Attention::StoreLost);
            }
            return Err(error.into());
        }
        if kept.records.ledger.rekeys() {
            self.rekey(&mut kept.records)?;
            report.attention.insert(Attention::Rekeyed);
        } else {
            kept.records.ledger.needs_no_rekey();
        }
        self.tell_of_a_lost_index(&mut kept.records, report);
        Ok(kept)
    }

    /// Dead letters that are lost end the run until somebody has acknowledged it, and so does a lost record of
    /// interventions. Tells of those that no run has told.
    fn look_for_losses(
        &self,
        records: &mut Records<'a, P>,
        report: &mut Report,
    ) -> Result<(), LedgerError> {
        let Records { ledger, dead_letters } = records;
        let head = ledger.head();
        dead_letters.check(head.dead_letters)?;
        let record = Interventions::load(self.store, head.interventions)?;
        for intervention in record.since(head.told) {
            report.attention.insert(Attention::Intervened);
            self.log.warn(Code::Intervened, messages::intervened(intervention));
        }
        head.told = head.interventions;
        Ok(())
    }

    /// Reads the last reports. A damaged value is reported, and the run goes on without it. With `ledger_key`
    /// the value may be forged: that ends the run.
    fn reports(&self, report: &mut Report) -> Result<Reports, Halt> {
        match Reports::load(self.store) {
            Err(LedgerError::Unreadable { fault: ValueFault::Damaged, .. }) => {
                report.attention.insert(Attention::StoreLost);
                Ok(Reports::default())
            }
            loaded => Ok(loaded?),
        }
    }

    /// Rewrites everything with the current key.
    fn rekey(&self, records: &mut Records<'a, P>) -> Result<(), Halt> {
        for name in ledger::names(records.ledger.head(), &records.dead_letters) {
            self.lease.hold()?;
            ledger::reseal(self.store, &name)?;
        }
        self.lease.hold()?;
        records.ledger.finish_rekey()?;
        self.log.info("the ledger was written anew with the new ledger_key");
        Ok(())
    }

    /// An index that named no letters is begun anew.
    fn tell_of_a_lost_index(&self, records: &mut Records<'a, P>, report: &mut Report) {
        let Records { ledger, dead_letters } = records;
        let Some(lost) = dead_letters.lost_index(ledger.head().dead_letters) else { return };
        let error = messages::lost_index(&self.store.key(DEAD_LETTERS));
        // Logged too, since a later run does not find it out again.
        self.log.error(Code::LettersLost, error.to_string());
        report.attention.insert(Attention::StoreLost);
        report.add(Outcome::Partial, error);
        dead_letters.go_on_after(lost, self.port.now_ms().unsigned_abs());
    }

    /// Records what was shipped, then sends the dead letters that are marked for it.
    pub(super) async fn replay(
        &self,
        records: &mut Records<'a, P>,
        report: &mut Report,
    ) -> Result<(), Halt> {
        self.write_letters(records)?;
        records.ledger.write()?;
        report.recorded();
        let pending = delivery::replay(records, self.sender, self.lease, self.log).await?;
        if let Some(pending) = pending {
            report.add(Outcome::Partial, pending);
        }
        Ok(())
    }

    /// Completes the report and stores it with what is not stored yet.
    pub(super) fn finish(
        &self,
        mut kept: Kept<'a, P>,
        ended: Ended<'_>,
        report: &mut Report,
    ) -> Result<(), Halt> {
        let Ended { about, at: end, result: ended } = ended;
        let Records { ledger, dead_letters } = &kept.records;
        let may_write = match &ended {
            // A ledger that failed is written only when the destination has accepted or refused something.
            Err(Halt::Delivery(Failure::Ledger(_))) => ledger.has_news() || dead_letters.has_news(),
            _ => true,
        };
        if let Err(halt) = ended {
            report.add(Outcome::Failed, halt);
        }
        // Before the report is completed: this write may find out that the store has lost letters.
        let letters = if may_write { self.write_letters(&mut kept.records) } else { Ok(()) };
        let Records { ledger, dead_letters } = &mut kept.records;
        report.dead_letters = Some(dead_letters.count());
        for key in dead_letters.take_lost() {
            report.attention.insert(Attention::StoreLost);
            report.add(Outcome::Partial, messages::lost_letters(&key));
        }
        if report.late() > 0 {
            report.attention.insert(Attention::Late);
        }
        let apart = end.abs_diff(self.port.now_ms().div_euclid(1000));
        notes::complete(report, about, ledger, apart);
        tell_watermarks(report, end, |stream| ledger.coverage(stream).watermark());
        let before = report.clone();
        let stored =
            letters.and_then(|()| if may_write { self.store(&mut kept, report) } else { Ok(()) });
        if !may_write || stored.is_err() {
            let ledger = &kept.records.ledger;
            *report = before;
            report.generation = Some(ledger.generation());
            tell_watermarks(report, end, |stream| ledger.watermark(stream));
        }
        stored
    }

    fn write_letters(&self, records: &mut Records<'a, P>) -> Result<(), Halt> {
        self.lease.hold()?;
        records.dead_letters.write()?;
        records.ledger.head().dead_letters = records.dead_letters.state();
        Ok(())
    }

    /// The last write of a run, with the report in it. The report that is stored counts this write as done.
    fn store(&self, kept: &mut Kept<'a, P>, report: &mut Report) -> Result<(), Halt> {
        let Kept { records: Records { ledger, .. }, reports } = kept;
        self.lease.hold()?;
        report.recorded();
        report.generation = Some(ledger.generation().saturating_add(1));
        report.calls = calls(self.kong, self.sender, self.store);
        report.duration_ms = millis(self.port.elapsed().saturating_sub(self.began));
        if let Ok(line) = RawValue::from_string(report.line()) {
            reports.add(self.port.now_ms(), line);
        }
        ledger.write_with(vec![reports.pair(self.store)])?;
        for key in ledger.take_undeleted() {
            self.log.warn(Code::ExpiredNotDeleted, messages::not_deleted(&key));
        }
        Ok(())
    }
}

/// Sets each stream's watermark, and how far it is behind the run's end.
fn tell_watermarks(report: &mut Report, end: i64, mut of: impl FnMut(Stream) -> Option<i64>) {
    for stream in Stream::ALL {
        let watermark = of(stream);
        let stream = report.stream(stream);
        stream.watermark = watermark;
        stream.lag_secs = watermark.map(|watermark| end.saturating_sub(watermark));
    }
}
