//! Variables as Spin resolves them: the component asks by its own names, whose values are templates
//! over the application's variables, whose values come from the first source that has one.
//!
//! Sources in Spin's order: `--variable`, the environment (`SPIN_VARIABLE_<NAME>`), the `.env`
//! file, the manifest's default. No value is ever part of an error or a log line (design
//! invariant 7).

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use crate::sources::Sources;

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
    /// What is required and has no value is not among them.
    values: BTreeMap<String, String>,
}

impl Variables {
    /// Checks the templates, and reads the values.
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

        let env_file = sources.read_env_file()?;
        let mut values = BTreeMap::new();
        for (name, default) in declared {
            let variable = environment_name(name);
            let value = sources
                .given
                .get(name)
                .or_else(|| sources.environment.get(&variable))
                .or_else(|| env_file.get(&variable))
                .or(default.as_ref());
            if let Some(value) = value {
                values.insert(name.clone(), value.clone());
            }
        }
        let defaults = declared.clone();
        Ok(Self { component_id: component_id.to_owned(), component, defaults, values })
    }

    /// Refuses required variables without a value, as Spin does before it starts the component.
    pub fn require_all(&self) -> Result<()> {
        let missing: Vec<&str> = self
            .defaults
            .keys()
            .filter(|name| !self.values.contains_key(*name))
            .map(String::as_str)
            .collect();
        ensure!(missing.is_empty(), no_value(&missing));
        Ok(())
    }

    /// The component's variable `name`; none when the manifest gives it no such variable.
    pub fn optional(&self, name: &str) -> Result<Option<String>, VariableError> {
        self.component.contains_key(name).then(|| self.get(name)).transpose()
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
        self.values.get(name).cloned().ok_or_else(|| {
            if self.defaults.contains_key(name) {
                VariableError::Undefined(no_value(&[name]))
            } else {
                VariableError::InvalidName(format!("{name:?} is not declared"))
            }
        })
    }

    /// The default of the application's variable `name`; none when it has none.
    pub fn default_of(&self, name: &str) -> Option<&str> {
        self.defaults.get(name)?.as_deref()
    }
}

/// `missing` are names of required variables.
fn no_value(missing: &[&str]) -> String {
    let in_environment: Vec<_> = missing.iter().map(|name| environment_name(name)).collect();
    format!(
        "no value for required variable(s) {}: set {}, or pass --variable {}=...",
        missing.join(", "),
        in_environment.join(", "),
        missing[0],
    )
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
        let variables = variables(&Sources::default()).unwrap();
        let at_start = variables.require_all().err().unwrap().to_string();
        let when_asked_for = variables.optional("mixed").err().unwrap().to_string();
        for message in [at_start, when_asked_for] {
            assert!(message.contains("SPIN_VARIABLE_NEEDED"), "{message}");
            assert!(message.contains("--variable needed="), "{message}");
        }
        assert_eq!(variables.optional("plain").unwrap().as_deref(), Some("static"));
        assert_eq!(variables.optional("absent"), Ok(None));
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
        let variables = variables(&sources).unwrap();
        assert!(variables.require_all().is_ok());
        assert_eq!(variables.get("mixed").unwrap(), "<|fallback>");
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
}
