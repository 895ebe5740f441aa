//! The container's settings: from the environment to Spin's runtime configuration, its files, and
//! the environment of what is started.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::{Host, Url};

/// What containers are given under AWS's names, and the component's variables for it.
const FROM_AWS: [(&str, &str); 9] = [
    ("AWS_ACCESS_KEY_ID", "aws_access_key_id"),
    ("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"),
    ("AWS_SESSION_TOKEN", "aws_session_token"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "aws_container_credentials_relative_uri"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "aws_container_credentials_full_uri"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "aws_container_authorization_token"),
    ("AWS_ROLE_ARN", "aws_role_arn"),
    ("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
    ("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
];

/// Files whose content EKS renews.
const TOKEN_FILES: [&str; 2] =
    ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"];

/// Settings that end here: nothing that is started needs them, and most are secret.
const OWN: [&str; 5] =
    ["REDIS_URL", "REDIS_PASSWORD", "KONG_CA", "KONG_CLIENT_CERT", "KONG_CLIENT_KEY"];

const KONG_ADMIN_API: &str = "SPIN_VARIABLE_KONG_ADMIN_API";

const ALLOW_PLAINTEXT: &str = "SPIN_VARIABLE_ALLOW_PLAINTEXT";

const CA_FILE: &str = "kong-ca.pem";
const CLIENT_CERT_FILE: &str = "kong-client.pem";
const CLIENT_KEY_FILE: &str = "kong-client.key";

/// The interval of spin.toml.
const INTERVAL_SECS: u64 = 300;
/// The default of `run_budget_secs`.
const RUN_BUDGET_SECS: u64 = 3000;
/// What a run may take beyond its budget: a Redis that refuses connections holds it up for ten
/// minutes.
const GRACE_SECS: u64 = 900;

/// Spin's runtime configuration.
#[derive(Serialize)]
struct RuntimeConfig {
    key_value_store: BTreeMap<&'static str, Store>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    client_tls: Vec<ClientTls>,
}

#[derive(Serialize)]
struct Store {
    r#type: &'static str,
    url: String,
}

#[derive(Serialize)]
struct ClientTls {
    component_ids: [&'static str; 1],
    hosts: [String; 1],
    ca_roots_file: Option<&'static str>,
    ca_use_webpki_roots: bool,
    ca_use_platform_roots: bool,
    client_cert_file: Option<&'static str>,
    client_private_key_file: Option<&'static str>,
}

/// What the environment says, checked.
pub struct Settings {
    /// The one writable folder.
    pub folder: PathBuf,
    /// Longest time without a report.
    pub max_silence: Duration,
    application: PathBuf,
    /// What goes into `folder`, by the file's name.
    files: BTreeMap<&'static str, String>,
    /// The component's variables that came under AWS's names.
    variables: BTreeMap<String, String>,
}

impl Settings {
    /// Reads them; the error names every mistake, and no value.
    pub fn read(environment: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let given = Given(environment.filter(|(_, value)| !value.is_empty()).collect());
        let (redis, tls, silence) = (given.redis_url(), given.client_tls(), given.max_silence());
        let tokens = given.no_token_file();
        let mistakes: Vec<String> = [
            redis.as_ref().err(),
            tls.as_ref().err(),
            silence.as_ref().err(),
            tokens.as_ref().err(),
        ]
        .into_iter()
        .flatten()
        .map(|why| format!("{why:#}"))
        .collect();
        let (Ok(url), Ok(tls), Ok(max_silence), Ok(())) = (redis, tls, silence, tokens) else {
            bail!("{}", mistakes.join("; "))
        };
        let store = Store { r#type: "redis", url };
        let config = RuntimeConfig {
            key_value_store: BTreeMap::from([("default", store)]),
            client_tls: tls.into_iter().collect(),
        };
        let mut files = given.pem_files();
        files.insert(
            Self::RUNTIME_CONFIG,
            toml::to_string(&config)
                .map_err(|_| anyhow!("the runtime configuration cannot be written"))?,
        );
        Ok(Self {
            folder: given.folder("STATE_DIR", "/var/lib/kong-cloudtrail"),
            application: given.folder("APPLICATION_DIR", "/opt/kong-cloudtrail"),
            max_silence,
            files,
            variables: given.variables(),
        })
    }

    const RUNTIME_CONFIG: &str = "runtime-config.toml";

    /// Where Spin's runtime configuration is written.
    pub fn runtime_config_path(&self) -> PathBuf {
        self.folder.join(Self::RUNTIME_CONFIG)
    }

    /// The manifest of that name.
    pub fn manifest(&self, name: &str) -> PathBuf {
        self.application.join(name)
    }

    /// Writes the files, for this user alone.
    pub fn write_files(&self) -> Result<()> {
        for (name, content) in &self.files {
            let path = self.folder.join(name);
            write_private(&path, content).with_context(|| {
                let folder = self.folder.display();
                format!("{} cannot be written: mount {folder} as a writable volume", path.display())
            })?;
        }
        Ok(())
    }

    /// Gives `command` the component's variables and a place to write, and takes from it what it
    /// need not know.
    pub fn adorn(&self, command: &mut Command) {
        for name in OWN {
            command.env_remove(name);
        }
        for place in ["TMPDIR", "HOME"] {
            command.env(place, &self.folder);
        }
        command.env("XDG_CACHE_HOME", self.folder.join("cache")).envs(&self.variables);
    }
}

/// Whether it is this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        // Of a scheme that is none of the web's, an address is a name too.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<Ipv4Addr>().is_ok_and(|it| it.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Writes anew: a file that another process opened earlier keeps what it had, and no link is followed.
pub fn write_private(path: &Path, content: &str) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes())
}

/// The variables of the environment that are set.
struct Given(BTreeMap<String, String>);

impl Given {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The component's own switch, so that each report says that it is on.
    fn allows_plaintext(&self) -> bool {
        self.get(ALLOW_PLAINTEXT).is_some_and(|word| word.trim().eq_ignore_ascii_case("true"))
    }

    fn folder(&self, name: &str, default: &str) -> PathBuf {
        self.get(name).unwrap_or(default).into()
    }

    fn number(&self, name: &str) -> Result<Option<u64>> {
        let number = self.get(name).map(|text| text.trim().parse());
        number.transpose().with_context(|| format!("{name} is no whole number of seconds"))
    }

    fn max_silence(&self) -> Result<Duration> {
        let budget = self.number("SPIN_VARIABLE_RUN_BUDGET_SECS")?.unwrap_or(RUN_BUDGET_SECS);
        let fitting = INTERVAL_SECS.saturating_add(budget).saturating_add(GRACE_SECS);
        Ok(Duration::from_secs(self.number("MAX_SILENCE_SECS")?.unwrap_or(fitting)))
    }

    /// Redis' address with the password in it.
    fn redis_url(&self) -> Result<String> {
        let Some(given) = self.get("REDIS_URL") else {
            bail!(
                "REDIS_URL is not set: the ledger of this image is in Redis, as in \
                 rediss://ledger.example.internal:6379"
            )
        };
        // The parser's own messages hold no part of the address.
        let mut url: Url = given.trim().parse().context("REDIS_URL is no address")?;
        let redis = ["redis", "rediss"].contains(&url.scheme());
        ensure!(redis, "REDIS_URL must begin with rediss:// (with TLS) or redis://");
        ensure!(url.has_host(), "REDIS_URL names no host");
        let has_password = url.password().is_some() || self.get("REDIS_PASSWORD").is_some();
        ensure!(
            !has_password || self.allows_plaintext() || url.scheme() == "rediss" || is_here(&url),
            "REDIS_URL is a redis:// of another machine, and its password could be read on the way: give a rediss:// address, \
             or set {ALLOW_PLAINTEXT} to true"
        );
        let Some(password) = self.get("REDIS_PASSWORD") else { return Ok(url.into()) };
        ensure!(
            url.password().is_none(),
            "REDIS_PASSWORD is set, and REDIS_URL has a password too"
        );
        let broken = password.ends_with(['\n', '\r']);
        ensure!(!broken, "REDIS_PASSWORD ends with a line break: store it without");
        // Every other character is encoded here, since set_password leaves a % as it is.
        let encoded = utf8_percent_encode(password, NON_ALPHANUMERIC).to_string();
        url.set_password(Some(&encoded)).map_err(|()| anyhow!("REDIS_URL takes no password"))?;
        Ok(url.into())
    }

    /// How Spin checks Kong's certificate, and shows its own.
    fn client_tls(&self) -> Result<Option<ClientTls>> {
        let ca = self.pem("KONG_CA", "CERTIFICATE-----")?;
        let cert = self.pem("KONG_CLIENT_CERT", "CERTIFICATE-----")?;
        let key = self.pem("KONG_CLIENT_KEY", "PRIVATE KEY-----")?;
        ensure!(cert == key, "KONG_CLIENT_CERT and KONG_CLIENT_KEY go together: set both or none");
        if !ca && !cert {
            return Ok(None);
        }
        let url: Option<Url> = self.get(KONG_ADMIN_API).and_then(|api| api.trim().parse().ok());
        let host = url.filter(|url| url.scheme() == "https");
        let host = host.and_then(|url| url.host_str().map(str::to_owned)).with_context(|| {
            format!(
                "with KONG_CA or KONG_CLIENT_CERT, {KONG_ADMIN_API} must be an https:// address"
            )
        })?;
        Ok(Some(ClientTls {
            component_ids: ["kong-cloudtrail"],
            hosts: [host],
            ca_roots_file: ca.then_some(CA_FILE),
            // Only the given authority counts for this host, not the public ones as well.
            ca_use_webpki_roots: !ca,
            ca_use_platform_roots: !ca,
            client_cert_file: cert.then_some(CLIENT_CERT_FILE),
            client_private_key_file: cert.then_some(CLIENT_KEY_FILE),
        }))
    }

    /// The image's manifest mounts no folder, so the component would not see the file.
    fn no_token_file(&self) -> Result<()> {
        for name in TOKEN_FILES {
            ensure!(
                self.get(name).is_none(),
                "{name} is set, and this image mounts no token files: on EKS use deploy/kubernetes, or another source of \
                 credentials"
            );
        }
        Ok(())
    }

    /// Whether `name` is set; what it holds must be PEM.
    fn pem(&self, name: &str, mark: &str) -> Result<bool> {
        let Some(text) = self.get(name) else { return Ok(false) };
        let is_pem = text.contains("-----BEGIN ") && text.contains(mark);
        ensure!(is_pem, "{name} is no PEM text: it has no line -----BEGIN ...{mark}");
        Ok(true)
    }

    fn pem_files(&self) -> BTreeMap<&'static str, String> {
        [
            (CA_FILE, "KONG_CA"),
            (CLIENT_CERT_FILE, "KONG_CLIENT_CERT"),
            (CLIENT_KEY_FILE, "KONG_CLIENT_KEY"),
        ]
        .into_iter()
        .filter_map(|(file, name)| Some((file, self.get(name)?.to_owned())))
        .collect()
    }

    /// What came under AWS's names, where the component's own variable is not set.
    fn variables(&self) -> BTreeMap<String, String> {
        FROM_AWS
            .into_iter()
            .map(|(name, variable)| (name, format!("SPIN_VARIABLE_{}", variable.to_uppercase())))
            .filter(|(_, variable)| self.get(variable).is_none())
            .filter_map(|(name, variable)| Some((variable, self.get(name)?.to_owned())))
            .collect()
    }
}
