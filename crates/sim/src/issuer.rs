//! Temporary credentials that tell themselves: whoever has the issuer's key can check them, so the
//! endpoints that hand them out and CloudTrail agree without a word, also as processes of their own.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::cloudtrail::Credentials;

/// Who issues temporary credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    key: Vec<u8>,
}

/// Credentials that end.
#[derive(Clone, PartialEq, Eq)]
pub struct Temporary {
    /// The keys and the token.
    pub credentials: Credentials,
    /// When they end, in Unix seconds.
    pub expires: i64,
}

impl Issuer {
    /// An issuer of that name; two of one name issue the same.
    pub fn new(name: &str) -> Self {
        Self { key: Sha256::digest(name).to_vec() }
    }

    /// The `number`th credentials, valid until `expires`.
    pub fn issue(&self, number: u64, expires: i64) -> Temporary {
        let named = hex::encode_upper(self.mac(&["id", &number.to_string()]));
        let access_key_id = format!("ASIA{}", &named[..16]);
        let token = self.token(&access_key_id, expires);
        let secret_access_key = self.secret(&token);
        let session_token = Some(token);
        Temporary {
            credentials: Credentials { access_key_id, secret_access_key, session_token },
            expires,
        }
    }

    /// The credentials whose token this is; none of another issuer's, or of a token that was
    /// changed.
    pub fn recognize(&self, session_token: &str) -> Option<Temporary> {
        let payload = BASE64_STANDARD.decode(session_token).ok()?;
        let payload = String::from_utf8(payload).ok()?;
        let [access_key_id, expires, _] =
            <[&str; 3]>::try_from(payload.split(' ').collect::<Vec<_>>()).ok()?;
        let expires = expires.parse().ok()?;
        if self.token(access_key_id, expires) != session_token {
            return None;
        }
        let credentials = Credentials {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: self.secret(session_token),
            session_token: Some(session_token.to_owned()),
        };
        Some(Temporary { credentials, expires })
    }

    /// As long as AWS's are.
    fn token(&self, access_key_id: &str, expires: i64) -> String {
        let mac = hex::encode(self.mac(&["token", access_key_id, &expires.to_string()]));
        let seal = mac.repeat(8);
        BASE64_STANDARD.encode(format!("{access_key_id} {expires} {seal}"))
    }

    fn secret(&self, token: &str) -> String {
        BASE64_STANDARD.encode(self.mac(&["secret", token]))[..40].to_owned()
    }

    fn mac(&self, parts: &[&str]) -> Vec<u8> {
        // A key of any length will do: longer ones are hashed, shorter ones filled up.
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(parts.join("\0").as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_token_tells_its_credentials_to_its_issuer_alone() {
        let issuer = Issuer::new("one");
        let first = issuer.issue(7, 1000);
        let token = first.credentials.session_token.clone().unwrap();
        assert!(issuer.recognize(&token) == Some(first));
        assert!(Issuer::new("another").recognize(&token).is_none());
        let longer = BASE64_STANDARD.decode(&token).unwrap();
        let longer = String::from_utf8(longer).unwrap().replace(" 1000 ", " 9999 ");
        assert!(issuer.recognize(&BASE64_STANDARD.encode(longer)).is_none());
        assert!(issuer.issue(8, 1000) != issuer.issue(7, 1000));
    }
}
