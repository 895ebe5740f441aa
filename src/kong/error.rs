//! What can be wrong with Kong's answers, and what to do about each.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::ports::{HttpError, HttpResponse};
use crate::retry::status_may_pass;
use crate::wire::{leads_to, quoted, tls_remedy};
use crate::words::{Told, shown};

/// Why Kong's audit log could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KongError {
    /// No whole answer.
    Http(HttpError),
    /// A status that is no success.
    Status {
        /// The status.
        status: u16,
        /// The path.
        path: String,
        /// Kong's own words, as they may be printed; empty where there were none.
        said: String,
    },
    /// A redirection.
    Redirected {
        /// The status.
        status: u16,
        /// The path.
        path: String,
        /// Where it leads, as it may be printed.
        to: String,
    },
    /// A status that may pass, after a wait for which the run has no time.
    LongWait {
        /// The answer.
        answer: String,
        /// The wait, in seconds.
        secs: u64,
    },
    /// An answer that is compressed though nobody asked for that.
    Encoded {
        /// The path.
        path: String,
        /// How.
        encoding: String,
    },
    /// Kong's version is not one of Kong Gateway Enterprise.
    NotEnterprise {
        /// That version.
        version: String,
    },
    /// `GET /` shows `audit_log` off.
    AuditLogOff,
    /// `GET /` shows a node that has no database, and so no audit log.
    NoDatabase {
        /// The setting that says so, as `name = value`.
        setting: String,
    },
    /// 404 on an audit path.
    NoAuditLog {
        /// That path.
        path: String,
    },
    /// 400 by the nginx below Kong: no client certificate, or one that it does not accept.
    ClientCertificate {
        /// nginx's words.
        why: &'static str,
    },
    /// 400, because plain HTTP came to a port that speaks TLS.
    SpeaksTls,
    /// An answer that is not what Kong sends: no JSON, cut off, without `data`.
    Malformed {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Entries came back that the filters cannot have let through, from outside the window or without a
    /// time: this Kong ignores them.
    FilterIgnored,
    /// Pages that lead on for ever and bring nothing new.
    Circle {
        /// The path.
        path: String,
        /// The last offset.
        offset: String,
    },
    /// Too many seconds of a stream hold rows that cannot be read.
    ManyFail {
        /// How many.
        places: usize,
        /// Kong's error in the last one.
        last: Box<KongError>,
    },
}

/// An answer on `path` that is not what Kong sends.
pub(super) fn malformed(path: &str, why: String) -> KongError {
    KongError::Malformed { path: without_query(path), why }
}

/// What an answer on `path` says that is no success. `token` is not repeated.
pub(super) fn refused(path: &str, response: &HttpResponse, token: &str) -> Option<KongError> {
    let path = without_query(path);
    Some(match response.status().as_u16() {
        200 => return None,
        404 if path.starts_with("/audit/") => KongError::NoAuditLog { path },
        status @ 300..=399 => KongError::Redirected { status, path, to: leads_to(response) },
        status => match nginx_error(response.body()).filter(|_| status == 400) {
            Some(error) => error,
            None => KongError::Status { status, path, said: said(response.body(), token) },
        },
    })
}

fn without_query(path: &str) -> String {
    path.split('?').next().unwrap_or_default().to_owned()
}

/// Kong's own words in a refusal.
fn said(body: &[u8], token: &str) -> String {
    #[derive(Deserialize)]
    struct Body {
        #[serde(alias = "error")]
        message: String,
    }
    let body: Option<Body> = serde_json::from_slice(body).ok();
    body.map_or_else(String::new, |body| quoted(&body.message, token))
}

/// What nginx says in a 400 of its own, before Kong sees the request.
fn nginx_error(page: &[u8]) -> Option<KongError> {
    let page = String::from_utf8_lossy(page);
    if page.contains("plain HTTP request was sent to HTTPS port") {
        return Some(KongError::SpeaksTls);
    }
    ["No required SSL certificate was sent", "The SSL certificate error"]
        .into_iter()
        .find(|why| page.contains(why))
        .map(|why| KongError::ClientCertificate { why })
}

impl KongError {
    /// Whether an offset that Kong does not know may be the cause. Not where a proxy before Kong says that
    /// Kong is away or busy, by a status of its own.
    pub(crate) fn may_be_the_offset(&self) -> bool {
        match self {
            Self::Status { status, .. } => !matches!(status, 401 | 403 | 426 | 429 | 502..=504),
            Self::Malformed { .. } => true,
            _ => false,
        }
    }

