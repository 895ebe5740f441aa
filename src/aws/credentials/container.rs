//! The endpoint that ECS, or EKS Pod Identity, gives a container.
//!
//! Sources: Amazon ECS developer guide, "Task IAM role"; AWS SDKs and tools reference guide,
//! "Container credential provider"; time-outs as in the AWS SDK for Rust.

use std::time::Duration;

use super::Temporary;
use super::document::{self, Fault};
use super::fetch::{FetchError, said, send, token_file};
use crate::ports::{Files, Http, HttpLimits, HttpRequest};
use crate::retry::status_may_pass;
use crate::terms::Secret;

pub(super) const NAME: &str = "the container endpoint";
const LIMITS: HttpLimits = HttpLimits {
    connect: Duration::from_secs(2),
    first_byte: Duration::from_secs(7),
    between_bytes: Duration::from_secs(5),
    max_body: 64 * 1024,
    keep_ends: 0,
};

/// A container's credentials endpoint.
#[derive(Clone, Debug)]
pub struct Container {
    /// The whole address.
    pub url: String,
    /// Sent as `Authorization`.
    pub token: Option<Token>,
}

/// By what the endpoint knows the container.
#[derive(Clone, Debug)]
pub enum Token {
    /// `aws_container_authorization_token`.
    Given(Secret),
    /// `aws_container_authorization_token_file`: where it is.
    File(String),
}

impl Container {
    pub(super) async fn fetch(&self, port: &(impl Http + Files)) -> Result<Temporary, FetchError> {
        let url = &self.url;
        let token = match &self.token {
            None => String::new(),
            Some(Token::Given(token)) => token.expose().to_owned(),
            Some(Token::File(path)) => {
                token_file(port, NAME, "aws_container_authorization_token_file", path)?
            }
        };
        let request = request(url, &token).map_err(|error| {
            FetchError::lasting(NAME, format!("{url} cannot be asked: {error}"), REMEDY)
        })?;
        let response = send(port, request, LIMITS)
            .await
            .map_err(|error| FetchError::unreachable(NAME, url, &error, REMEDY))?;
        let status = response.status();
        match document::read(response.body()) {
            Ok(temporary) if status.is_success() => Ok(temporary),
            Err(Fault::Malformed(why)) if status.is_success() => {
                Err(FetchError::passing(NAME, format!("the answer of {url} {why}"), REMEDY))
            }
            document => {
                let words = match document {
                    Err(Fault::Refused { code, message }) => said(&code, &message, &token),
                    _ => String::new(),
                };
                let what = format!("{url} answered {}{words}", status.as_u16());
                let remedy = remedy(status.as_u16());
                Err(if status_may_pass(response.status().as_u16()) {
                    FetchError::passing(NAME, what, remedy)
                } else {
                    FetchError::lasting(NAME, what, remedy)
                })
            }
        }
    }
}

const REMEDY: &str = "check aws_container_credentials_relative_uri or aws_container_credentials_full_uri: they must have \
                      the value that ECS or EKS gives the container in the variable of that name";

fn remedy(status: u16) -> &'static str {
    match status {
        400 | 401 | 403 => {
            "check aws_container_authorization_token_file (or aws_container_authorization_token), and that the role of the \
             task or pod exists and trusts ECS or EKS"
        }
        _ => REMEDY,
    }
}

fn request(url: &str, token: &str) -> Result<HttpRequest, http::Error> {
    let mut request = http::Request::get(url).header("accept", "application/json");
    if !token.is_empty() {
        request = request.header("authorization", token);
    }
    request.body(Vec::new())
}
