//! HTTP on a listener of our own, with TLS where that is wanted, because two things must be possible
//! that `axum::serve` does not offer: a TCP connection reset for real, and a server that ends with
//! the value that owns it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use crate::tls::{Accepted, Acceptor};

/// A free port of the loopback interface.
pub const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A router being served on a thread of its own until this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `listen` (port 0 picks a free one) and serves `router` there, over TLS where there
    /// is an acceptor.
    pub fn start(listen: SocketAddr, router: Router, tls: Option<Acceptor>) -> io::Result<Self> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = StdListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name(format!("sim-{}", address.port())).spawn(
            move || {
                runtime.block_on(async move {
                    tokio::select! {
                        () = accept(listener, router, tls) => {}
                        _ = stopped => {}
                    }
                });
                // Handlers that are asleep in a delay must not hold up the owner.
                runtime.shutdown_background();
            },
        )?;
        Ok(Self { address, scheme, stop: Some(stop), thread: Some(thread) })
    }

    /// Its origin, `http://ip:port` or `https://ip:port`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: StdListener, router: Router, tls: Option<Acceptor>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, router.clone(), tls.clone()));
            }
            // Out of file descriptors, most likely: they come back as connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn converse(stream: TcpStream, router: Router, tls: Option<Acceptor>) {
    let _ = stream.set_nodelay(true);
    let connection = Connection::default();
    let wire = Wire { stream, connection: connection.clone() };
    match tls {
        None => serve(wire, router, connection).await,
        Some(tls) => match tls.accept(wire).await {
            Ok(Accepted::Plain(wire, answer)) => serve(wire, answer, connection).await,
            Ok(Accepted::Refused(stream, answer)) => serve(stream, answer, connection).await,
            Ok(Accepted::Tls(stream)) => serve(stream, router, connection).await,
            // The handshake failed, and the peer was told.
            Err(_) => {}
        },
    }
}

async fn serve<S>(stream: S, router: Router, connection: Connection)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = {
        let connection = connection.clone();
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(connection.clone());
            router.call(request.map(Body::new))
        })
    };
    let server = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        _ = server.serve_connection(TokioIo::new(stream), service) => {}
        () = connection.0.asked.notified() => {}
    }
}

/// The connection on which a request came, as an extension of the request.
#[derive(Clone, Debug, Default)]
pub struct Connection(Arc<Reset>);

#[derive(Debug, Default)]
struct Reset {
    wanted: AtomicBool,
    asked: Notify,
}

impl Connection {
    /// Resets the connection: the peer gets a TCP RST in place of whatever it waits for. Does not
    /// return, since the request's future ends with its connection.
    pub async fn reset(&self) -> ! {
        self.0.wanted.store(true, Ordering::Relaxed);
        self.0.asked.notify_one();
        std::future::pending().await
    }
}

/// A TCP stream that closes with a reset when that is wanted.
pub struct Wire {
    stream: TcpStream,
    connection: Connection,
}

impl Wire {
    /// The first byte that the peer sends, which is left to be read; none when it sends nothing.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        Ok((self.stream.peek(&mut first).await? == 1).then_some(first[0]))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.connection.0.wanted.load(Ordering::Relaxed) {
            // With no time to linger, closing sends RST in place of FIN (socket(7), SO_LINGER).
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