    /// Whether a row on the page, or the size of the page, may be the cause: the answer is none or not whole, or
    /// the connection ended in its stead. A Kong that is busy, away or refuses the caller is no matter of rows.
    pub(crate) fn may_be_a_row(&self) -> bool {
        matches!(
            self,
            Self::Status { status: 500 | 502 | 504, .. }
                | Self::Malformed { .. }
                | Self::Http(HttpError::Connection(_) | HttpError::NoHttp(_))
        )
    }

    /// Whether Kong asks for a licence.
    pub(crate) fn is_of_licence(&self) -> bool {
        matches!(self, Self::Status { status, said, .. } if says_licence(*status, said))
    }

    /// Whether Kong refuses the caller.
    pub(crate) fn is_of_token(&self) -> bool {
        matches!(self, Self::Status { status: 401 | 403, .. }) && !self.is_of_licence()
    }

    /// Whether the same request may succeed when it is made again.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            // A smaller page is asked for instead.
            Self::Http(HttpError::TooLarge(_)) => false,
            Self::Http(error) => error.may_pass(),
            Self::Status { status, .. } => status_may_pass(*status),
            Self::Malformed { .. } => true,
            _ => false,
        }
    }

    /// The same, where it asks for a wait that the run has no time for.
    pub(super) fn asks_to_wait(self, asked: Duration) -> Self {
        Self::LongWait { answer: self.told().cause, secs: asked.as_secs() }
    }

    /// In words.
    pub fn told(&self) -> Told {
        match self {
            Self::Http(error) => told_of_http(error),
            Self::Status { status, path, said } => {
                let words = if said.is_empty() { String::new() } else { format!(" ({said})") };
                Told::new(
                    format!("Kong answered {status} on {path}{words}"),
                    remedy_of_status(*status, path, said),
                )
            }
            Self::Redirected { status, path, to } => Told::new(
                format!("Kong answered {status} on {path}, a redirection to {}", named(to)),
                "give in kong_admin_api the address at which the Admin API itself answers; where that is a login page, a \
                 proxy before Kong asks for a login: have it let this machine pass; where the address begins with https, \
                 write https:// in kong_admin_api",
            ),
            Self::LongWait { answer, secs } => Told::new(
                format!(
                    "{answer}, and asks for a wait of {secs} s, which is longer than this run has"
                ),
                "the next run tries again; if it comes back, raise the rate limit for this machine in Kong or in the \
                 proxy before it, or interval_secs in spin.toml",
            ),
            Self::Encoded { path, encoding } => Told::new(
                format!(
                    "the answer on {path} came encoded ({encoding}), though none was asked for"
                ),
                "have the proxy before Kong leave the Admin API's answers as they are (in nginx: gzip off), or give \
                 Kong's own address in kong_admin_api",
            ),
            Self::Malformed { path, why } => Told::new(
                format!("what answered on {path} is not Kong's Admin API: {}", shown(why)),
                "check kong_admin_api and kong_admin_path (Kong Manager, a login page or a proxy may answer there)",
            ),
            Self::FilterIgnored => Told::new("Kong ignored the time filters before and after", ""),
            Self::Circle { path, offset } => Told::new(
                format!(
                    "the pages of {path} repeat: the page at offset {} has no new entry",
                    shown(offset)
                ),
                "check that no proxy before Kong's Admin API caches answers or removes the query",
            ),
            Self::ManyFail { places, last } => {
                let last = last.told();
                let cause = format!(
                    "rows of more than {places} different seconds cannot be read, so this run stops reading the stream; the \
                     last answer: {}",
                    last.cause
                );
                Told::new(
                    cause,
                    format!(
                        "more than single rows is wrong, such as Kong's database or a limit of a proxy; {}",
                        last.remedy
                    ),
                )
            }
            _ => self.told_of_node(),
        }
    }

    /// What is wrong with the node that answers.
    fn told_of_node(&self) -> Told {
        match self {
            Self::ClientCertificate { why } => Told::new(
                format!("Kong asks for a client certificate, and answered 400 ({why})"),
                "give a valid client certificate that Kong trusts (nginx_admin_ssl_client_certificate): set client_cert_file \
                 and client_private_key_file in the [[client_tls]] section (runtime config) whose hosts list names the host \
                 of kong_admin_api",
            ),
            Self::SpeaksTls => Told::new(
                "Kong's Admin API speaks TLS there, and was asked in plain HTTP",
                "write https:// in kong_admin_api, or give the port of its plain HTTP",
            ),
            Self::NotEnterprise { version } => Told::new(
                format!(
                    "Kong {} is not Kong Gateway Enterprise, which alone keeps an audit log",
                    shown(version)
                ),
                "check that kong_admin_api is the control plane, and its licence",
            ),
            Self::NoDatabase { setting } => Told::new(
                format!("this Kong has no database ({setting}), and so no audit log"),
                "give the Admin API of the control plane in kong_admin_api",
            ),
            Self::NoAuditLog { path } => Told::new(
                format!(
                    "Kong answered 404 on {path}: Kong keeps no audit log, or kong_admin_api is not its Admin API"
                ),
                "set audit_log = on in kong.conf on the control plane and check its Enterprise licence; check \
                 kong_admin_path where a path prefix is set",
            ),
            _ => Told::new(
                "Kong keeps no audit log",
                "set audit_log = on in kong.conf (KONG_AUDIT_LOG=on) on the control plane and restart it",
            ),
        }
    }
}

