//! `[[client_tls]]` of the runtime config by the rules of Spin 4.0.2: whom to trust on which host,
//! and as whom to appear there.
//!
//! The first section that names the component and the host applies. `hosts` are matched exactly,
//! as text, without port. Without a section the system's authorities count and those of the public
//! web; with one, those that it names: `ca_roots_file` alone, unless a `ca_use_*` adds to it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, anyhow, bail, ensure};
use http::uri::Authority;
use kong_cloudtrail_application::{RuntimeConfig, name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    component_ids: Vec<String>,
    hosts: Vec<String>,
    ca_use_platform_roots: Option<bool>,
    ca_use_webpki_roots: Option<bool>,
    ca_roots_file: Option<PathBuf>,
    client_cert_file: Option<PathBuf>,
    client_private_key_file: Option<PathBuf>,
}

/// One component's TLS, host by host.
#[derive(Default)]
pub struct ClientTls {
    by_host: HashMap<String, Arc<ClientConfig>>,
    elsewhere: OnceLock<Arc<ClientConfig>>,
}

impl ClientTls {
    /// What the runtime config says for the component.
    pub fn configured(config: &RuntimeConfig, component_id: &str) -> Result<Self> {
        match config.client_tls()? {
            Some(sections) => Self::read(sections.clone(), config.folder(), component_id)
                .context("the runtime config is refused"),
            None => Ok(Self::default()),
        }
    }

    /// What `sections` say for the component; files are below `folder`. Sections of other
    /// components must be sound too, as with Spin.
    fn read(sections: toml::Value, folder: &Path, component_id: &str) -> Result<Self> {
        let toml::Value::Array(sections) = sections else {
            bail!("[client_tls] must be written [[client_tls]]: there may be several");
        };
        let mut by_host = HashMap::new();
        for (number, section) in (1..).zip(sections) {
            let place = || format!("[[client_tls]], section {number}");
            let section: Section = section
                .try_into()
                .map_err(|error: toml::de::Error| anyhow!("{}", error.message()))
                .with_context(place)?;
            section.check().with_context(place)?;
            let config = Arc::new(section.config(folder).with_context(place)?);
            if section.component_ids.iter().any(|id| id == component_id) {
                for host in section.hosts {
                    by_host.entry(host).or_insert_with(|| config.clone());
                }
            }
        }
        Ok(Self { by_host, elsewhere: OnceLock::new() })
    }

    /// What applies to `host`.
    pub fn of(&self, host: &str) -> Arc<ClientConfig> {
        let config = self.by_host.get(host).unwrap_or_else(|| {
            self.elsewhere.get_or_init(|| {
                let mut roots = public_roots();
                roots.add_parsable_certificates(platform_roots());
                Arc::new(
                    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth(),
                )
            })
        });
        config.clone()
    }
}

impl Section {
    fn check(&self) -> Result<()> {
        ensure!(!self.component_ids.is_empty(), "component_ids may not be empty");
        for id in &self.component_ids {
            name::kebab(id).with_context(|| format!("component_ids: {id:?}"))?;
        }
        ensure!(!self.hosts.is_empty(), "hosts may not be empty");
        for host in &self.hosts {
            let authority: Authority =
                host.parse().ok().with_context(|| format!("hosts: {host:?} is no host"))?;
            ensure!(authority.port().is_none(), "hosts: {host:?} may not have a port");
        }
        Ok(())
    }

    fn config(&self, folder: &Path) -> Result<ClientConfig> {
        let builder = ClientConfig::builder().with_root_certificates(self.roots(folder)?);
        let identity = match (&self.client_cert_file, &self.client_private_key_file) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(builder.with_no_client_auth()),
            (Some(_), None) => bail!("client_cert_file needs client_private_key_file beside it"),
            (None, Some(_)) => bail!("client_private_key_file needs client_cert_file beside it"),
        };
        let chain = certificates("client_cert_file", &folder.join(identity.0))?;
        let path = folder.join(identity.1);
        // The file is a key, so the reader's own message is shown only when the file cannot be read.
        let text = std::fs::read(&path)
            .with_context(|| format!("client_private_key_file: cannot read {}", path.display()))?;
        let key = PrivateKeyDer::from_pem_slice(&text).ok().with_context(|| {
            format!("client_private_key_file: {} holds no private key in PEM", path.display())
        })?;
        builder.with_client_auth_cert(chain, key).map_err(|error| {
            anyhow!(
                "client_private_key_file: {} does not go with client_cert_file: {error}",
                path.display()
            )
        })
    }

    fn roots(&self, folder: &Path) -> Result<RootCertStore> {
        let (platform, public) = match (self.ca_use_platform_roots, self.ca_use_webpki_roots) {
            (None, None) => (self.ca_roots_file.is_none(), false),
            (platform, public) => (platform.unwrap_or(false), public.unwrap_or(false)),
        };
        let mut roots = if public { public_roots() } else { RootCertStore::empty() };
        if platform {
            roots.add_parsable_certificates(platform_roots());
        }
        if let Some(file) = &self.ca_roots_file {
            let path = folder.join(file);
            for certificate in certificates("ca_roots_file", &path)? {
                roots.add(certificate).with_context(|| {
                    format!("ca_roots_file: {} holds a certificate that is none", path.display())
                })?;
            }
        }
        ensure!(
            !roots.is_empty(),
            "no authority is trusted: set ca_roots_file, ca_use_platform_roots or ca_use_webpki_roots"
        );
        Ok(roots)
    }
}

fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// The system's, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR` where these are set.
fn platform_roots() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!("the system's certificate authorities: {error}");
    }
    found.certs
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text =
        std::fs::read(path).with_context(|| format!("{key}: cannot read {}", path.display()))?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| anyhow!("{key}: {} is no PEM: {error}", path.display()))?;
    ensure!(!certificates.is_empty(), "{key}: {} holds no certificate in PEM", path.display());
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    const SECTION: &str = "[[client_tls]]\ncomponent_ids = ['c']\nhosts = ['kong.internal']\n";

    /// A folder with a certificate, its key, another key, and a file that is neither.
    fn folder() -> tempfile::TempDir {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["kong.internal".to_owned()]).unwrap().self_signed(&key);
        for (name, text) in [
            ("ca.pem", certificate.unwrap().pem()),
            ("client.key", key.serialize_pem()),
            ("other.key", KeyPair::generate().unwrap().serialize_pem()),
            ("broken.pem", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".into()),
            ("note.txt", "nothing of the kind".to_owned()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn read(text: &str) -> Result<ClientTls> {
        let folder = folder();
        let mut table: toml::Table = text.parse().unwrap();
        ClientTls::read(table.remove("client_tls").unwrap(), folder.path(), "c")
    }

    fn refusal(keys: &str) -> String {
        format!("{:#}", read(&format!("{SECTION}{keys}")).err().unwrap())
    }

    #[test]
    fn a_mistake_is_refused_with_section_and_key() {
        for (keys, names) in [
            ("ca_root_file = 'ca.pem'", "ca_root_file"),
            ("ca_roots_file = 'absent.pem'", "ca_roots_file: cannot read"),
            ("ca_roots_file = 'broken.pem'", "ca_roots_file"),
            ("ca_roots_file = 'note.txt'", "holds no certificate"),
            ("client_cert_file = 'ca.pem'", "client_private_key_file beside it"),
            ("client_private_key_file = 'client.key'", "client_cert_file beside it"),
            (
                "client_cert_file = 'note.txt'\nclient_private_key_file = 'client.key'",
                "client_cert_file: ",
            ),
            (
                "client_cert_file = 'ca.pem'\nclient_private_key_file = 'absent.key'",
                "client_private_key_file: cannot read",
            ),
            (
                "client_cert_file = 'ca.pem'\nclient_private_key_file = 'ca.pem'",
                "holds no private key",
            ),
            (
                "client_cert_file = 'ca.pem'\nclient_private_key_file = 'other.key'",
                "does not go with client_cert_file",
            ),
            ("ca_use_platform_roots = false", "no authority is trusted"),
        ] {
            let refusal = refusal(keys);
            assert!(refusal.starts_with("[[client_tls]], section 1: "), "{refusal}");
            assert!(refusal.contains(names), "{keys}: {refusal}");
            assert!(!refusal.contains("PRIVATE KEY"), "{refusal}");
        }
    }

    #[test]
    fn hosts_and_components_are_named_as_spin_wants_them() {
        for (component_ids, hosts, names) in [
            ("[]", "['a']", "component_ids may not be empty"),
            ("['Kong_Cloudtrail']", "['a']", "component_ids: "),
            ("['c']", "[]", "hosts may not be empty"),
            ("['c']", "['kong.internal:8444']", "may not have a port"),
            ("['c']", "['https://kong.internal']", "is no host"),
        ] {
            let text =
                format!("[[client_tls]]\ncomponent_ids = {component_ids}\nhosts = {hosts}\n");
            let refusal = format!("{:#}", read(&text).err().unwrap());
            assert!(refusal.contains(names), "{text}: {refusal}");
        }
        let nobody = read("[[client_tls]]\nhosts = ['a']").err().unwrap();
        assert!(format!("{nobody:#}").contains("`component_ids`"), "{nobody:#}");
        let single = "[client_tls]\ncomponent_ids = ['c']\nhosts = ['a']\n";
        assert!(format!("{:#}", read(single).err().unwrap()).contains("[[client_tls]]"));
    }

    #[test]
    fn the_first_section_of_the_component_and_the_host_applies() {
        let identity = "ca_roots_file = 'ca.pem'\nclient_cert_file = 'ca.pem'\nclient_private_key_file = 'client.key'\n";
        let others = SECTION.replace("'c'", "'other'");
        let tls = read(&format!("{others}{SECTION}{identity}{SECTION}")).unwrap();
        assert!(tls.of("kong.internal").client_auth_cert_resolver.has_certs());
        for elsewhere in ["Kong.internal", "kong.internal.", "aws.example"] {
            assert!(!tls.of(elsewhere).client_auth_cert_resolver.has_certs(), "{elsewhere}");
        }
    }
}
