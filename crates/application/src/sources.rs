//! Where the values of variables come from: what was given for a run, the environment, a file.
//!
//! No value is ever part of an error (design invariant 7).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

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

impl Sources {
    /// What the file says. An absent one is no mistake; a malformed one is, whereas Spin would report it at each use.
    pub fn read_env_file(&self) -> Result<BTreeMap<String, String>> {
        let Some(path) = self.env_file.as_deref().filter(|path| path.exists()) else {
            return Ok(BTreeMap::new());
        };
        dotenvy::from_path_iter(path)
            .and_then(Iterator::collect)
            // The parser's message quotes the line, and with it the value.
            .map_err(|_| anyhow::anyhow!("{} is no file of NAME=value lines", path.display()))
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

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
