//! TLS before a simulator, as nginx does it, on which Kong stands, and as what may stand before Kong
//! does it: they differ in how a client certificate is refused.
//!
//! nginx takes any handshake and answers 400 to what it does not let in: a client without a
//! certificate or with one of another authority (`ssl_verify_client on`), and plain HTTP on the TLS
//! port (`ngx_http_request.c`, `ngx_http_special_response.c`). Proxies and load balancers mostly
//! refuse within the handshake (RFC 8446, section 4.4.2.4), which in TLS 1.3 is over for the client
//! by then.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::response::Html;
use http::StatusCode;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::server::Wire;

/// The content type of a TLS record that a handshake begins with.
const HANDSHAKE: u8 = 22;

/// A server's side of TLS. Everything is PEM.
#[derive(Clone)]
pub struct Tls {
    /// The server's certificate, and those between it and its authority.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// Who may come in.
    pub clients: Clients,
    /// Whether HTTP/2 is offered, as Kong's `admin_listen` does by default.
    pub http2: bool,
}

/// Who may come in.
#[derive(Clone)]
pub enum Clients {
    /// Everyone.
    All,
    /// Those with a certificate of this authority; nginx answers the others 400.
    Verified(String),
    /// The same; the others' handshake fails.
    Handshake(String),
}

/// [`Tls`], ready for connections.
#[derive(Clone)]
pub(crate) struct Acceptor {
    tls: TlsAcceptor,
    /// By whom nginx's answer is decided after the handshake.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

/// A connection, and what is answered on it where that is not the service's.
pub(crate) enum Accepted {
    Plain(Wire, Router),
    Refused(TlsStream<Wire>, Router),
    Tls(TlsStream<Wire>),
}

impl Acceptor {
    /// # Errors
    /// When something of it is no PEM, or the key is not the certificate's.
    pub(crate) fn new(tls: &Tls) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let authority = |pem: &str| {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(io::Error::other)?;
            }
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
                .build()
                .map_err(io::Error::other)
        };
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let mut verifier = None;
        let config = match &tls.clients {
            Clients::All => config.with_no_client_auth(),
            Clients::Handshake(pem) => config.with_client_cert_verifier(authority(pem)?),
            Clients::Verified(pem) => {
                let decides: Arc<dyn ClientCertVerifier> = authority(pem)?;
                verifier = Some(decides.clone());
                config.with_client_cert_verifier(Arc::new(Later(decides)))
            }
        };
        let key = PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).map_err(io::Error::other)?;
        let mut config = config
            .with_single_cert(certificates(&tls.certificate)?, key)
            .map_err(io::Error::other)?;
        let protocols: &[&[u8]] = if tls.http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        config.alpn_protocols = protocols.iter().map(|&protocol| protocol.to_vec()).collect();
        Ok(Self { tls: TlsAcceptor::from(Arc::new(config)), verifier })
    }

    pub(crate) async fn accept(&self, wire: Wire) -> io::Result<Accepted> {
        if wire.first_byte().await?.is_some_and(|byte| byte != HANDSHAKE) {
            let answer = bad_request("The plain HTTP request was sent to HTTPS port");
            return Ok(Accepted::Plain(wire, answer));
        }
        let stream = self.tls.accept(wire).await?;
        let Some(verifier) = &self.verifier else { return Ok(Accepted::Tls(stream)) };
        let (_, session) = stream.get_ref();
        let refused = match session.peer_certificates() {
            None | Some([]) => Some("No required SSL certificate was sent"),
            Some([certificate, between @ ..]) => verifier
                .verify_client_cert(certificate, between, UnixTime::now())
                .err()
                .map(|_| "The SSL certificate error"),
        };
        Ok(match refused {
            Some(why) => Accepted::Refused(stream, bad_request(why)),
            None => Accepted::Tls(stream),
        })
    }
}

fn certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}

/// nginx's page.
fn bad_request(why: &'static str) -> Router {
    Router::new().fallback(move || async move {
        let page = format!(
            "<html>\r\n<head><title>400 {why}</title></head>\r\n<body>\r\n\
             <center><h1>400 Bad Request</h1></center>\r\n<center>{why}</center>\r\n\
             <hr><center>openresty</center>\r\n</body>\r\n</html>\r\n"
        );
        (StatusCode::BAD_REQUEST, Html(page))
    })
}

/// Asks for a certificate and takes any or none: what is refused is refused after the handshake.
#[derive(Debug)]
struct Later(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Later {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
