//! Logs what `adopt_lambda_keys` did in a run, and when it can be switched off.

use super::{Run, StreamRun, messages};
use crate::log::Code;
use crate::ports::Ports;
use crate::terms::Stream;

impl<P: Ports> Run<'_, P> {
    pub(super) fn tell_of_adoption(&self, stream_run: &StreamRun) {
        let tally = &stream_run.tally;
        let on = self.config.adopt_lambda_keys && stream_run.stream == Stream::Requests;
        if !on || stream_run.plan.is_empty() {
            return;
        }
        let shipped = tally.report.shipped + tally.report.unrecorded;
        if tally.adopted > 0 {
            self.log.info(messages::adopted(tally.adopted));
        } else if stream_run.first && shipped > 0 {
            self.log.warn(Code::NoneAdopted, messages::none_adopted(shipped));
        } else if stream_run.ended() && tally.report.pending == 0 {
            self.log.info(messages::ADOPTION_IS_DONE);
        }
    }
}
