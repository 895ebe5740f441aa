//! The variables of the AWS credentials chain, with the meaning of AWS's own environment variables:
//! the first source that is set is the one.

use super::outbound::{AllowEntry, Origin};
use super::{Reader, Secret, shown};
use crate::aws::credentials::{Container, Credentials, Instance, Source, Token, WebIdentity};
use crate::aws::{Variant, sts};
use crate::cloudtrail::Channel;

/// Where ECS hands out a task's credentials.
const ECS: &str = "http://169.254.170.2";
const INSTANCE_METADATA: &str = "http://169.254.169.254";

impl<F: Fn(&str) -> Result<Option<String>, String>> Reader<F> {
    pub(super) fn credentials(
        &mut self,
        channel: Option<&Channel>,
        variant: Variant,
        allow_outbound: Option<&AllowEntry>,
    ) -> Source {
        // All are read, so that a mistake in a later one is found too.
        let keys = self.keys();
        let container = self.container(allow_outbound);
        let identity = self.web_identity(channel, variant, allow_outbound);
        let instance = self
            .instance(allow_outbound, keys.is_some() || container.is_some() || identity.is_some());
        keys.map(Source::Static)
            .or(container.map(Source::Container))
            .or(identity.map(Source::WebIdentity))
            .unwrap_or(Source::Instance(instance))
    }

    fn keys(&mut self) -> Option<Credentials> {
        let id = self.set("aws_access_key_id");
        let secret = self.set("aws_secret_access_key");
        let token = self.set("aws_session_token");
        if id.is_none() && secret.is_none() && token.is_none() {
            return None;
        }
        for (name, value) in [("aws_access_key_id", &id), ("aws_secret_access_key", &secret)] {
            if value.is_none() {
                self.mistake(format!(
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
            self.header_safe(name, value.as_deref());
        }
        Some(Credentials {
            access_key_id: id.unwrap_or_default(),
            secret_access_key: Secret::new(secret.unwrap_or_default()),
            session_token: token.map(Secret::new),
        })
    }

    fn container(&mut self, allow_outbound: Option<&AllowEntry>) -> Option<Container> {
        const RELATIVE: &str = "aws_container_credentials_relative_uri";
        const FULL: &str = "aws_container_credentials_full_uri";
        let (relative, full) = (self.set(RELATIVE), self.set(FULL));
        let given = self.set("aws_container_authorization_token");
        let file = self.set("aws_container_authorization_token_file");
        self.header_safe("aws_container_authorization_token", given.as_deref());
        let token = file.map(Token::File).or(given.map(|token| Token::Given(Secret::new(token))));
        let url = match (relative, full) {
            (Some(path), _) if path.starts_with('/') && is_path(&path) => format!("{ECS}{path}"),
            (Some(path), _) => {
                self.mistake(format!(
                    "{RELATIVE} {path:?} is not the path of a URL, with its leading slash; for example \
                     /v2/credentials/0a1b2c3d"
                ));
                String::new()
            }
            (None, Some(url)) => self.full_uri(FULL, url, allow_outbound),
            (None, None) => {
                if token.is_some() {
                    self.mistake(format!(
                        "aws_container_authorization_token_file or aws_container_authorization_token is set, but neither \
                         {RELATIVE} nor {FULL}, which say where to send it"
                    ));
                }
                return None;
            }
        };
        Some(Container { url, token })
    }

    /// As AWS's SDKs have it, plain HTTP only to this machine and to ECS's and EKS's addresses.
    fn full_uri(&mut self, name: &str, url: String, allow_outbound: Option<&AllowEntry>) -> String {
        const EXAMPLE: &str = "for example http://169.254.170.23/v1/credentials";
        let parsed = url.parse::<http::Uri>().ok();
        let parts = parsed.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
        let origin = match parts {
            Some((scheme, authority)) => Origin::of_url(scheme, authority.as_str()),
            None => Err("is not a URL".to_owned()),
        };
        match origin {
            Ok(origin) if origin.may_give_credentials() => {
                self.check_reachable(&format!("{name} {}", shown(&url)), &origin, allow_outbound);
            }
            Ok(_) => self.mistake(format!(
                "{name} {} would send credentials over plain HTTP: only https is taken, and http to a loopback address, \
                 169.254.170.2, 169.254.170.23 and [fd00:ec2::23]",
                shown(&url)
            )),
            Err(why) => self.mistake(format!("{name} {} {why}; {EXAMPLE}", shown(&url))),
        }
        url
    }

    fn web_identity(
        &mut self,
        channel: Option<&Channel>,
        variant: Variant,
        allow_outbound: Option<&AllowEntry>,
    ) -> Option<WebIdentity> {
        const EXAMPLE: &str = "for example https://sts.eu-west-1.amazonaws.com";
        let (role_arn, file) = (self.set("aws_role_arn"), self.set("aws_web_identity_token_file"));
        let session_name =
            self.set("aws_role_session_name").unwrap_or_else(|| "kong-cloudtrail".to_owned());
        if !(2..=64).contains(&session_name.len())
            || !session_name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
        {
            self.mistake(format!(
                "aws_role_session_name {session_name:?} must be 2 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -"
            ));
        }
        let (Some(role_arn), Some(token_file)) = (&role_arn, &file) else {
            if role_arn.is_some() || file.is_some() {
                self.mistake(
                    "aws_role_arn and aws_web_identity_token_file belong together, and one of them is not set"
                        .to_owned(),
                );
            }
            return None;
        };
        let parts: Vec<&str> = role_arn.splitn(6, ':').collect();
        if !matches!(parts[..], ["arn", _, "iam", "", account, role]
            if account.len() == 12 && role.starts_with("role/"))
        {
            self.mistake(format!(
                "aws_role_arn {role_arn:?} is not the ARN of a role, arn:aws:iam::<account>:role/<name>"
            ));
        }
        let derived = channel.map(|channel| sts(&channel.partition, &channel.region, variant));
        let endpoint = self.endpoint("aws_endpoint_url_sts", EXAMPLE, derived, allow_outbound);
        let (role_arn, token_file) = (role_arn.clone(), token_file.clone());
        Some(WebIdentity { endpoint, role_arn, session_name, token_file })
    }

    fn instance(&mut self, allow_outbound: Option<&AllowEntry>, is_spare: bool) -> Instance {
        const EXAMPLE: &str = "for example http://169.254.169.254";
        if self.switch("aws_ec2_metadata_disabled") {
            if !is_spare {
                self.mistake(
                    "no AWS credentials are configured, and aws_ec2_metadata_disabled leaves none to be found: set \
                     aws_access_key_id and aws_secret_access_key, or aws_container_credentials_relative_uri or \
                     aws_container_credentials_full_uri, or aws_web_identity_token_file with aws_role_arn"
                        .to_owned(),
                );
            }
            return Instance { endpoint: String::new() };
        }
        let derived = Some(INSTANCE_METADATA.to_owned());
        let name = "aws_ec2_metadata_service_endpoint";
        Instance { endpoint: self.endpoint(name, EXAMPLE, derived, allow_outbound) }
    }
}

fn is_path(path: &str) -> bool {
    path.parse::<http::uri::PathAndQuery>().is_ok()
}
