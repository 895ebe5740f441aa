//! Variables as Spin resolves them: the component asks by its own names, whose values are templates
//! over the application's variables, whose values come from the first source that has one.
//!
//! Sources in Spin's order: `--variable`, the environment (`SPIN_VARIABLE_<NAME>`), the `.env`
//! file, the manifest's default. No value is ever part of an error or a log line (design
//! invariant 7).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

/// Where the values of variables come from.
#[derive(Clone, Default)]
pub struct Sources {
    /// What was given for this run, as with `--variable`.
    pub given: BTreeMap<String, String>,
    /// The environment, of which `SPIN_VARIABLE_*` counts.
    pub environment: BTreeMap<String, String>,
    /// A file of environment variables, read when it exists; Spin reads `.env` in the current
    /// folder.
    pub env_file: Option<PathBuf>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("given", &self.given.keys())
            .field("env_file", &self.env_file)
            .finish_non_exhaustive()
    }
}

/// One `--variable` of the command line: `name=value`, `name=@file`, `@file.json` or `@file.toml`.
#[derive(Clone)]
pub enum Given {
    /// `name=value`.
    Value(String, String),
    /// `name=@file`: the file's content.
    Content(String, PathBuf),
    /// `@file.json`: an object of strings.
    Json(PathBuf),
    /// `@file.toml`: a table of strings.
    Toml(PathBuf),
}

impl FromStr for Given {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix('@') {
            let path = PathBuf::from(path);
            return match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => Ok(Self::Json(path)),
                Some("toml") => Ok(Self::Toml(path)),
                _ => bail!("a file of variables must end in .json or .toml"),
            };
        }
        match text.split_once('=') {
            Some((name, value)) => Ok(match value.strip_prefix('@') {
                Some(path) => Self::Content(name.to_owned(), path.into()),
                None => Self::Value(name.to_owned(), value.to_owned()),
            }),
            None => bail!("must be name=value, name=@file, @file.json or @file.toml"),
        }
    }
}

impl Given {
    /// The names and values that it stands for.
    pub fn values(&self) -> Result<BTreeMap<String, String>> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("--variable: cannot read {}", path.display()))
        };
        Ok(match self {
            Self::Value(name, value) => BTreeMap::from([(name.clone(), value.clone())]),
            Self::Content(name, path) => BTreeMap::from([(name.clone(), read(path)?)]),
            Self::Json(path) => serde_json::from_str(&read(path)?)
                .map_err(|_| not_strings(path, "a JSON object"))?,
            Self::Toml(path) => {
                toml::from_str(&read(path)?).map_err(|_| not_strings(path, "a TOML table"))?
            }
        })
    }
}

/// The parser's own message quotes the line, and with it the value.
fn not_strings(path: &Path, what: &str) -> anyhow::Error {
    anyhow::anyhow!("--variable: {} must be {what} of strings", path.display())
}

/// Text with `{{ name }}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// Parses `text`; the one mistake possible is a `{{` without its `}}`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (name, after) =
                after.split_once("}}").context("invalid variable template: '{{' without '}}'")?;
            parts.push(Part::Variable(name.trim().to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Whether there is nothing to resolve.
    pub fn is_literal(&self) -> bool {
        self.variables().next().is_none()
    }

    fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text with every variable replaced by what `value` says, if it knows them all.
    pub fn resolve<E>(&self, value: impl Fn(&str) -> Result<String, E>) -> Result<String, E> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => Ok(text.clone()),
                Part::Variable(name) => value(name),
            })
            .collect()
    }
}

/// Why a variable has no value, in the terms of `fermyon:spin/variables`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// No variable can have that name.
    #[error("invalid variable name: {0}")]
    InvalidName(String),
    /// The component has no variable of that name.
    #[error("undefined variable: {0}")]
    Undefined(String),
}

/// The application's and the component's variables.
pub struct Variables {
    component_id: String,
    component: BTreeMap<String, Template>,
    defaults: BTreeMap<String, Option<String>>,
    values: BTreeMap<String, String>,
}

