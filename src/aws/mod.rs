//! What is AWS's in general: credentials, and requests signed with them.

mod sign;

pub use sign::{SignError, sign};

use crate::config::Secret;

/// Credentials of one principal.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `AKIA...` or, for temporary credentials, `ASIA...`.
    pub access_key_id: String,
    /// The key that signs.
    pub secret_access_key: Secret,
    /// Sent and signed with temporary credentials.
    pub session_token: Option<Secret>,
}
