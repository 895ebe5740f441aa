//! `AssumeRoleWithWebIdentity` and `GetCallerIdentity` of the Security Token Service.
//!
//! Source: AWS STS API reference (version 2011-06-15): a form, for the former unsigned, answered in XML; its
//! errors with their statuses, and the common errors of the query protocol.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::{State, rfc3339};
use crate::caller::{authenticate, identity};
use crate::cloudtrail::sigv4::Scope;
use crate::front::lock;

pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
pub(crate) const REQUEST_ID: &str = "ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE";

/// `POST /`
pub(super) async fn answer(
    Shared(state): Shared<Arc<State>>,
    request: http::Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    match (form.get("Action").map(String::as_str), form.get("Version").map(String::as_str)) {
        (Some("AssumeRoleWithWebIdentity"), Some("2011-06-15")) => assume_role(&state, &form),
        (Some("GetCallerIdentity"), Some("2011-06-15")) => {
            let (now, settings) = (state.front.clock.now(), lock(&state.settings).clone());
            let scope = Scope { region: &settings.region, service: "sts", now };
            let key = authenticate((&head, &body), &scope, Vec::new(), Some(&state.issuer));
            identity(key, settings.role_arn.split(':').nth(4).unwrap_or_default())
        }
        _ => error("InvalidAction", "Could not find operation for version"),
    }
}

fn assume_role(state: &State, form: &HashMap<String, String>) -> Response {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let session_name = field("RoleSessionName");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&session_name.len()) || !session_name.chars().all(allowed) {
        return error(
            "ValidationError",
            "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint",
        );
    }
    let settings = lock(&state.settings).clone();
    if field("WebIdentityToken") != settings.web_identity_token {
        return error(
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider",
        );
    }
    if field("RoleArn") != settings.role_arn {
        return error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    }
    let struck = lock(&state.sts_errors)
        .iter_mut()
        .find_map(|(fault, trigger)| trigger.strikes().then(|| fault.code.clone()));
    if let Some(code) = struck {
        // What it was given, as a careless server would: nobody may print it.
        return error(&code, &format!("Told to fail & refuse <{}>", field("WebIdentityToken")));
    }
    issue(state, &settings.role_arn, session_name)
}

/// New credentials of the role.
fn issue(state: &State, role_arn: &str, session_name: &str) -> Response {
    let temporary = state.issue();
    let credentials = temporary.credentials;
    let role = role_arn.rsplit('/').next().unwrap_or_default();
    let xml = format!(
        r#"<AssumeRoleWithWebIdentityResponse xmlns="{NAMESPACE}">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>system:serviceaccount:kong:kong-cloudtrail</SubjectFromWebIdentityToken>
    <Audience>sts.amazonaws.com</Audience>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::123456789012:assumed-role/{role}/{session_name}</Arn>
      <AssumedRoleId>AROACLKWSDQRAOEXAMPLE:{session_name}</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <SessionToken>{}</SessionToken>
      <SecretAccessKey>{}</SecretAccessKey>
      <Expiration>{}</Expiration>
      <AccessKeyId>{}</AccessKeyId>
    </Credentials>
    <Provider>arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE</Provider>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>
"#,
        credentials.session_token.unwrap_or_default(),
        credentials.secret_access_key,
        rfc3339(temporary.expires),
        credentials.access_key_id,
    );
    ([(header::CONTENT_TYPE, "text/xml")], xml).into_response()
}

pub(crate) fn error(code: &str, message: &str) -> Response {
    let status = match code {
        "AccessDenied" | "IDPRejectedClaim" | "RegionDisabledException" => StatusCode::FORBIDDEN,
        "InternalFailure" => StatusCode::INTERNAL_SERVER_ERROR,
        "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let xml = format!(
        r#"<ErrorResponse xmlns="{NAMESPACE}">
  <Error>
    <Type>Sender</Type>
    <Code>{code}</Code>
    <Message>{message}</Message>
  </Error>
  <RequestId>{REQUEST_ID}</RequestId>
</ErrorResponse>
"#
    );
    (status, [(header::CONTENT_TYPE, "text/xml")], xml).into_response()
}
