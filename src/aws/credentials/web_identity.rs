//! A token file for which the Security Token Service gives a role's credentials.
//!
//! Source: AWS STS API reference, AssumeRoleWithWebIdentity (version 2011-06-15): an unsigned form,
//! answered in XML.

use std::time::Duration;

use super::Temporary;
use super::document::{self, Fault};
use super::fetch::{FetchError, said, send, token_file};
use crate::aws::Xml;
use crate::ports::{Files, Http, HttpLimits, HttpResponse};
use crate::retry::status_may_pass;
use crate::wire::{query_value, tls_remedy};

pub(super) const NAME: &str = "STS for the role of aws_role_arn";
const LIMITS: HttpLimits = HttpLimits {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_secs(30),
    between_bytes: Duration::from_secs(10),
    max_body: 256 * 1024,
    keep_ends: 0,
};

/// A role that is assumed by a token.
#[derive(Clone, Debug)]
pub struct WebIdentity {
    /// STS: scheme, host and port.
    pub endpoint: String,
    /// `aws_role_arn`.
    pub role_arn: String,
    /// `aws_role_session_name`.
    pub session_name: String,
    /// `aws_web_identity_token_file`.
    pub token_file: String,
}

impl WebIdentity {
    pub(super) async fn fetch(&self, port: &(impl Http + Files)) -> Result<Temporary, FetchError> {
        let url = &self.endpoint;
        let token = token_file(port, NAME, "aws_web_identity_token_file", &self.token_file)?;
        let form = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}&WebIdentityToken={}",
            query_value(&self.role_arn),
            query_value(&self.session_name),
            query_value(&token)
        );
        let request = http::Request::post(format!("{url}/"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into_bytes())
            .map_err(|error| {
                FetchError::lasting(NAME, format!("{url} cannot be asked: {error}"), REACH)
            })?;
        let response = send(port, request, LIMITS).await.map_err(|error| {
            let tls = tls_remedy(&error, "aws_endpoint_url_sts").map(|remedy| remedy.to_string());
            FetchError::unreachable(NAME, url, &error, tls.unwrap_or_else(|| REACH.to_owned()))
        })?;
        if response.status().is_success() {
            return credentials(response.body()).map_err(|fault| {
                let why = match fault {
                    Fault::Malformed(why) => why,
                    Fault::Refused { .. } => "is an error",
                };
                FetchError::passing(NAME, format!("the answer of {url} {why}"), REACH)
            });
        }
        Err(refusal(&response, &token))
    }
}

const REACH: &str = "check the network path to STS (a NAT gateway, or an interface endpoint named in \
                     aws_endpoint_url_sts and allow_outbound)";

fn credentials(body: &[u8]) -> Result<Temporary, Fault> {
    let document = Xml::of(body);
    let text = |name| document.text(name).map(str::to_owned);
    let (Some(id), Some(secret)) = (text("AccessKeyId"), text("SecretAccessKey")) else {
        return Err(Fault::Malformed("is not the XML documented"));
    };
    document::temporary(id, secret, text("SessionToken"), text("Expiration").as_deref())
}

fn refusal(response: &HttpResponse, token: &str) -> FetchError {
    let document = Xml::of(response.body());
    let text = |name| document.text(name).unwrap_or_default();
    let (code, message) = (text("Code"), text("Message"));
    let status = response.status().as_u16();
    let what = format!("it answered {status}{}", said(code, message, token));
    let passes = matches!(
        code,
        "IDPCommunicationError"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "InternalFailure"
            | "ServiceUnavailable"
    );
    if passes || status_may_pass(response.status().as_u16()) {
        FetchError::passing(NAME, what, remedy(code))
    } else {
        FetchError::lasting(NAME, what, remedy(code))
    }
}

fn remedy(code: &str) -> &'static str {
    match code {
        "ExpiredTokenException" | "ExpiredToken" => {
            "the token in aws_web_identity_token_file has run out: its folder must be mounted with --direct-mounts, since \
             without it Spin copies the file once, at its start"
        }
        "InvalidIdentityToken" => {
            "check aws_web_identity_token_file, and that its issuer is an identity provider in IAM with the audience \
             sts.amazonaws.com"
        }
        "AccessDenied" | "IDPRejectedClaim" => {
            "check aws_role_arn, and that the role's trust policy allows sts:AssumeRoleWithWebIdentity to the subject and \
             audience of the token"
        }
        "ValidationError" => "check aws_role_arn and aws_role_session_name",
        "RegionDisabledException" => {
            "turn STS on in the destination's region, in IAM's account settings"
        }
        "IDPCommunicationError" => {
            "let AWS reach the identity provider's keys: its issuer's address must be public"
        }
        _ => REACH,
    }
}
