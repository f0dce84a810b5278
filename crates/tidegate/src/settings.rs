//! A node's settings on the command line: one flag for every row of the server's table of settings, so that no setting
//! can be reached by file or environment only.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use tidegate_server::config::{Config, Fragment, Problem, SETTINGS};

/// What the command line says about a node's settings.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// The configuration file, if one is named.
    pub file: Option<PathBuf>,
    flags: Vec<(&'static str, String)>,
}

impl Args for NodeSettings {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .env("TIDEGATE_CONFIG")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Configuration file (TOML)");
        SETTINGS.iter().fold(command.arg(file), |command, setting| {
            // Environment variables are read with the file and the flags, so that an error can name its source.
            let help = match setting.default {
                Some(default) => format!("{} [default: {default}] [env: {}]", setting.help, setting.env()),
                None => format!("{} [env: {}]", setting.help, setting.env()),
            };
            command.arg(Arg::new(setting.key).long(leak(setting.flag())).value_name("VALUE").help(help).help_heading("Settings"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Flags are named for as long as the process runs; there are as many as there are settings.
fn leak(name: String) -> &'static str {
    Box::leak(name.into_boxed_str())
}

impl FromArgMatches for NodeSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flag = |key: &'static str| matches.get_one::<String>(key).map(|text| (key, text.clone()));
        Ok(Self {
            file: matches.get_one::<PathBuf>("config").cloned(),
            flags: SETTINGS.iter().filter_map(|setting| flag(setting.key)).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum SettingsError {
    /// The file cannot be read.
    File(anyhow::Error),
    /// Values break rules; all of them.
    Problems(Vec<Problem>),
}

impl NodeSettings {
    /// File, environment and flags, merged in that order over the defaults and validated; with the merged settings for
    /// printing.
    ///
    /// # Errors
    /// The file cannot be read, something in it is no setting, or rules are broken: all of them.
    pub fn load(&self) -> Result<(Config, Fragment), SettingsError> {
        let mut fragments = Vec::new();
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))
                .map_err(SettingsError::File)?;
            fragments.push(Fragment::from_toml(&path.display().to_string(), &text).map_err(SettingsError::Problems)?);
        }
        fragments.push(Fragment::from_env(std::env::vars()));
        let mut flags = Fragment::default();
        for (key, text) in &self.flags {
            flags.set_flag(key, text.clone()).map_err(|problem| SettingsError::Problems(vec![problem]))?;
        }
        fragments.push(flags);
        Config::load(fragments).map_err(|error| SettingsError::Problems(error.problems))
    }
}
