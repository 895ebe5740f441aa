//! `spin.toml`, manifest version 2: the parts that a timer, command or HTTP component needs.
//!
//! Keys that Spin would refuse are refused; sections that Spin has and this host has no use for
//! (`build`, `tool`, `profile`, `targets`, `sqlite_databases`, `ai_models`) are accepted; what a
//! component would miss at run time (a remote source, composed dependencies) is refused by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::name;

type Table = BTreeMap<String, toml::Value>;

/// The component that the manifest's trigger runs, and what it may use.
#[derive(Debug)]
pub struct Manifest {
    /// `application.name`.
    pub application: String,
    /// The application's variables: the default of each, none where a value is required.
    pub variables: BTreeMap<String, Option<String>>,
    /// What starts the component.
    pub trigger: Trigger,
    /// The component's name in the manifest.
    pub component_id: String,
    /// The component itself.
    pub component: Component,
}

/// What starts a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// `[[trigger.timer]]`: `handle-timer-request`, again and again.
    Timer {
        /// The pause before each call, in milliseconds: `interval_secs` over `speedup`.
        interval_ms: u64,
    },
    /// `[[trigger.command]]`: `wasi:cli/run`, once.
    Command,
    /// `[[trigger.http]]`: `wasi:http/incoming-handler`, for each request, whatever its path.
    Http,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    spin_manifest_version: toml::Value,
    application: Application,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    trigger: BTreeMap<String, Vec<Table>>,
    #[serde(default)]
    component: BTreeMap<String, Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    name: String,
    #[serde(rename = "version")]
    _version: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(default, rename = "authors")]
    _authors: Vec<String>,
    #[serde(default, rename = "targets")]
    _targets: Vec<toml::Value>,
    #[serde(default)]
    trigger: BTreeMap<String, Table>,
    #[serde(default, rename = "tool")]
    _tool: BTreeMap<String, Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(default)]
    required: bool,
    default: Option<String>,
    // Spin 4.0.2 and this host treat a secret as any other value: neither prints values.
    #[serde(default, rename = "secret")]
    _secret: bool,
}

/// `[component.<id>]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    source: toml::Value,
    #[serde(rename = "description")]
    _description: Option<String>,
    /// Templates over the application's variables, by the name that the component asks for.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The component's whole environment: the host's own is not passed on.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Files copied at load, read-only for the component.
    #[serde(default)]
    pub files: Vec<FileMount>,
    /// Glob patterns of files left out of [`Self::files`].
    #[serde(default)]
    pub exclude_files: Vec<String>,
    #[serde(default)]
    allowed_http_hosts: Vec<String>,
    /// Where the component may connect to, templates allowed.
    #[serde(default)]
    pub allowed_outbound_hosts: Vec<String>,
    /// Labels of the stores that the component may open.
    #[serde(default)]
    pub key_value_stores: Vec<String>,
    #[serde(default, rename = "sqlite_databases")]
    _sqlite_databases: Vec<String>,
    #[serde(default, rename = "ai_models")]
    _ai_models: Vec<String>,
    #[serde(default, rename = "targets")]
    _targets: Vec<toml::Value>,
    #[serde(rename = "build")]
    _build: Option<Table>,
    #[serde(default, rename = "tool")]
    _tool: BTreeMap<String, Table>,
    #[serde(rename = "dependencies_inherit_configuration")]
    _dependencies_inherit_configuration: Option<bool>,
    #[serde(default)]
    dependencies: Table,
    #[serde(default, rename = "profile")]
    _profile: BTreeMap<String, Table>,
}

/// One entry of `files`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum FileMount {
    /// A file, a folder or a glob pattern, at the same path for the component.
    Pattern(String),
    /// A file or folder at another path.
    Placement(Placement),
}

