//! When to try again: full-jitter exponential back-off within the run's budget.

use std::time::Duration;

use crate::ports::{Clock, Random};

const BASE: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(20);

/// The tries of one call.
pub struct Retry {
    tries: u32,
    most: u32,
    deadline: Duration,
}

impl Retry {
    /// At most `most` tries, none of them begun after `deadline` on the clock that never goes back.
    pub fn new(most: u32, deadline: Duration) -> Self {
        Self { tries: 1, most, deadline }
    }

    /// Waits and returns true when there is another try; false when the tries or the time are used
    /// up. `asked` is the wait that the server asked for, the shortest then.
    pub async fn again(&mut self, port: &(impl Clock + Random), asked: Option<Duration>) -> bool {
        if self.tries >= self.most {
            return false;
        }
        let ceiling = BASE.saturating_mul(1 << self.tries.min(10)).min(LONGEST);
        let ceiling_ms = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        let jittered = Duration::from_millis(port.u64() % (ceiling_ms + 1));
        let wait = jittered.max(asked.unwrap_or_default());
        if port.elapsed().saturating_add(wait) >= self.deadline {
            return false;
        }
        self.tries += 1;
        port.sleep(wait).await;
        true
    }
}
