//! Whose the credentials are, by `GetCallerIdentity` of the Security Token Service. It is asked before the
//! first batch to a destination whose requests name no account: a target of the same name in another account
//! would take everything.
//!
//! Source: AWS STS API reference, GetCallerIdentity (version 2011-06-15): a signed form, answered in XML. It
//! needs no permission.

use std::cell::RefCell;

use super::{Answer, Batch, Outcome, Profile, Protocol, Stop};
use crate::aws::{Place, Variant, Xml, credentials_remedy, is_of_signature, sts};
use crate::ports::{HttpRequest, HttpResponse};
use crate::retry::status_may_pass;
use crate::terms::Event;
use crate::variables::{AllowEntry, Reader};
use crate::words::{Told, shown};

/// STS, which accepts a call when the credentials are of the account that is meant.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    profile: Profile,
    /// The variable that names the account.
    named_in: &'static str,
    /// What the events go into.
    target: &'static str,
}

/// The region's STS, unless `aws_endpoint_url_sts` names another one; empty without a region.
pub fn sts_endpoint(
    reader: &mut Reader<'_>,
    place: Option<&Place>,
    variant: Variant,
    allow_outbound: Option<&AllowEntry>,
) -> String {
    const EXAMPLE: &str = "for example https://sts.eu-west-1.amazonaws.com";
    let derived = place.map(|place| sts(place, variant));
    reader.endpoint("aws_endpoint_url_sts", EXAMPLE, derived, allow_outbound)
}

impl Caller {
    /// By that endpoint of STS. The account is that of `place`, and `target` is what events go into, in words.
    pub fn new(
        endpoint: String,
        place: Place,
        named_in: &'static str,
        target: &'static str,
    ) -> Self {
        Self {
            profile: Profile {
                name: "STS",
                service: "sts",
                place,
                endpoint,
                endpoint_variable: "aws_endpoint_url_sts",
                unreachable: REACH,
                ..Profile::default()
            },
            named_in,
            target,
        }
    }

    fn of_success(&self, identity: Identity) -> Answer {
        if identity.account == self.profile.place.account {
            return Answer::Outcomes(vec![Outcome::Accepted]);
        }
        let Self { profile: Profile { place, .. }, named_in, target } = self;
        let (theirs, meant) = (identity.account, &place.account);
        let cause = format!(
            "the AWS credentials belong to account {theirs}, but {named_in} names account {meant}: nothing was sent, since \
             the events would have gone into a {target} of the same name in account {theirs}, if there is one"
        );
        let remedy = format!("use credentials of account {meant}");
        Answer::Stop(Stop::Account(Told::new(cause, remedy)))
    }

    fn of_error(response: &HttpResponse) -> Answer {
        let document = Xml::of(response.body());
        let text = |name| shown(document.text(name).unwrap_or_default());
        let (code, message) = (text("Code"), text("Message"));
        let status = response.status().as_u16();
        let refused = |code: &str| Stop::Refused {
            name: "STS",
            code: code.to_owned(),
            message: message.clone(),
            remedy: credentials_remedy(code).unwrap_or(REACH).into(),
        };
        match code.as_str() {
            code if is_of_signature(code) => Answer::Signature(refused(code)),
            "ExpiredToken" | "ExpiredTokenException" => {
                Answer::Expired(refused("ExpiredTokenException"))
            }
            "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "InternalFailure"
            | "ServiceUnavailable" => may_pass(status, &code, &message),
            _ if status == 408 || status_may_pass(status) => may_pass(status, &code, &message),
            "" => Answer::Stop(refused(&format!("status {status}"))),
            _ => Answer::Stop(refused(&code)),
        }
    }
}

const REACH: &str = "check the network path to STS (a NAT gateway, or an interface endpoint named in \
                     aws_endpoint_url_sts and allow_outbound), and that the endpoint's policy allows \
                     sts:GetCallerIdentity";

fn may_pass(status: u16, code: &str, message: &str) -> Answer {
    let why = format!("STS answered {status} {code} {message}").trim_end().to_owned();
    Answer::MayPass { throttled: false, why }
}

impl Protocol for Caller {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn size(&self, _: &Event) -> usize {
        0
    }

    fn request(&self, _: &Batch, _: i64) -> Result<HttpRequest, Stop> {
        let endpoint = &self.profile.endpoint;
        http::Request::post(format!("{endpoint}/"))
            .header("host", endpoint.split("://").last().unwrap_or_default())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(b"Action=GetCallerIdentity&Version=2011-06-15".to_vec())
            .map_err(|error| Stop::Unsendable(error.to_string()))
    }

