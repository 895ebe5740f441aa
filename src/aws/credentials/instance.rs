//! EC2's instance metadata service, version 2.
//!
//! Sources: Amazon EC2 user guide, "Use the Instance Metadata Service to access instance metadata"
//! and "Retrieve security credentials from instance metadata"; time-outs as in the AWS SDK
//! for Rust.

use std::time::Duration;

use http::Method;

use super::Temporary;
use super::document::{self, Fault};
use super::fetch::{FetchError, said, send};
use crate::ports::{Http, HttpError, HttpLimits, HttpResponse};
use crate::retry::status_may_pass;

pub(super) const NAME: &str =
    "EC2's instance metadata (asked because no other source of credentials is set)";
const LIMITS: HttpLimits = HttpLimits {
    connect: Duration::from_secs(1),
    first_byte: Duration::from_secs(2),
    between_bytes: Duration::from_secs(1),
    max_body: 64 * 1024,
    keep_ends: 0,
};
/// A token is used for the calls of one fetch.
const TOKEN_TTL_SECS: &str = "60";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

const SET_KEYS: &str = "off EC2, set another source of credentials: aws_access_key_id and aws_secret_access_key, \
                        aws_container_credentials_full_uri, or aws_web_identity_token_file";

/// An instance's metadata service.
#[derive(Clone, Debug)]
pub struct Instance {
    /// `aws_ec2_metadata_service_endpoint`: scheme, host and port.
    pub endpoint: String,
}

impl Instance {
    pub(super) async fn fetch(&self, port: &impl Http) -> Result<Temporary, FetchError> {
        let token = self.token(port).await?;
        let roles = self.get(port, ROLES, &token).await?;
        let role = String::from_utf8_lossy(roles.body());
        let role = role.lines().next().unwrap_or_default().trim();
        // IAM's characters of a role's name.
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if role.is_empty() || !role.chars().all(is_name) {
            let what = "it names no role";
            return Err(FetchError::lasting(NAME, what, ATTACH));
        }
        let answer = self.get(port, &format!("{ROLES}{role}"), &token).await?;
        document::read(answer.body()).map_err(|fault| match fault {
            Fault::Malformed(why) => {
                FetchError::passing(NAME, format!("its answer for the role {role} {why}"), SET_KEYS)
            }
            Fault::Refused { code, message } => FetchError::lasting(
                NAME,
                format!("it has none for the role {role}{}", said(&code, &message, &token)),
                "let the role trust ec2.amazonaws.com",
            ),
        })
    }

    async fn token(&self, port: &impl Http) -> Result<String, FetchError> {
        let url = format!("{}/latest/api/token", self.endpoint);
        let header = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL_SECS);
        let response = call(port, Method::PUT, &url, header).await?;
        let token = String::from_utf8_lossy(response.body()).trim().to_owned();
        match response.status().as_u16() {
            200 if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(token)
            }
            403 => Err(FetchError::lasting(
                NAME,
                "it is turned off for this instance (403)",
                format!("turn it on (HttpEndpoint enabled); {SET_KEYS}"),
            )),
            200 => Err(FetchError::passing(NAME, "it gave no session token", SET_KEYS)),
            _ => Err(answered(&response, &url)),
        }
    }

    async fn get(
        &self,
        port: &impl Http,
        path: &str,
        token: &str,
    ) -> Result<HttpResponse, FetchError> {
        let url = format!("{}{path}", self.endpoint);
        let header = ("x-aws-ec2-metadata-token", token);
        let response = call(port, Method::GET, &url, header).await?;
        match response.status().as_u16() {
            200 => Ok(response),
            // The token has run out meanwhile: a new one with the next try.
            401 => Err(FetchError::passing(NAME, "it does not take its own token (401)", SET_KEYS)),
            404 => Err(FetchError::lasting(NAME, "the instance has no role (404)", ATTACH)),
            _ => Err(answered(&response, &url)),
        }
    }
}

const ATTACH: &str = "attach an instance profile, with a role that has the policy in docs/aws.md";

fn answered(response: &HttpResponse, url: &str) -> FetchError {
    let what = format!("{url} answered {}", response.status().as_u16());
    if status_may_pass(response.status().as_u16()) {
        FetchError::passing(NAME, what, SET_KEYS)
    } else {
        FetchError::lasting(NAME, what, SET_KEYS)
    }
}

async fn call(
    port: &impl Http,
    method: Method,
    url: &str,
    (name, value): (&str, &str),
) -> Result<HttpResponse, FetchError> {
    let asks_for_token = method == Method::PUT;
    let request = http::Request::builder().method(method).uri(url).header(name, value);
    let request = request.body(Vec::new()).map_err(|error| {
        FetchError::lasting(NAME, format!("{url} cannot be asked: {error}"), SET_KEYS)
    })?;
    send(port, request, LIMITS).await.map_err(|error| {
        let remedy = match &error {
            HttpError::Timeout(_) if asks_for_token => format!(
                "in a container on EC2, raise the instance's HttpPutResponseHopLimit to 2: at 1 the answer does not reach \
                 a container; {SET_KEYS}"
            ),
            _ => SET_KEYS.to_owned(),
        };
        FetchError::unreachable(NAME, url, &error, remedy)
    })
}
