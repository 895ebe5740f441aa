//! A component with `wasi:http/incoming-handler`, served: a fresh instance for each request, as in Spin.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kong_cloudtrail_application::key_value::swapped::Swapped;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::app::{App, Line, engine_error};
use crate::instance::Instance;
use crate::lines::Lines;

/// What Spin answers by itself, so that a probe of the host asks nothing of the component.
const HEALTH: &str = "/.well-known/spin/health";

/// What is told of each line that the component prints.
type OnLine = Arc<dyn Fn(Line<'_>) + Send + Sync>;

struct Served {
    app: App,
    component: ProxyPre<Instance>,
    on_line: OnLine,
}

impl App {
    /// Serves what comes in on `listener`, until it is dropped; `on_line` is told of each line that the
    /// component prints.
    ///
    /// A trap is answered with 500 and told of in the log, and ends that request alone.
    pub async fn serve(
        self,
        listener: TcpListener,
        on_line: impl Fn(Line<'_>) + Send + Sync + 'static,
    ) -> Result<Infallible> {
        let component = ProxyPre::new(self.component().clone())
            .map_err(|_| anyhow!("the component exports no wasi:http/incoming-handler@0.2"))?;
        let served = Arc::new(Served { app: self, component, on_line: Arc::new(on_line) });
        loop {
            let (client, _) = listener.accept().await?;
            let served = served.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| served.clone().answer(request));
                let served = http1::Builder::new().serve_connection(TokioIo::new(client), service);
                if let Err(error) = served.await {
                    tracing::debug!("a connection ended: {error}");
                }
            });
        }
    }
}

impl Served {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<HyperOutgoingBody>, Infallible> {
        if request.uri().path() == HEALTH {
            return Ok(plain(StatusCode::OK, "OK"));
        }
        Ok(self.handle(request).await.unwrap_or_else(|error| {
            tracing::error!("a request failed: {error:#}");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "")
        }))
    }

    /// What the component answers, which it may go on to send after this has returned.
    async fn handle(&self, request: Request<Incoming>) -> Result<Response<HyperOutgoingBody>> {
        let told = self.on_line.clone();
        let stdout = Lines::new(Box::new(move |line| told(Line::Stdout(line))));
        let told = self.on_line.clone();
        let stderr = Lines::new(Box::new(move |line| told(Line::Stderr(line))));
        let mut store = self.app.store(&stdout, &stderr, Arc::new(Swapped::default()))?;
        let mut http = store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request).map_err(engine_error)?;
        let (sender, receiver) = oneshot::channel();
        let out = http.new_response_outparam(sender).map_err(engine_error)?;
        let component = self.component.clone();
        let call = tokio::spawn(async move {
            let proxy = component.instantiate_async(&mut store).await?;
            let done = proxy.wasi_http_incoming_handler().call_handle(&mut store, request, out);
            let done = done.await;
            // What it printed without a line break at the end.
            stdout.take();
            stderr.take();
            done
        });
        match receiver.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(code)) => bail!("the component answers with the error {code:?}"),
            Err(_) => match call.await? {
                Ok(()) => bail!("the component gave no answer"),
                Err(error) => bail!("the component trapped: {:#}", engine_error(error)),
            },
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<HyperOutgoingBody> {
    let body = Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {});
    let mut response = Response::new(HyperOutgoingBody::new(body));
    *response.status_mut() = status;
    response
}