impl fmt::Display for KongError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}

fn named(address: &str) -> &str {
    if address.is_empty() { "an address that it does not name" } else { address }
}

fn told_of_http(error: &HttpError) -> Told {
    let cause = format!("Kong's Admin API cannot be reached: {error}");
    if let Some(remedy) = tls_remedy(error, "kong_admin_api") {
        return Told::new(cause, remedy.to_string());
    }
    let remedy = match error {
        HttpError::TooLarge(_) => {
            return Told::new(
                "an answer of Kong's Admin API is larger than this version reads (48 MiB for a page of one entry, else \
                 16 MiB)",
                "check kong_admin_api and kong_admin_path (something else may answer there); if it is an entry of Kong's, \
                 save a copy of the row from Kong's database: it cannot be shipped",
            );
        }
        HttpError::UnknownHost => {
            "check the host in kong_admin_api, and that the name resolves where this runs"
        }
        HttpError::ConnectionRefused => {
            "check the port in kong_admin_api, and that Kong runs and listens there (admin_listen in kong.conf)"
        }
        HttpError::NoConnection => {
            "check the address in kong_admin_api, and the firewalls and security groups on the way"
        }
        HttpError::Timeout(_) => {
            "look at the load of Kong and of its database, and at a proxy before it"
        }
        HttpError::Denied => "check kong_admin_api and allow_outbound",
        _ => "check kong_admin_api, and the network path to it",
    };
    Told::new(cause, remedy)
}

fn says_licence(status: u16, said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    matches!(status, 402 | 403) && (said.contains("license") || said.contains("licence"))
}

