//! What asking any source has in common, and why none gave credentials.

use std::fmt;
use std::pin::Pin;

use crate::ports::{FileError, Files, Http, HttpError, HttpLimits, HttpRequest, HttpResponse};
use crate::retry::Passing;
use crate::wire::quoted;
use crate::words::Told;

/// Largest token file: a projected token has some 2 KiB.
const MAX_TOKEN: usize = 64 * 1024;

/// Why a source gave no credentials, and what to change. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    source: &'static str,
    what: String,
    remedy: String,
    may_pass: bool,
    handshake: bool,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}

impl FetchError {
    /// In words.
    pub fn told(&self) -> Told {
        let Self { source, what, remedy, .. } = self;
        Told::new(format!("no AWS credentials from {source}: {what}"), remedy.clone())
    }

    /// How to try again, where the same may succeed in a moment.
    pub(super) fn passing_by(&self) -> Option<Passing> {
        self.may_pass.then_some(Passing { handshake: self.handshake, ..Passing::default() })
    }

    /// Trying again will not help.
    pub(super) fn lasting(
        source: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { source, what: what.into(), remedy: remedy.into(), may_pass: false, handshake: false }
    }

    /// The same may succeed in a moment.
    pub(super) fn passing(
        source: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { may_pass: true, ..Self::lasting(source, what, remedy) }
    }

    /// No whole answer came from `url`.
    pub(super) fn unreachable(
        source: &'static str,
        url: &str,
        error: &HttpError,
        remedy: impl Into<String>,
    ) -> Self {
        let handshake = matches!(error, HttpError::Tls(_));
        Self {
            may_pass: error.may_pass(),
            handshake,
            ..Self::lasting(source, format!("{url} cannot be had: {error}"), remedy)
        }
    }
}

/// One exchange. Boxed, so that it is in the component once and not in each source's own code.
pub(super) fn send<'p>(
    port: &'p impl Http,
    request: HttpRequest,
    limits: HttpLimits,
) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + 'p>> {
    Box::pin(port.send(request, limits))
}

/// The token in the file that `variable` names. It is renewed in place, so it is read anew for each
/// request.
pub(super) fn token_file(
    port: &impl Files,
    source: &'static str,
    variable: &str,
    path: &str,
) -> Result<String, FetchError> {
    const MOUNT: &str = "name the token's folder in files = [...] of the component in spin.toml, and start with \
                         --direct-mounts (without it Spin copies the token only once, at its start)";
    let unreadable = |why: &dyn fmt::Display, remedy: String| {
        FetchError::passing(source, format!("the file of {variable}, {path}, {why}"), remedy)
    };
    let other = || format!("check that {variable} names the file of the token");
    let token = port.read(path, MAX_TOKEN).map_err(|error| match error {
        FileError::NotFound => unreadable(&"is not there", MOUNT.to_owned()),
        FileError::TooLarge => unreadable(&"is larger than 64 KiB", other()),
        FileError::Other(why) => {
            unreadable(&format_args!("cannot be read: {why}"), MOUNT.to_owned())
        }
    })?;
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let why = "holds no token: it is empty, or has blanks or line breaks in it";
        return Err(unreadable(&why, other()));
    }
    Ok(token.to_owned())
}

/// What a service said, as far as it may be printed: not what holds a secret that was sent to it.
pub(super) fn said(code: &str, message: &str, sent: &str) -> String {
    let words: Vec<_> = [code, message].into_iter().filter(|words| !words.is_empty()).collect();
    match words.join(": ") {
        words if words.is_empty() => words,
        words => format!(" ({})", quoted(&words, sent)),
    }
}
