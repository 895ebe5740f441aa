//! The options that say which application is meant: `spin up`'s own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use kong_cloudtrail_application::{Given, Options, Sources};

use crate::settings;

/// What to read, and from where.
#[derive(Args)]
pub struct AppArgs {
    /// The manifest, or the folder that holds spin.toml.
    #[arg(short = 'f', long, default_value = "spin.toml", value_name = "PATH")]
    from: PathBuf,

    /// Spin's runtime config: key-value stores ("redis", "spin"), state_dir, max_instance_memory.
    #[arg(long, env = "RUNTIME_CONFIG_FILE", value_name = "PATH")]
    runtime_config_file: Option<PathBuf>,

    /// A variable: name=value, name=@file, @file.json or @file.toml. Wins over
    /// SPIN_VARIABLE_<NAME> in the environment, which wins over a .env file in the current folder.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<Given>,

    /// Where the embedded store's file lies; .spin beside the manifest unless set. Empty: the store
    /// is in memory.
    #[arg(long, value_name = "FOLDER", value_parser = clap::builder::OsStringValueParser::new())]
    state_dir: Option<OsString>,
}

impl AppArgs {
    /// All of it. What is odd about the variables is told.
    pub fn options(&self) -> Result<Options> {
        let mut given = BTreeMap::new();
        for variable in &self.variables {
            given.extend(variable.values()?);
        }
        let options = Options {
            manifest: self.from.clone(),
            runtime_config: self.runtime_config_file.clone(),
            variables: Sources {
                given,
                // A name or value that is not UTF-8 cannot be a variable's.
                environment: std::env::vars_os()
                    .filter_map(|(name, value)| {
                        Some((name.into_string().ok()?, value.into_string().ok()?))
                    })
                    .collect(),
                env_file: Some(PathBuf::from(".env")),
            },
            state_dir: self.state_dir.clone().map(PathBuf::from),
            ..Options::default()
        };
        settings::warn(&options);
        Ok(options)
    }
}
