//! What the control endpoints of both simulators share.

use serde::Deserialize;

/// The part of a list that is asked for.
#[derive(Deserialize)]
pub(crate) struct Part {
    pub(crate) from: usize,
    pub(crate) limit: usize,
}