/// The long form of an entry of `files`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// Relative to the manifest.
    pub source: String,
    /// Where the component sees it.
    pub destination: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimerTrigger {
    component: String,
    interval_secs: u64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimerSettings {
    speedup: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandTrigger {
    component: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpTrigger {
    component: String,
    route: toml::Value,
}

/// The one route that this host serves: all paths.
const ALL_PATHS: &str = "/...";

impl Manifest {
    /// Reads the manifest at `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the manifest {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("the manifest {} is refused", path.display()))
    }

    /// Parses a manifest's text.
    pub fn parse(text: &str) -> Result<Self> {
        let mut file: File = toml::from_str(text)?;
        ensure!(
            file.spin_manifest_version.as_integer() == Some(2),
            "spin_manifest_version = {}: this host reads version 2",
            file.spin_manifest_version
        );
        let variables = file
            .variables
            .into_iter()
            .map(|(name, variable)| {
                name::lower_snake(&name).with_context(|| format!("variable {name:?}"))?;
                ensure!(
                    variable.required != variable.default.is_some(),
                    "variable {name:?} must be `required` or have a `default`"
                );
                Ok((name, variable.default))
            })
            .collect::<Result<_>>()?;

        let (trigger, component_id) = trigger(file.trigger, &mut file.application.trigger)?;
        name::kebab(&component_id).with_context(|| format!("component {component_id:?}"))?;
        let component = file.component.remove(&component_id).with_context(|| {
            format!("the trigger names component {component_id:?}, which is not in the manifest")
        })?;
        component.check().with_context(|| format!("component {component_id:?}"))?;
        Ok(Self { application: file.application.name, variables, trigger, component_id, component })
    }
}

impl Component {
    /// The component's file, relative to the manifest.
    pub fn source(&self) -> PathBuf {
        self.source.as_str().map(PathBuf::from).unwrap_or_default()
    }

    fn check(&self) -> Result<()> {
        ensure!(
            self.source.is_str(),
            "`source` is a URL or a registry package; this host runs local files: \
             download the component and name its path"
        );
        ensure!(
            self.dependencies.is_empty(),
            "`dependencies` are not composed by this host; run the application with Spin"
        );
        ensure!(
            self.allowed_http_hosts.is_empty(),
            "`allowed_http_hosts` is deprecated; use `allowed_outbound_hosts`"
        );
        for name in self.variables.keys() {
            name::lower_snake(name).with_context(|| format!("variable {name:?}"))?;
        }
        for label in &self.key_value_stores {
            name::kebab(label).or_else(|_| name::snake(label)).map_err(|_| {
                anyhow::anyhow!("key_value_stores: {label:?} is neither kebab-case nor snake_case")
            })?;
        }
        Ok(())
    }
}

/// The one trigger that this host runs, and its component's name.
fn trigger(
    mut triggers: BTreeMap<String, Vec<Table>>,
    settings: &mut BTreeMap<String, Table>,
) -> Result<(Trigger, String)> {
    let timers: Vec<TimerTrigger> = entries("timer", &mut triggers)?;
    let commands: Vec<CommandTrigger> = entries("command", &mut triggers)?;
    let served: Vec<HttpTrigger> = entries("http", &mut triggers)?;
    for other in triggers.keys() {
        tracing::warn!(
            "[[trigger.{other}]]: this host runs timer, command and HTTP triggers alone"
        );
    }
    // Two entries for one component collapse to the last, as in Spin.
    let timers: BTreeMap<String, u64> =
        timers.into_iter().map(|timer| (timer.component, timer.interval_secs)).collect();
    let mut timers = timers.into_iter();
    let commands = commands.into_iter().map(|command| (Trigger::Command, command.component));
    let mut others = commands
        .map(Ok)
        .chain(served.into_iter().map(http))
        .collect::<Result<Vec<_>>>()?
        .into_iter();
    match (timers.next(), timers.next(), others.next(), others.next()) {
        (Some((component, interval_secs)), None, None, None) => {
            let settings: TimerSettings = match settings.remove("timer") {
                Some(table) => {
                    from_table(table).context("[application.trigger.timer] is malformed")?
                }
                None => TimerSettings::default(),
            };
            let interval_ms = interval_secs
                .saturating_mul(1000)
                .checked_div(settings.speedup.unwrap_or(1))
                .context("[application.trigger.timer] speedup must not be 0")?;
            Ok((Trigger::Timer { interval_ms }, component))
        }
        (None, None, Some(other), None) => Ok(other),
        (None, None, None, None) => {
            bail!("there is no [[trigger.timer]], [[trigger.command]] or [[trigger.http]] to run")
        }
        _ => bail!("this host runs one component of one trigger; run the application with Spin"),
    }
}

fn http(HttpTrigger { component, route }: HttpTrigger) -> Result<(Trigger, String)> {
    ensure!(
        route.as_str() == Some(ALL_PATHS),
        "[[trigger.http]] route {route}: this host serves the route {ALL_PATHS:?} alone; run the application with Spin"
    );
    Ok((Trigger::Http, component))
}

fn entries<T: serde::de::DeserializeOwned>(
    kind: &str,
    triggers: &mut BTreeMap<String, Vec<Table>>,
) -> Result<Vec<T>> {
    triggers
        .remove(kind)
        .unwrap_or_default()
        .into_iter()
        .map(|mut table| {
            // Spin takes `id` for itself before the trigger sees the entry.
            table.remove("id");
            from_table(table).with_context(|| format!("[[trigger.{kind}]] is malformed"))
        })
        .collect()
}

fn from_table<T: serde::de::DeserializeOwned>(table: Table) -> Result<T> {
    Ok(toml::Value::Table(table.into_iter().collect()).try_into()?)
}
