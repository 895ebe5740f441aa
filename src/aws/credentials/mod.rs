//! Where credentials come from: the first of AWS's chain that the variables configure.
//!
//! 1. [`Source::Static`]: the keys themselves.
//! 2. [`Source::Container`]: the endpoint that ECS, or EKS Pod Identity, gives a container.
//! 3. [`Source::WebIdentity`]: a token file for which STS gives a role's credentials (IRSA on EKS).
//! 4. [`Source::Instance`]: EC2's instance metadata, where nothing else is configured.
//!
//! As in AWS's SDKs, a source that is configured and fails ends the chain: falling through to the
//! next would run under another role than the one that was meant. So the chain is decided by the
//! variables alone, and each error names the one source that was asked.
//!
//! A [`Keeper`] fetches credentials when a run first needs them, and renews them in time.

mod container;
mod document;
mod fetch;
mod instance;
mod keeper;
mod web_identity;

pub use container::{Container, Token};
pub use fetch::FetchError;
pub use instance::Instance;
pub use keeper::{Keeper, Lent};
pub use web_identity::WebIdentity;

use std::time::Duration;

use crate::ports::{Clock, Files, Http, Random};
use crate::retry::{self, Retry};
use crate::terms::Secret;

/// Credentials of one principal.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `AKIA...` or, for temporary credentials, `ASIA...`.
    pub access_key_id: String,
    /// The key that signs.
    pub secret_access_key: Secret,
    /// Sent and signed with temporary credentials.
    pub session_token: Option<Secret>,
}

/// Where credentials come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// `aws_access_key_id` and what belongs to it.
    Static(Credentials),
    /// `aws_container_credentials_relative_uri` or `aws_container_credentials_full_uri`.
    Container(Container),
    /// `aws_web_identity_token_file` and `aws_role_arn`.
    WebIdentity(WebIdentity),
    /// `aws_ec2_metadata_service_endpoint`.
    Instance(Instance),
}

/// Credentials that end.
#[derive(Debug)]
struct Temporary {
    credentials: Credentials,
    /// When, by AWS's clock, in Unix milliseconds; `None` where the source did not say.
    expires_ms: Option<i64>,
}

impl Source {
    /// Asks the source, again where that may help, at most until `deadline` on the clock that never
    /// goes back.
    async fn fetch<P: Http + Clock + Random + Files>(
        &self,
        port: &P,
        deadline: Duration,
    ) -> Result<Temporary, FetchError> {
        let mut retry = Retry::new(retry::CREDENTIALS, deadline);
        loop {
            let answer = match self {
                Self::Static(credentials) => {
                    Ok(Temporary { credentials: credentials.clone(), expires_ms: None })
                }
                Self::Container(container) => container.fetch(port).await,
                Self::WebIdentity(identity) => identity.fetch(port).await,
                Self::Instance(instance) => instance.fetch(port).await,
            };
            let passing = answer.as_ref().err().and_then(FetchError::passing_by);
            match passing {
                Some(passing) if retry.again(port, passing).await => {}
                _ => return answer,
            }
        }
    }

    /// As messages name it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Static(_) => "aws_access_key_id",
            Self::Container(_) => container::NAME,
            Self::WebIdentity(_) => web_identity::NAME,
            Self::Instance(_) => instance::NAME,
        }
    }
}

#[cfg(test)]
mod tests;
