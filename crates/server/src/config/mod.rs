//! A node's own settings, in three steps: fragments (file, environment, flags), merged in that order, then validated.
//!
//! Nothing here opens a file or reads the environment: texts come in, a [`Config`] or a list of [`Problem`]s goes out.
//! Cluster-wide settings are no business of this module; they live in the replicated state. Start with [`SETTINGS`], the
//! table of everything that can be set, then [`Fragment`], then [`Config`].

mod file;
mod fragment;
mod print;
mod settings;
mod validate;
mod value;

pub use fragment::{Fragment, Origin, Raw, Sourced};
pub use print::{print_merged, reference};
pub use settings::{Kind, SETTINGS, Setting};
pub use validate::{Advertised, Config, ConfigError, Limits, Listen, LogFormat, Tls, TlsFiles};

use std::fmt;

/// One broken rule: where the value came from, which setting, what it was, and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was written; absent for a setting that is missing everywhere.
    pub origin: Option<Origin>,
    /// Name of the setting, as the file writes it.
    pub setting: String,
    /// The offending value, as written.
    pub value: Option<String>,
    /// The rule that it breaks.
    pub rule: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.setting)?;
        if let Some(value) = &self.value {
            write!(f, " = {value:?}")?;
        }
        write!(f, ": {}", self.rule)
    }
}

/// Reads a length of time such as `200ms`, `5s` or `1m30s`, for flags that are no settings of a node.
///
/// # Errors
/// The rule that the text breaks.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    value::duration(&Raw::One(text.to_owned()))
}

#[cfg(test)]
mod tests;
