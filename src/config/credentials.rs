//! The variables of the AWS credentials chain, with the meaning of AWS's own environment variables: the first
//! source that is set is used.

use crate::aws::credentials::{Container, Credentials, Instance, Source, Token, WebIdentity};
use crate::aws::{Place, Variant};
use crate::destination::sts_endpoint;
use crate::terms::Secret;
use crate::variables::{AllowEntry, Origin, Reader, shown};

/// Where ECS hands out a task's credentials.
const ECS: &str = "http://169.254.170.2";
const INSTANCE_METADATA: &str = "http://169.254.169.254";

/// The first source that is set.
pub fn read(
    reader: &mut Reader<'_>,
    place: Option<&Place>,
    variant: Variant,
    allow_outbound: Option<&AllowEntry>,
) -> Source {
    // All are read, so that a mistake in a later one is found too.
    let keys = keys(reader);
    let container = container(reader, allow_outbound);
    let identity = web_identity(reader, place, variant, allow_outbound);
    let instance = instance(
        reader,
        allow_outbound,
        keys.is_some() || container.is_some() || identity.is_some(),
    );
    keys.map(Source::Static)
        .or(container.map(Source::Container))
        .or(identity.map(Source::WebIdentity))
        .unwrap_or(Source::Instance(instance))
}

fn keys(reader: &mut Reader<'_>) -> Option<Credentials> {
    let id = reader.set("aws_access_key_id");
    let secret = reader.set("aws_secret_access_key");
    let token = reader.set("aws_session_token");
    if id.is_none() && secret.is_none() && token.is_none() {
        return None;
    }
    for (name, value) in [("aws_access_key_id", &id), ("aws_secret_access_key", &secret)] {
        if value.is_none() {
            reader.mistake(format!(
                "{name} is not set: static credentials need aws_access_key_id and aws_secret_access_key (and \
                 aws_session_token when they are temporary); leave all three empty to use a role's credentials"
            ));
        }
    }
    for (name, value) in [
        ("aws_access_key_id", &id),
        ("aws_secret_access_key", &secret),
        ("aws_session_token", &token),
    ] {
        reader.header_safe(name, value.as_deref());
    }
    Some(Credentials {
        access_key_id: id.unwrap_or_default(),
        secret_access_key: Secret::new(secret.unwrap_or_default()),
        session_token: token.map(Secret::new),
    })
}

fn container(reader: &mut Reader<'_>, allow_outbound: Option<&AllowEntry>) -> Option<Container> {
    const RELATIVE: &str = "aws_container_credentials_relative_uri";
    const FULL: &str = "aws_container_credentials_full_uri";
    let (relative, full) = (reader.set(RELATIVE), reader.set(FULL));
    let given = reader.set("aws_container_authorization_token");
    let file = reader.set("aws_container_authorization_token_file");
    reader.header_safe("aws_container_authorization_token", given.as_deref());
    let token = file.map(Token::File).or(given.map(|token| Token::Given(Secret::new(token))));
    let url = match (relative, full) {
        (Some(path), _) if path.starts_with('/') && is_path(&path) => format!("{ECS}{path}"),
        (Some(path), _) => {
            reader.mistake(format!(
                "{RELATIVE} {path:?} is not the path of a URL, with its leading slash; for example \
                 /v2/credentials/0a1b2c3d"
            ));
            String::new()
        }
        (None, Some(url)) => full_uri(reader, FULL, url, allow_outbound),
        (None, None) => {
            if token.is_some() {
                reader.mistake(format!(
                    "aws_container_authorization_token_file or aws_container_authorization_token is set, but neither \
                     {RELATIVE} nor {FULL} is set: set one of these two to the address that takes the token"
                ));
            }
            return None;
        }
    };
    Some(Container { url, token })
}

/// As AWS's SDKs have it, plain HTTP only to this machine and to ECS's and EKS's addresses.
fn full_uri(
    reader: &mut Reader<'_>,
    name: &str,
    url: String,
    allow_outbound: Option<&AllowEntry>,
) -> String {
    const EXAMPLE: &str = "for example http://169.254.170.23/v1/credentials";
    let parsed = url.parse::<http::Uri>().ok();
    let parts = parsed.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
    let origin = match parts {
        Some((scheme, authority)) => Origin::of_url(scheme, authority.as_str()),
        None => Err("is not a URL".to_owned()),
    };
    match origin {
        Ok(origin) if origin.may_give_credentials() => {
            reader.check_reachable(&format!("{name} {}", shown(&url)), &origin, allow_outbound);
        }
        Ok(_) => reader.mistake(format!(
            "{name} {} would send credentials over plain HTTP: use https, or http only to a loopback address, \
             169.254.170.2, 169.254.170.23 or [fd00:ec2::23]",
            shown(&url)
        )),
        Err(why) => reader.mistake(format!("{name} {} {why}; {EXAMPLE}", shown(&url))),
    }
    url
}

fn web_identity(
    reader: &mut Reader<'_>,
    place: Option<&Place>,
    variant: Variant,
    allow_outbound: Option<&AllowEntry>,
) -> Option<WebIdentity> {
    let (role_arn, file) = (reader.set("aws_role_arn"), reader.set("aws_web_identity_token_file"));
    let session_name = reader.set("aws_role_session_name").unwrap_or_default();
    if !(2..=64).contains(&session_name.len())
        || !session_name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
    {
        reader.mistake(format!(
            "aws_role_session_name {session_name:?} must be 2 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -"
        ));
    }
    let (Some(role_arn), Some(token_file)) = (&role_arn, &file) else {
        if role_arn.is_some() || file.is_some() {
            reader.mistake(
                "aws_role_arn and aws_web_identity_token_file belong together, and one of them is not set",
            );
        }
        return None;
    };
    let parts: Vec<&str> = role_arn.splitn(6, ':').collect();
    if !matches!(parts[..], ["arn", _, "iam", "", account, role]
        if account.len() == 12 && role.starts_with("role/"))
    {
        reader.mistake(format!(
            "aws_role_arn {role_arn:?} is not the ARN of a role, arn:aws:iam::<account>:role/<name>"
        ));
    }
    let endpoint = sts_endpoint(reader, place, variant, allow_outbound);
    let (role_arn, token_file) = (role_arn.clone(), token_file.clone());
    Some(WebIdentity { endpoint, role_arn, session_name, token_file })
}

fn instance(
    reader: &mut Reader<'_>,
    allow_outbound: Option<&AllowEntry>,
    is_spare: bool,
) -> Instance {
    const EXAMPLE: &str = "for example http://169.254.169.254";
    if reader.switch("aws_ec2_metadata_disabled") {
        if !is_spare {
            reader.mistake(
                "no AWS credentials are configured, and aws_ec2_metadata_disabled leaves none to be found: set \
                 aws_access_key_id and aws_secret_access_key, or aws_container_credentials_relative_uri or \
                 aws_container_credentials_full_uri, or aws_web_identity_token_file with aws_role_arn; on EC2 with a role, \
                 set aws_ec2_metadata_disabled to false",
            );
        }
        return Instance { endpoint: String::new() };
    }
    let derived = Some(INSTANCE_METADATA.to_owned());
    let name = "aws_ec2_metadata_service_endpoint";
    Instance { endpoint: reader.endpoint(name, EXAMPLE, derived, allow_outbound) }
}

fn is_path(path: &str) -> bool {
    path.parse::<http::uri::PathAndQuery>().is_ok()
}