impl Variables {
    /// Checks the templates, and that everything required has a value.
    ///
    /// `declared` are the application's variables with their defaults, `component` the component's
    /// with their templates.
    pub fn new(
        component_id: &str,
        declared: &BTreeMap<String, Option<String>>,
        component: &BTreeMap<String, String>,
        sources: &Sources,
    ) -> Result<Self> {
        let component = component
            .iter()
            .map(|(name, text)| {
                let template =
                    Template::parse(text).with_context(|| format!("variable {name:?}"))?;
                if let Some(unknown) = template.variables().find(|&v| !declared.contains_key(v)) {
                    bail!(
                        "variable {name:?}: invalid variable template: unknown variable {unknown:?}"
                    );
                }
                Ok((name.clone(), template))
            })
            .collect::<Result<_>>()
            .with_context(|| format!("component {component_id:?}"))?;

        let env_file = read_env_file(sources.env_file.as_deref())?;
        let mut values = BTreeMap::new();
        let mut missing = Vec::new();
        for (name, default) in declared {
            let variable = environment_name(name);
            let value = sources
                .given
                .get(name)
                .or_else(|| sources.environment.get(&variable))
                .or_else(|| env_file.get(&variable))
                .or(default.as_ref());
            match value {
                Some(value) => {
                    values.insert(name.clone(), value.clone());
                }
                None => missing.push(name.as_str()),
            }
        }
        ensure!(
            missing.is_empty(),
            "no value for required variable(s) {}: set {}, or pass --variable {}=...",
            missing.join(", "),
            missing.iter().map(|name| environment_name(name)).collect::<Vec<_>>().join(", "),
            missing[0],
        );
        let defaults = declared.clone();
        Ok(Self { component_id: component_id.to_owned(), component, defaults, values })
    }

    /// The component's variable `name`.
    pub fn get(&self, name: &str) -> Result<String, VariableError> {
        check_name(name)?;
        let Some(template) = self.component.get(name) else {
            return Err(VariableError::Undefined(format!(
                "no variable for {:?}.{name:?}",
                self.component_id
            )));
        };
        template.resolve(|variable| self.application(variable))
    }

    /// The application's variable `name`.
    pub fn application(&self, name: &str) -> Result<String, VariableError> {
        self.values
            .get(name)
            .cloned()
            .ok_or_else(|| VariableError::InvalidName(format!("{name:?} is not declared")))
    }

    /// The default of the application's variable `name`; none when it has none.
    pub fn default_of(&self, name: &str) -> Result<String, ()> {
        self.defaults.get(name).cloned().flatten().ok_or(())
    }
}

fn environment_name(variable: &str) -> String {
    format!("SPIN_VARIABLE_{}", variable.to_ascii_uppercase())
}

fn check_name(name: &str) -> Result<(), VariableError> {
    let lower_digit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fault = if name.is_empty() {
        "must not be empty"
    } else if !name.chars().all(|c| lower_digit(c) || c == '_') {
        "may hold lower-case letters, digits and underscores alone"
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        "must begin with a letter"
    } else if name.ends_with('_') {
        "must end with a letter or digit"
    } else if name.contains("__") {
        "must not hold two underscores in a row"
    } else {
        return Ok(());
    };
    Err(VariableError::InvalidName(format!("{name:?}: {fault}")))
}