    /// It changes nothing in any case.
    fn trial(&self, batch: &Batch) -> Result<HttpRequest, Stop> {
        self.request(batch, 0)
    }

    fn answer(&self, _: &Batch, response: &HttpResponse) -> Answer {
        read(response, |identity| self.of_success(identity))
    }
}

/// What an answer means, where one with an identity means what `meaning` says.
fn read(response: &HttpResponse, meaning: impl FnOnce(Identity) -> Answer) -> Answer {
    if response.status() != 200 {
        return Caller::of_error(response);
    }
    let document = Xml::of(response.body());
    let Some(account) = document.text("Account") else {
        let why = "STS's answer is not the XML that it documents".to_owned();
        return Answer::MayPass { throttled: false, why };
    };
    let arn = document.text("Arn").unwrap_or_default();
    meaning(Identity { account: shown(account), arn: shown(arn) })
}

/// Whose credentials are.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The account.
    pub account: String,
    /// The principal; empty where STS does not tell it.
    pub arn: String,
}

/// STS, which is asked whose the credentials are, whosever they are.
#[derive(Debug)]
pub struct Whose {
    caller: Caller,
    told: RefCell<Option<Identity>>,
}

impl Whose {
    /// By that endpoint of STS.
    pub fn new(endpoint: String, place: Place) -> Self {
        Self { caller: Caller::new(endpoint, place, "", ""), told: RefCell::default() }
    }

    /// What STS told.
    pub fn told(self) -> Option<Identity> {
        self.told.into_inner()
    }
}

impl Protocol for Whose {
    fn profile(&self) -> &Profile {
        &self.caller.profile
    }

    fn size(&self, _: &Event) -> usize {
        0
    }

    fn request(&self, batch: &Batch, now_ms: i64) -> Result<HttpRequest, Stop> {
        self.caller.request(batch, now_ms)
    }

    fn trial(&self, batch: &Batch) -> Result<HttpRequest, Stop> {
        self.caller.trial(batch)
    }

    fn answer(&self, _: &Batch, response: &HttpResponse) -> Answer {
        read(response, |identity| {
            self.told.replace(Some(identity));
            Answer::Outcomes(vec![Outcome::Accepted])
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let place = Place { account: "123456789012".to_owned(), ..Place::default() };
        let caller = Caller::new("https://sts".to_owned(), place, "log_group_arn", "log group");
        let response = http::Response::builder().status(status).body(body.as_bytes().to_vec());
        caller.answer(&Batch::default(), &response.unwrap())
    }

    fn identity(account: &str) -> String {
        format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::{account}:user/a</Arn><UserId>A</UserId><Account>{account}</Account>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
    }

    fn error(code: &str) -> String {
        format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"
        )
    }

    #[test]
    fn the_account_must_be_the_one_that_is_meant() {
        let Answer::Outcomes(outcomes) = answer(200, &identity("123456789012")) else { panic!() };
        assert_eq!(outcomes, [Outcome::Accepted]);
        let Answer::Stop(stop) = answer(200, &identity("210987654321")) else { panic!() };
        let stop = stop.to_string();
        for told in ["210987654321", "123456789012", "log_group_arn"] {
            assert!(stop.contains(told), "{stop}");
        }
    }

    #[test]
    fn an_answer_that_is_not_stss_settles_nothing() {
        for body in ["", "<html>", "{}", "<Account/>"] {
            assert!(matches!(answer(200, body), Answer::MayPass { .. }), "{body}");
        }
    }

    #[test]
    fn errors_are_told_apart() {
        for (status, code) in [(400, "Throttling"), (503, ""), (429, ""), (408, ""), (500, "New")] {
            assert!(matches!(answer(status, &error(code)), Answer::MayPass { .. }), "{code}");
        }
        for code in ["SignatureDoesNotMatch", "RequestExpired"] {
            let Answer::Signature(_) = answer(403, &error(code)) else { panic!("{code}") };
        }
        assert!(matches!(answer(403, &error("ExpiredToken")), Answer::Expired(_)));
        for (code, told) in [
            ("InvalidClientTokenId", "does not know these credentials"),
            ("AccessDenied", "sts:GetCallerIdentity"),
            ("", "status 403"),
        ] {
            let Answer::Stop(stop) = answer(403, &error(code)) else { panic!("{code}") };
            assert!(stop.to_string().contains(told), "{stop}");
        }
    }
}
