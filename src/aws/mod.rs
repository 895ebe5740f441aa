//! What is AWS's in general: credentials and where they come from, endpoints, errors, and signed requests.

pub mod credentials;
mod endpoint;
mod error;
mod sign;
mod xml;

pub use credentials::Credentials;
pub use endpoint::{Place, Variant, endpoint, logs, partition_of, s3, sts};
pub use error::{ErrorCode, credentials_remedy, is_of_signature};
pub use sign::{SignError, sign};
pub(crate) use xml::Xml;
