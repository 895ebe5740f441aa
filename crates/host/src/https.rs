//! HTTPS as Spin 4.0.2 makes it: HTTP/2 where the server offers it, else HTTP/1.1.
//!
//! Spin tells the component of a failed handshake that it failed, never why, and of a connection
//! that ends after it, as when a server of TLS 1.3 refuses the client certificate, no more than that
//! what came was no HTTP. The reason is in the host's log alone; so it is here.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// WASI's time-out where the component sets none.
const LONGEST: Duration = Duration::from_mins(10);

/// Sends `request` on a connection of its own.
pub async fn send(
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
    config: Arc<ClientConfig>,
) -> Result<http::Response<WasiBody>, Error> {
    let (connect, first_byte, between_bytes) = options.map_or((None, None, None), |options| {
        (options.connect_timeout, options.first_byte_timeout, options.between_bytes_timeout)
    });
    let connector = Connector { config, limit: connect.unwrap_or(LONGEST) };
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    let response = timeout(first_byte.unwrap_or(LONGEST), client.request(request))
        .await
        .map_err(|_| Error::ConnectionReadTimeout)?
        .map_err(|error| request_error(&error))?;
    let limit = between_bytes.unwrap_or(LONGEST);
    Ok(response.map(|body| Timed { body, limit, silence: Box::pin(sleep(limit)) }.boxed_unsync()))
}

fn request_error(error: &legacy::Error) -> Error {
    match error.source().and_then(|cause| cause.downcast_ref::<Unconnected>()) {
        Some(Unconnected::Timeout) => Error::ConnectionTimeout,
        Some(Unconnected::Refused) => Error::ConnectionRefused,
        Some(Unconnected::Handshake) => Error::TlsProtocolError,
        Some(Unconnected::Name(why)) => {
            Error::DnsError { rcode: Some((*why).to_owned()), info_code: Some(0) }
        }
        None => {
            tracing::warn!("an HTTPS request failed: {}", reasons(error));
            Error::HttpProtocolError
        }
    }
}

/// An error and what is behind it, in their own words.
fn reasons(error: &dyn std::error::Error) -> String {
    let (mut text, mut behind) = (error.to_string(), error.source());
    while let Some(error) = behind {
        text = format!("{text}: {error}");
        behind = error.source();
    }
    text
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum Unconnected {
    #[error("{0}")]
    Name(&'static str),
    #[error("timed out")]
    Timeout,
    #[error("refused")]
    Refused,
    #[error("the TLS handshake failed")]
    Handshake,
}

#[derive(Clone)]
struct Connector {
    config: Arc<ClientConfig>,
    limit: Duration,
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<TlsConnection, Unconnected> {
        const NO_ADDRESS: Unconnected = Unconnected::Name("address not available");
        let authority = uri.authority().ok_or(NO_ADDRESS)?;
        let address = match authority.port() {
            Some(_) => authority.as_str().to_owned(),
            None => format!("{authority}:443"),
        };
        let addresses: Vec<_> =
            tokio::net::lookup_host(&address).await.map_err(|_| NO_ADDRESS)?.collect();
        let stream = timeout(self.limit, TcpStream::connect(&*addresses))
            .await
            .map_err(|_| Unconnected::Timeout)?
            .map_err(|error| match error.kind() {
                io::ErrorKind::AddrNotAvailable => NO_ADDRESS,
                _ => Unconnected::Refused,
            })?;

        let mut config = (*self.config).clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // As with Spin, an IPv6 address in brackets is no name.
        let name = ServerName::try_from(authority.host().to_owned())
            .map_err(|_| Unconnected::Name("invalid dns name"))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        stream.map(TlsConnection).map_err(|error| {
            tracing::warn!("TLS with {address}: {error}");
            Unconnected::Handshake
        })
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsConnection>;
    type Error = Unconnected;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unconnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unconnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(uri).await.map(TokioIo::new) })
    }
}

struct TlsConnection(TlsStream<TcpStream>);

impl Connection for TlsConnection {
    fn connected(&self) -> Connected {
        let (_, session) = self.0.get_ref();
        if session.alpn_protocol() == Some(b"h2") {
            Connected::new().negotiated_h2()
        } else {
            Connected::new()
        }
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A body whose pieces may not be further apart than `limit`.
struct Timed {
    body: Incoming,
    limit: Duration,
    silence: Pin<Box<Sleep>>,
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let deadline = Instant::now() + self.limit;
            self.silence.as_mut().reset(deadline);
            return Poll::Ready(frame.map(|frame| {
                frame.map_err(|error| {
                    tracing::warn!("an HTTPS answer broke off: {}", reasons(&error));
                    Error::HttpProtocolError
                })
            }));
        }
        ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
