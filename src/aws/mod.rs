//! What is AWS's in general: credentials and where they come from, endpoints, and signed requests.

pub mod credentials;
mod endpoint;
mod sign;

pub use credentials::Credentials;
pub use endpoint::{Variant, endpoint, is_partition, sts};
pub use sign::{SignError, sign};
