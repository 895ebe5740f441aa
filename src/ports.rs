//! What a run needs of the world: six ports, implemented by `spin` for Spin and by `testing` in memory
//! (invariant 6: the core does no I/O of its own).

use std::time::{Duration, SystemTime};

/// An HTTP request with its whole body, as every call here is.
pub type HttpRequest = http::Request<Vec<u8>>;
/// An HTTP response with its whole body.
pub type HttpResponse = http::Response<Vec<u8>>;

/// The bounds of one HTTP exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Longest time to reach the server (TCP alone).
    pub connect: Duration,
    /// Longest time until the first byte of the answer, connecting and upload included.
    pub first_byte: Duration,
    /// Longest silence within the answer's body.
    pub between_bytes: Duration,
    /// Largest answer, in bytes; a longer one is [`HttpError::TooLarge`].
    pub max_body: usize,
    /// How many bytes to keep of each end of a longer answer; with 0 it is not read to its end.
    pub keep_ends: usize,
}

/// How an answer begins and how it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Its first bytes.
    pub start: Vec<u8>,
    /// Its last bytes.
    pub end: Vec<u8>,
}

/// Why an HTTP exchange gave no whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The host's allow list refuses the address: nothing was sent.
    Denied,
    /// The request itself cannot be sent (a bad URL or header): trying again cannot help.
    Invalid(String),
    /// The server's name does not resolve: nothing was sent.
    UnknownHost,
    /// Nothing listens at that address and port: nothing was sent.
    ConnectionRefused,
    /// No connection within [`HttpLimits::connect`]: nothing was sent.
    NoConnection,
    /// The server was not reached for another reason: nothing was sent.
    NotReached(String),
    /// The connection or the answer broke off. Whether the server acted is unknown.
    Connection(String),
    /// The TLS handshake failed: nothing was sent. Spin 4.0.2 does not tell the component why.
    Tls(String),
    /// The answer is no HTTP, or the connection ended without one. That is also seen where a server of TLS
    /// 1.3 refuses the client certificate. Whether the server acted is unknown.
    NoHttp(String),
    /// Another of the time-outs of [`HttpLimits`] passed. Whether the server acted is unknown.
    Timeout(String),
    /// The answer is larger than [`HttpLimits::max_body`]: its two ends, or nothing.
    TooLarge(Ends),
}

impl HttpError {
    /// Whether the same request may succeed when it is made again.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::Denied | Self::Invalid(_))
    }

    /// Whether the server may have acted on the request all the same.
    pub(crate) fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Connection(_) | Self::NoHttp(_) | Self::Timeout(_) | Self::TooLarge(_))
    }

    /// Whether the server let a time-out pass, as one does that hangs.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::NoConnection | Self::Timeout(_))
    }
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Denied => write!(
                f,
                "the address is not in allowed_outbound_hosts of spin.toml, or another entry there is malformed"
            ),
            Self::Invalid(why) => write!(f, "the request cannot be sent ({why})"),
            Self::UnknownHost => write!(f, "its host name does not resolve"),
            Self::ConnectionRefused => {
                write!(f, "nothing listens on that port (connection refused)")
            }
            Self::NoConnection => {
                write!(f, "no connection in time; a firewall may be in between")
            }
            Self::NotReached(why) => write!(f, "the connection failed ({why})"),
            Self::Connection(why) => write!(f, "the connection broke off ({why})"),
            Self::Tls(why) => write!(f, "the TLS handshake failed ({why})"),
            Self::NoHttp(why) => {
                write!(f, "it ended the connection, or does not speak HTTP ({why})")
            }
            Self::Timeout(why) => write!(f, "it hangs ({why})"),
            Self::TooLarge(_) => write!(f, "the answer is larger than the limit"),
        }
    }
}

/// Outbound HTTP. Several exchanges may be under way at once.
pub trait Http {
    /// Sends `request` and reads the whole answer within `limits`.
    fn send(
        &self,
        request: HttpRequest,
        limits: HttpLimits,
    ) -> impl Future<Output = Result<HttpResponse, HttpError>>;
}

/// Why the key-value store did not answer as asked, in the host's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValueError(pub String);

impl std::fmt::Display for KeyValueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key-value store. Its calls block: WASI 0.2 key-value has no other form.
pub trait KeyValue {
    /// The value at `key`.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError>;
    /// Writes all pairs: together on Redis and SQLite.
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError>;
    /// Deletes `key`; an absent one is no error.
    fn delete(&self, key: &str) -> Result<(), KeyValueError>;
    /// Begins a compare-and-swap at `key`.
    fn begin_swap(&self, key: &str) -> Result<Box<dyn Swap + '_>, KeyValueError>;
    /// Writes `new` at `key` if the value there is `expected` now. Whether it was written the
    /// caller learns by reading back.
    fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), KeyValueError> {
        let begun = self.begin_swap(key)?;
        if begun.current()?.as_deref() == expected {
            begun.swap(new)?;
        }
        Ok(())
    }
    /// Whether a swap leaves a value alone that was written after the swap had looked. It is tried out at
    /// `key`. A Redis whose user may not use MULTI overwrites it, and no answer tells.
    fn swaps_atomically(&self, key: &str) -> Result<bool, KeyValueError> {
        let [before, between, after] = TRIAL;
        self.set_many(&[(key.to_owned(), before.to_vec())])?;
        let begun = self.begin_swap(key)?;
        begun.current()?;
        self.set_many(&[(key.to_owned(), between.to_vec())])?;
        // Why it failed is no matter here: what it left at the key tells.
        let _ = begun.swap(after);
        Ok(self.get(key)?.as_deref() == Some(between))
    }
}

/// What a swap that is tried out finds, what is written after it has looked, and what it would write.
const TRIAL: [&[u8]; 3] = [b"before", b"between", b"after"];

/// A compare-and-swap that has begun.
pub trait Swap {
    /// The value now, with which the swap compares.
    fn current(&self) -> Result<Option<Vec<u8>>, KeyValueError>;
    /// Writes `new` if nothing was written since [`Self::current`]. That something was written is no error,
    /// since Spin 4.0.2 on Redis says "failed" each time.
    fn swap(self: Box<Self>, new: &[u8]) -> Result<(), KeyValueError>;
}

/// Time, and waiting for it.
pub trait Clock {
    /// Milliseconds since the Unix epoch, by this host's wall clock.
    fn now_ms(&self) -> i64;
    /// Time since an arbitrary origin; never goes back.
    fn elapsed(&self) -> Duration;
    /// Resolves after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// Milliseconds since the Unix epoch, for those who give [`Clock::now_ms`] of the system's time.
pub fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Randomness for jitter and for names that must be unique.
pub trait Random {
    /// 64 random bits.
    fn u64(&self) -> u64;
}

/// Why a file was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// There is none, or its folder is not mounted.
    NotFound,
    /// It is larger than was asked for.
    TooLarge,
    /// In the host's words.
    Other(String),
}

/// Files that the host mounts, as they are now.
pub trait Files {
    /// The text of the file at `path`, of at most `max_bytes`.
    fn read(&self, path: &str, max_bytes: usize) -> Result<String, FileError>;
}

/// Standard output, a line at a time.
pub trait Log {
    /// Prints `line`, which holds no line break.
    fn line(&self, line: &str);
}

/// All six.
pub trait Ports: Http + KeyValue + Clock + Random + Files + Log {}
impl<T: Http + KeyValue + Clock + Random + Files + Log> Ports for T {}
