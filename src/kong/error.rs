//! What can be wrong with Kong's answers, and what to do about each.

use std::fmt;

use crate::ports::HttpError;
use crate::retry::status_may_pass;
use crate::wire::tls_remedy;

/// Why Kong's audit log could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KongError {
    /// No whole answer.
    Http(HttpError),
    /// 401 or 403.
    TokenRefused {
        /// The status.
        status: u16,
        /// The path that was refused.
        path: String,
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
    /// Another status.
    Status {
        /// The status.
        status: u16,
        /// The path.
        path: String,
    },
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
    KongError::Malformed { path: path.to_owned(), why }
}

impl KongError {
    /// Whether an offset that Kong does not know may be the cause. Not where a proxy before Kong says that
    /// Kong is away or busy, by a status of its own.
    pub(crate) fn may_be_the_offset(&self) -> bool {
        match self {
            Self::Status { status, .. } => !matches!(status, 429 | 502..=504),
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
}

impl fmt::Display for KongError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write_http(error, f),
            Self::Status { status, path } => write_status(*status, path, f),
            Self::ClientCertificate { why } => write!(
                f,
                "Kong asks for a client certificate and answered 400 ({why}): set client_cert_file and \
                 client_private_key_file in the [[client_tls]] of the runtime config whose hosts has the host of \
                 kong_admin_api, to a certificate of an authority that Kong accepts \
                 (nginx_admin_ssl_client_certificate) and that is valid now"
            ),
            Self::SpeaksTls => write!(
                f,
                "Kong's Admin API speaks TLS there: write https:// in kong_admin_api, or give the port of its plain HTTP"
            ),
            Self::TokenRefused { status, path } => write!(
                f,
                "Kong answered {status} on {path}: kong_admin_token is missing, wrong or may not read it; its RBAC user \
                 needs the read action on the endpoints /, /audit/requests and /audit/objects"
            ),
            Self::NotEnterprise { version } => write!(
                f,
                "Kong {version} is not Kong Gateway Enterprise, which alone keeps an audit log: check that kong_admin_api \
                 is the control plane, and its licence"
            ),
            Self::AuditLogOff => write!(
                f,
                "Kong keeps no audit log: set audit_log = on in kong.conf (KONG_AUDIT_LOG=on) on the control plane and \
                 restart it"
            ),
            Self::NoDatabase { setting } => write!(
                f,
                "this Kong has no database ({setting}), and so no audit log: give the Admin API of the control plane in \
                 kong_admin_api"
            ),
            Self::NoAuditLog { path } => write!(
                f,
                "Kong answered 404 on {path}: it keeps no audit log (set audit_log = on in kong.conf on the control plane \
                 and check its Enterprise licence), or kong_admin_path is wrong"
            ),
            Self::Malformed { path, why } => write!(
                f,
                "what answered on {path} is not Kong's Admin API: {why}; check kong_admin_api and kong_admin_path (Kong \
                 Manager, a login page or a proxy may answer there)"
            ),
            Self::FilterIgnored => write!(f, "Kong ignored the time filters before and after"),
            Self::Circle { path, offset } => write!(
                f,
                "the pages of {path} lead in a circle: the one behind the offset {offset:.200} brings nothing new; check \
                 that no proxy before Kong's Admin API keeps answers or drops the query"
            ),
            Self::ManyFail { places, last } => write!(
                f,
                "rows of {places} seconds cannot be read, and more fail, so the stream is not read on in this run: {last}"
            ),
        }
    }
}

fn write_http(error: &HttpError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let HttpError::TooLarge(_) = error {
        return write!(
            f,
            "an answer of Kong's Admin API is larger than this version reads: 16 MiB for a page of several entries, 48 MiB \
             for a single one"
        );
    }
    write!(f, "Kong's Admin API cannot be reached: {error}; ")?;
    match tls_remedy(error, "kong_admin_api") {
        Some(remedy) => write!(f, "{remedy}"),
        None => write!(f, "check kong_admin_api, and the network path to it"),
    }
}

fn write_status(status: u16, path: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match status {
        404 => write!(
            f,
            "no Admin API answers there: 404 on {path}; check kong_admin_api, and kong_admin_path when the Admin API sits \
             behind a path prefix"
        ),
        300..=399 => write!(
            f,
            "Kong answered {status} on {path}, a redirection: give the address that it leads to in kong_admin_api (https \
             instead of http, or another port)"
        ),
        _ => write!(
            f,
            "Kong answered {status} on {path}; its error log on the control plane says why"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_may_be_at_fault_where_an_answer_came_and_is_none() {
        let status = |status| KongError::Status { status, path: String::new() };
        let words = String::new;
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
            status(302),
            status(400),
            status(426),
            status(429),
            status(503),
            KongError::TokenRefused { status: 403, path: words() },
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