/// An absent file is no mistake; a malformed one is, whereas Spin would report it at each use.
fn read_env_file(path: Option<&Path>) -> Result<BTreeMap<String, String>> {
    let Some(path) = path.filter(|path| path.exists()) else {
        return Ok(BTreeMap::new());
    };
    dotenvy::from_path_iter(path)
        .and_then(Iterator::collect)
        // The parser's message quotes the line, and with it the value.
        .map_err(|_| anyhow::anyhow!("{} is no file of NAME=value lines", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn variables(sources: &Sources) -> Result<Variables> {
        let declared = BTreeMap::from([
            ("needed".to_owned(), None),
            ("optional".to_owned(), Some("fallback".to_owned())),
        ]);
        let component = BTreeMap::from([
            ("plain".to_owned(), "static".to_owned()),
            ("mixed".to_owned(), "<{{ needed }}|{{optional}}>".to_owned()),
        ]);
        Variables::new("shipper", &declared, &component, sources)
    }

    fn needed(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("SPIN_VARIABLE_NEEDED".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_required_variable_without_a_value_is_refused_with_the_names_to_set() {
        let message = variables(&Sources::default()).err().unwrap().to_string();
        assert!(message.contains("SPIN_VARIABLE_NEEDED"), "{message}");
        assert!(message.contains("--variable needed="), "{message}");
    }

    #[test]
    fn what_is_given_wins_over_the_environment_over_the_file_over_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let env_file = folder.path().join(".env");
        std::fs::write(
            &env_file,
            "SPIN_VARIABLE_NEEDED=file\nSPIN_VARIABLE_OPTIONAL='two words'\n",
        )
        .unwrap();
        let mut sources = Sources { env_file: Some(env_file), ..Sources::default() };
        assert_eq!(variables(&sources).unwrap().get("mixed").unwrap(), "<file|two words>");
        sources.environment = needed("environment");
        assert_eq!(variables(&sources).unwrap().get("mixed").unwrap(), "<environment|two words>");
        sources.given.insert("needed".into(), "given".into());
        assert_eq!(variables(&sources).unwrap().get("mixed").unwrap(), "<given|two words>");
        sources.env_file = None;
        assert_eq!(variables(&sources).unwrap().get("mixed").unwrap(), "<given|fallback>");
    }

    #[test]
    fn an_empty_value_is_a_value() {
        let sources = Sources { environment: needed(""), ..Sources::default() };
        assert_eq!(variables(&sources).unwrap().get("mixed").unwrap(), "<|fallback>");
    }

    #[test]
    fn the_component_sees_its_own_names_alone() {
        let sources = Sources { environment: needed("x"), ..Sources::default() };
        let variables = variables(&sources).unwrap();
        assert_eq!(variables.get("plain").unwrap(), "static");
        assert!(matches!(variables.get("needed"), Err(VariableError::Undefined(_))));
        for bad in ["", "aX", "1a", "_x", "x_", "a__b", "x-y"] {
            assert!(matches!(variables.get(bad), Err(VariableError::InvalidName(_))), "{bad}");
        }
    }

    #[test]
    fn a_template_over_an_unknown_variable_or_without_its_end_is_refused_at_load() {
        for text in ["{{ nothing }}", "{{ open"] {
            let component = BTreeMap::from([("name".to_owned(), text.to_owned())]);
            let result = Variables::new("c", &BTreeMap::new(), &component, &Sources::default());
            assert!(result.is_err(), "{text}");
        }
    }

    #[test]
    fn a_malformed_env_file_is_named_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let env_file = folder.path().join(".env");
        std::fs::write(&env_file, "SPIN_VARIABLE_NEEDED='hunter2\n").unwrap();
        let sources = Sources { env_file: Some(env_file), ..Sources::default() };
        let message = format!("{:?}", variables(&sources).err().unwrap());
        assert!(message.contains(".env"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn variables_are_given_as_text_file_or_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("secret"), "from a file").unwrap();
        std::fs::write(path("all.json"), r#"{"a":"1"}"#).unwrap();
        std::fs::write(path("all.toml"), "a = \"2\"").unwrap();
        let value = |text: String| text.parse::<Given>().unwrap().values().unwrap();
        assert_eq!(value("a=b=c".into())["a"], "b=c");
        assert_eq!(value(format!("a=@{}", path("secret")))["a"], "from a file");
        assert_eq!(value(format!("@{}", path("all.json")))["a"], "1");
        assert_eq!(value(format!("@{}", path("all.toml")))["a"], "2");
        for bad in ["nothing", "@file.txt"] {
            assert!(bad.parse::<Given>().is_err(), "{bad}");
        }
    }
}
