//! Outbound HTTP behind the component's allow list: wasmtime's own client where it is plain, and
//! [`https`] by the runtime config's `[[client_tls]]` where it is not.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use http::Uri;
use http::uri::Scheme;
use kong_cloudtrail_application::Variables;
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::allowed_hosts::AllowedHosts;
use crate::client_tls::ClientTls;
use crate::https;

/// One call's way out.
pub struct Outbound {
    component_id: String,
    entries: Arc<[String]>,
    variables: Arc<Variables>,
    tls: Arc<ClientTls>,
    /// Resolved at the first request; none when an entry is malformed, which refuses them all.
    allowed: OnceLock<Option<AllowedHosts>>,
}

type Answer =
    Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl Outbound {
    pub fn new(
        component_id: String,
        entries: Arc<[String]>,
        variables: Arc<Variables>,
        tls: Arc<ClientTls>,
    ) -> Self {
        Self { component_id, entries, variables, tls, allowed: OnceLock::new() }
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
            self.refuse(&format!(
                "{}://{}{port}",
                url.scheme(),
                url.host_str().unwrap_or_default()
            ));
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
        let uri = request.uri();
        if let Err(error) = self.check(uri) {
            return Box::new(std::future::ready(Err(error)));
        }
        if uri.scheme() == Some(&Scheme::HTTPS) {
            let config = self.tls.of(uri.host().unwrap_or_default());
            return Box::new(async move {
                let response = https::send(request, options, config).await?;
                let through: Box<dyn Future<Output = _> + Send> = Box::new(async { Ok(()) });
                Ok((response, through))
            });
        }
        let answer = wasmtime_wasi_http::default_hooks().send_request(request, options, body_error);
        Box::new(Pin::from(answer))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use http_body_util::{BodyExt, Empty};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use kong_cloudtrail_application::Sources;

    /// A component that may reach `{{ origin }}` and whatever else `entries` say.
    fn outbound(origin: &str, entries: &[&str]) -> Outbound {
        let declared = BTreeMap::from([("origin".to_owned(), None)]);
        let given = BTreeMap::from([("origin".to_owned(), origin.to_owned())]);
        let sources = Sources { given, ..Sources::default() };
        let variables = Variables::new("c", &declared, &BTreeMap::new(), &sources).unwrap();
        let entries = entries.iter().map(|&entry| entry.to_owned()).collect();
        Outbound::new("c".to_owned(), entries, Arc::new(variables), Arc::default())
    }

    async fn get(outbound: &mut Outbound, url: &str) -> Answer {
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::get(url).body(body).unwrap();
        Pin::from(outbound.send_request(request, None, Box::new(async { Ok(()) }))).await
    }

    /// A server that answers one request with 204; its origin.
    async fn server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        });
        origin
    }

    #[tokio::test]
    async fn an_origin_on_the_list_is_reached() {
        let origin = server().await;
        let mut outbound = outbound(&origin, &["https://*.amazonaws.com", "{{ origin }}"]);
        let (response, _) =
            get(&mut outbound, &format!("{origin}/audit/requests?size=1")).await.unwrap();
        assert_eq!(response.status(), 204);
    }

    #[tokio::test]
    async fn an_origin_not_on_the_list_is_denied() {
        let origin = server().await;
        let mut outbound = outbound("http://127.0.0.1:1", &["{{ origin }}"]);
        assert!(matches!(get(&mut outbound, &origin).await, Err(Error::HttpRequestDenied)));
    }

    #[tokio::test]
    async fn one_bad_value_denies_every_request() {
        let origin = server().await;
        let mut outbound = outbound("http://a.example/path", &[&origin, "{{ origin }}"]);
        assert!(matches!(get(&mut outbound, &origin).await, Err(Error::HttpRequestDenied)));
    }

    #[tokio::test]
    async fn the_application_itself_answers_nothing_here() {
        let mut denied = outbound("http://a.example", &["{{ origin }}"]);
        let url = "http://self.alt/status";
        assert!(matches!(get(&mut denied, url).await, Err(Error::HttpRequestDenied)));
        let mut allowed = outbound("http://self", &["{{ origin }}"]);
        assert!(matches!(get(&mut allowed, url).await, Err(Error::HttpRequestUriInvalid)));
    }
}
