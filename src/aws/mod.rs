//! What is AWS's in general: credentials and where they come from, endpoints, errors, and signed requests.

pub mod credentials;
mod endpoint;
mod error;
mod sign;

pub use credentials::Credentials;
pub use endpoint::{Place, Variant, endpoint, is_partition, sts};
pub use error::{ErrorCode, is_of_clock, is_of_signature};
pub use sign::{SignError, sign};
