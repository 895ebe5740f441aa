//! The runtime config: what Spin reads from `--runtime-config-file`.
//!
//! A section that would change what the component can do, and that the host lacks, is refused. What
//! is said of the component's network counts when it is to run, and not for a tool that looks at its
//! stores. Sections for interfaces that the host does not offer at all are accepted without effect.
//! Other keys are refused, as Spin refuses them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

use crate::key_value::Managers;
use crate::key_value::redis::RedisStores;
use crate::key_value::sqlite::SqliteStores;

/// Sections that this host lacks, each with what to do about it.
const LACKING: [(&str, &str); 2] = [
    ("variables_provider", "set SPIN_VARIABLE_*, .env or --variable"),
    ("config_provider", "set SPIN_VARIABLE_*, .env or --variable"),
];

/// Sections of interfaces that this host does not offer.
const WITHOUT_EFFECT: [&str; 7] = [
    "log_dir",
    "llm_compute",
    "outbound_mqtt",
    "outbound_mysql",
    "outbound_pg",
    "outbound_redis",
    "sqlite_database",
];

/// A runtime config, read.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeConfig {
    /// `state_dir`; empty means none.
    pub state_dir: Option<String>,
    /// `max_instance_memory`, in bytes.
    pub max_instance_memory: Option<usize>,
    #[serde(default)]
    key_value_store: BTreeMap<String, StoreConfig>,
    outbound_http: Option<OutboundHttp>,
    client_tls: Option<toml::Value>,
    outbound_networking: Option<toml::Value>,
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum StoreConfig {
    Redis { url: String },
    Spin { path: Option<PathBuf> },
}

// The URL may hold a password.
impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Redis { .. } => "redis",
            Self::Spin { .. } => "spin",
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutboundHttp {
    #[serde(default)]
    connection_pooling: bool,
    max_connections: Option<u64>,
    max_concurrent_requests: Option<u64>,
}

impl OutboundHttp {
    fn asks_for_more(&self) -> bool {
        self.connection_pooling || self.max_connections.or(self.max_concurrent_requests).is_some()
    }
}

impl RuntimeConfig {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the runtime config {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(&text, folder)
            .with_context(|| format!("the runtime config {} is refused", path.display()))
    }

    /// Parses `text`, whose relative paths are below `folder`.
    pub fn parse(text: &str, folder: PathBuf) -> Result<Self> {
        let mut table: toml::Table = toml::from_str(text).map_err(|error| {
            // The parser's whole message quotes the line, and with it a password in a URL.
            let line = error.span().map_or(0, |span| text[..span.start].lines().count().max(1));
            anyhow!("line {line}: {}", error.message())
        })?;
        for (section, remedy) in LACKING {
            if table.contains_key(section) {
                return Err(lacks(section, remedy));
            }
        }
        for section in WITHOUT_EFFECT {
            if table.remove(section).is_some() {
                tracing::warn!("runtime config: {section} has no effect on this host");
            }
        }
        let mut config: Self = toml::Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| anyhow!("{}", error.message()))?;
        config.folder = folder;
        if config.outbound_http.as_ref().is_some_and(OutboundHttp::asks_for_more) {
            tracing::warn!(
                "runtime config: [outbound_http] has no effect on this host: each request has a \
                 connection of its own, and their number is not limited"
            );
        }
        Ok(config)
    }

    /// The sections `[[client_tls]]`, as they stand. Refuses what else would change the component's
    /// network and the host lacks.
    pub fn client_tls(&self) -> Result<Option<&toml::Value>> {
        if self.outbound_networking.is_some() {
            return Err(lacks("outbound_networking", "no network is blocked here"));
        }
        Ok(self.client_tls.as_ref())
    }

    /// Where the paths in it begin.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The stores by label, with the embedded default when `default` is not configured: SQLite in
    /// `state_dir`, or in memory without one.
    pub fn stores(&self, state_dir: Option<&Path>) -> Result<Managers> {
        let mut stores = Managers::new();
        let embedded = state_dir.map(|folder| folder.join("sqlite_key_value.db"));
        stores.insert("default".to_owned(), Arc::new(SqliteStores::new(embedded)));
        for (label, config) in &self.key_value_store {
            stores.insert(
                label.clone(),
                match config {
                    StoreConfig::Redis { url } => Arc::new(
                        RedisStores::new(url)
                            .with_context(|| format!("[key_value_store.{label}]"))?,
                    ),
                    StoreConfig::Spin { path } => {
                        let path = path.as_ref().map(|path| self.folder.join(path));
                        Arc::new(SqliteStores::new(path))
                    }
                },
            );
        }
        Ok(stores)
    }
}

fn lacks(section: &str, remedy: &str) -> anyhow::Error {
    anyhow!("[{section}] is not supported by this host ({remedy}); with Spin it is")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refusal(text: &str) -> String {
        let config = RuntimeConfig::parse(text, PathBuf::new());
        format!("{:#}", config.and_then(|config| config.client_tls().map(|_| ())).err().unwrap())
    }

    #[test]
    fn what_would_change_the_components_reach_is_refused_by_name() {
        assert!(refusal("[outbound_networking]\nblock_networks = ['private']").contains("blocked"));
        assert!(refusal("[[variables_provider]]\ntype = 'vault'").contains("SPIN_VARIABLE"));
    }

    #[test]
    fn a_mistake_about_the_network_does_not_hide_the_stores() {
        let text = "[[client_tls]]\nhosts = ['a']\n[key_value_store.other]\ntype = 'spin'";
        let config = RuntimeConfig::parse(text, PathBuf::new()).unwrap();
        assert!(config.stores(None).unwrap().contains_key("other"));
    }

    #[test]
    fn an_unknown_key_or_kind_of_store_is_refused() {
        assert!(refusal("stat_dir = 'x'").contains("stat_dir"));
        assert!(
            refusal("[key_value_store.default]\ntype = 'azure_cosmos'").contains("azure_cosmos")
        );
    }

    #[test]
    fn no_refusal_repeats_a_password() {
        for text in [
            "[key_value_store.default]\ntype = 'redis'\nurl = redis://:hunter2@host",
            "[key_value_store.default]\ntype = 'redis'\nurl = ['redis://:hunter2@host']",
        ] {
            assert!(!refusal(text).contains("hunter2"), "{}", refusal(text));
        }
        let config = RuntimeConfig::parse(
            "[key_value_store.default]\ntype = 'redis'\nurl = 'redis://:hunter2@host:port'",
            PathBuf::new(),
        )
        .unwrap();
        let message = format!("{:#}", config.stores(None).err().unwrap());
        assert!(message.contains("[key_value_store.default]"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn the_default_store_is_there_unasked_and_others_when_configured() {
        let config = RuntimeConfig::parse("[key_value_store.other]\ntype = 'spin'", PathBuf::new());
        let stores = config.unwrap().stores(None).unwrap();
        assert_eq!(stores.keys().collect::<Vec<_>>(), ["default", "other"]);
    }
}
