//! Outbound HTTP: wasmtime's own client behind the component's allow list.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use http::Uri;
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::allowed_hosts::AllowedHosts;
use crate::variables::Variables;

/// One call's way out.
pub struct Outbound {
    component_id: String,
    entries: Arc<[String]>,
    variables: Arc<Variables>,
    /// Resolved at the first request; none when an entry is malformed, which refuses them all.
    allowed: OnceLock<Option<AllowedHosts>>,
}

type Answer = Result<
    (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>),
    Error,
>;

impl Outbound {
    pub fn new(component_id: String, entries: Arc<[String]>, variables: Arc<Variables>) -> Self {
        Self { component_id, entries, variables, allowed: OnceLock::new() }
    }

    fn allowed(&self) -> Option<&AllowedHosts> {
        self.allowed
            .get_or_init(|| {
                AllowedHosts::resolve(&self.entries, &self.variables)
                    .inspect_err(|fault| {
                        tracing::error!(
                            "allowed_outbound_hosts of component {:?} refuses every request: {fault:#}",
                            self.component_id
                        );
                    })
                    .ok()
            })
            .as_ref()
    }

    fn check(&self, uri: &Uri) -> Result<(), Error> {
        let Some(allowed) = self.allowed() else {
            return Err(Error::HttpRequestDenied);
        };
        // How a component addresses its own application.
        if uri.host().is_none_or(|host| host.is_empty() || host == "self.alt") {
            if !allowed.allows_self() {
                self.refuse("http://self");
                return Err(Error::HttpRequestDenied);
            }
            tracing::error!("the component calls its own application, which serves no HTTP here");
            return Err(Error::HttpRequestUriInvalid);
        }
        let url = Url::parse(&uri.to_string()).map_err(|fault| {
            tracing::warn!("allowed_outbound_hosts: a URL cannot be parsed: {fault}");
            Error::HttpRequestDenied
        })?;
        if !allowed.allows(&url) {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            self.refuse(&format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default()));
            return Err(Error::HttpRequestDenied);
        }
        Ok(())
    }

    fn refuse(&self, origin: &str) {
        tracing::warn!(
            "allowed_outbound_hosts: component {id:?} may not reach {origin}; to allow it, add \
             {origin:?} to allowed_outbound_hosts of [component.{id}] in the manifest",
            id = self.component_id
        );
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        body_error: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        match self.check(request.uri()) {
            Ok(()) => {
                let answer = wasmtime_wasi_http::default_hooks().send_request(request, options, body_error);
                Box::new(Pin::from(answer))
            }
            Err(error) => Box::new(std::future::ready(Err(error))),
        }
    }
}