/// What to do about a status, by Kong's own words where they tell more.
fn remedy_of_status(status: u16, path: &str, said: &str) -> &'static str {
    let said = said.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match status {
        _ if says_licence(status, &said) => {
            "Kong's Enterprise licence is missing or has run out, and the token is not at fault; install a valid licence on the \
             control plane (POST /licenses, or KONG_LICENSE_DATA) and restart it"
        }
        401 => {
            "kong_admin_token is missing or wrong; set it to the token of a Kong RBAC user that may read /, /audit/requests and \
             /audit/objects, and kong_admin_token_header to what rbac_auth_header says in kong.conf"
        }
        403 => {
            "the RBAC user of kong_admin_token may not read this path; give the user the read action on the endpoints /, \
             /audit/requests and /audit/objects"
        }
        426 => {
            "Kong takes HTTPS alone there; write https:// in kong_admin_api, with the port of Kong's HTTPS (8444 by default)"
        }
        400 if says(&["offset"]) => {
            "Kong does not accept the offset of a page; the next run starts from the first page; if it comes back, look for a \
             proxy that changes the query"
        }
        400 if says(&["size"]) => "page_size is above what this Kong allows; lower it",
        400 if says(&["before", "after", "date", "timestamp", "time"]) => {
            "Kong takes times in neither form that this version knows; report it, with the version of Kong"
        }
        404 => {
            "no Admin API answers there; check kong_admin_api, and kong_admin_path when the Admin API sits behind a path prefix"
        }
        407 => "a proxy on the way asks for a login; have it let this machine pass",
        429 => {
            "Kong is asked too often; raise the rate limit for this machine in Kong or in the proxy before it, or interval_secs in \
             spin.toml"
        }
        502..=504 => {
            "Kong may be down behind a proxy or load balancer; look at whether it runs, and at its error log on the control plane"
        }
        500.. if path != "/" => {
            "Kong itself failed, as when its database is away or its migrations are not finished; its error log on the control \
             plane says why"
        }
        _ => {
            "look into the error log of Kong on the control plane, and into that of a proxy before it"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::answer;

    fn of(status: u16, body: &str) -> KongError {
        refused("/audit/requests?size=1", &answer(status, body), "the-token-of-kong").unwrap()
    }

    #[test]
    fn kongs_own_words_are_told_with_the_remedy_for_them() {
        for (status, said, remedy) in [
            (403, "Enterprise license missing or expired", "licence"),
            (401, "Invalid RBAC credentials", "kong_admin_token"),
            (403, "reader, you do not have permissions to read this resource", "read action"),
            (426, "Please use HTTPS protocol", "https://"),
            (400, "size must be an integer between 1 and 1000", "page_size"),
            (400, "'x' is not a valid offset: bad base64 encoding", "offset of a page"),
            (400, "before must be a RFC 3339 date", "version of Kong"),
            (429, "API rate limit exceeded", "rate limit"),
            (500, "An unexpected error occurred", "migrations"),
            (503, "", "load balancer"),
        ] {
            let body = serde_json::json!({ "message": said }).to_string();
            let told = of(status, &body).told();
            let cause = format!("Kong answered {status} on /audit/requests");
            assert!(told.cause.starts_with(&cause) && told.cause.contains(said), "{told}");
            assert!(told.remedy.contains(remedy), "{told}");
            assert_eq!(told.remedy.contains("kong_admin_token is"), status == 401, "{told}");
        }
    }

    #[test]
    fn what_holds_the_token_is_not_repeated_and_what_is_no_json_neither() {
        let told = of(401, r#"{"message":"no user for the-token-of-kong"}"#).to_string();
        assert!(!told.contains("the-token-of-kong"), "{told}");
        assert!(!of(502, "<html>secret</html>").to_string().contains("secret"));
    }

    #[test]
    fn a_redirection_names_where_it_leads() {
        let mut response = answer(302, "");
        let location = "https://login.example/authorize?state=secret";
        response.headers_mut().insert("location", location.parse().unwrap());
        let told = refused("/", &response, "").unwrap().to_string();
        assert!(told.contains("to https://login.example/authorize: "), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }

    #[test]
    fn a_400_of_nginx_is_told_from_one_of_kong() {
        let page = |why: &str| of(400, &format!("<html><head><title>400 {why}</title></head>"));
        assert_eq!(page("The plain HTTP request was sent to HTTPS port"), KongError::SpeaksTls);
        for why in ["No required SSL certificate was sent", "The SSL certificate error"] {
            assert_eq!(page(why), KongError::ClientCertificate { why });
            assert!(!page(why).may_pass());
        }
        assert!(matches!(of(400, r#"{"message":"bad"}"#), KongError::Status { status: 400, .. }));
    }

    #[test]
    fn a_row_may_be_at_fault_where_an_answer_came_and_is_none() {
        let words = String::new;
        let status = |status| KongError::Status { status, path: words(), said: words() };
        for error in [
            status(500),
            status(502),
            status(504),
            malformed("", words()),
            KongError::Http(HttpError::Connection(words())),
            KongError::Http(HttpError::NoHttp(words())),
        ] {
            assert!(error.may_be_a_row() && error.may_pass(), "{error:?}");
        }
        for error in [
            KongError::Redirected { status: 302, path: words(), to: words() },
            status(400),
            status(426),
            status(429),
            status(503),
            status(403),
            KongError::NoAuditLog { path: words() },
            KongError::Http(HttpError::NotReached(words())),
            KongError::Http(HttpError::Timeout(words())),
            KongError::Http(HttpError::Tls(words())),
            KongError::Http(HttpError::Denied),
            KongError::FilterIgnored,
            KongError::Circle { path: words(), offset: words() },
        ] {
            assert!(!error.may_be_a_row(), "{error:?}");
        }
    }
}
