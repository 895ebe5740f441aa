//! What `GET /` tells of a Kong.

use serde::Deserialize;

use super::error::malformed;
use super::{KongError, Version, ignored};

/// Kong's default `audit_log_record_ttl`: 30 days.
pub(crate) const DEFAULT_RETENTION_SECS: i64 = 2_592_000;

/// Kong's clock and this host's differ when they are further apart, in seconds.
pub(crate) const CLOCKS_DIFFER_SECS: u64 = 300;

/// What `GET /` tells.
#[derive(Clone, Debug)]
pub struct About {
    /// Kong's version.
    pub version: Version,
    /// Kong's clock, in Unix seconds.
    pub now: Option<i64>,
    /// `audit_log_record_ttl`, in seconds.
    pub record_ttl: Option<i64>,
    /// Ignore settings in force that hide entries, as `name = value`.
    pub hides: Vec<String>,
    /// `enforce_rbac` is shown, and off.
    pub rbac_is_off: bool,
}

impl About {
    /// How long Kong keeps entries: what `GET /` shows, else the longest `ttl` seen, of which 0 is none, else the
    /// default.
    pub(crate) fn retention_secs(&self, longest_ttl: i64) -> i64 {
        let seen = (longest_ttl > 0).then_some(longest_ttl);
        self.record_ttl.or(seen).unwrap_or(DEFAULT_RETENTION_SECS)
    }
}

/// The answer to `GET /`.
#[derive(Debug, Deserialize)]
pub struct Root {
    version: String,
    #[serde(default)]
    configuration: serde_json::Value,
}

impl Root {
    pub(super) fn read(body: &str) -> Result<Self, KongError> {
        serde_json::from_str(body)
            .map_err(|error| malformed("/", format!("it does not tell Kong's version ({error})")))
    }

    /// What it tells, where this is a Kong that keeps an audit log.
    pub(super) fn about(&self, now: Option<i64>) -> Result<About, KongError> {
        self.is_enterprise()?;
        self.keeps_audit_log()?;
        self.has_database()?;
        Ok(self.facts(now))
    }

    /// What it tells, whatever that is.
    pub(crate) fn facts(&self, now: Option<i64>) -> About {
        let version = Version::parse(&self.version);
        let settings = Settings(&self.configuration);
        About {
            now,
            record_ttl: settings.seconds("audit_log_record_ttl"),
            hides: settings.hiding(&version),
            rbac_is_off: settings.is_off("enforce_rbac"),
            version,
        }
    }

    /// Whether the version is one of Kong Gateway Enterprise.
    pub(crate) fn is_enterprise(&self) -> Result<(), KongError> {
        if Version::parse(&self.version).is_enterprise() {
            return Ok(());
        }
        Err(KongError::NotEnterprise { version: self.version.clone() })
    }

    /// Whether `audit_log` is not shown to be off.
    pub(crate) fn keeps_audit_log(&self) -> Result<(), KongError> {
        if Settings(&self.configuration).is_off("audit_log") {
            return Err(KongError::AuditLogOff);
        }
        Ok(())
    }

    /// Whether the node is not shown to be without a database.
    pub(crate) fn has_database(&self) -> Result<(), KongError> {
        let settings = Settings(&self.configuration);
        for (name, value) in [("database", "off"), ("role", "data_plane")] {
            if settings.text(name) == Some(value) {
                return Err(KongError::NoDatabase { setting: format!("{name} = {value}") });
            }
        }
        Ok(())
    }

    /// Whether it shows a setting of that name.
    pub(crate) fn shows(&self, name: &str) -> bool {
        self.configuration.get(name).is_some()
    }
}

/// Kong's settings, as `GET /` shows them. There are none where Kong hides them, or writes an empty list in
/// their place.
struct Settings<'r>(&'r serde_json::Value);

impl Settings<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn is_off(&self, name: &str) -> bool {
        self.0.get(name) == Some(&serde_json::Value::Bool(false)) || self.text(name) == Some("off")
    }

    fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        let seconds = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
        seconds.filter(|seconds| *seconds > 0)
    }

    /// The ignore settings that hide entries. The paths by which the audit log itself is read do not count.
    fn hiding(&self, version: &Version) -> Vec<String> {
        const PATHS: &str = "audit_log_ignore_paths";
        [PATHS, "audit_log_ignore_methods", "audit_log_ignore_tables"]
            .into_iter()
            .filter_map(|name| {
                let listed: Vec<&str> = match self.0.get(name)? {
                    serde_json::Value::Array(items) => {
                        items.iter().filter_map(|item| item.as_str()).collect()
                    }
                    serde_json::Value::String(text) => text.split(',').map(str::trim).collect(),
                    _ => return None,
                };
                let hides = |item: &&str| {
                    !item.is_empty()
                        && (name != PATHS || ignored::hides(item, version.ignores_by_text()))
                };
                let hiding: Vec<&str> = listed.into_iter().filter(hides).collect();
                (!hiding.is_empty()).then(|| format!("{name} = {}", hiding.join(",")))
            })
            .collect()
    }
}
