//! Fragments: raw texts by setting, each with its origin, and how later ones win over earlier ones.

use std::collections::BTreeMap;
use std::fmt;

use super::Problem;
use super::settings::{SETTINGS, Setting};

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it.
    Default,
    /// A line of a file.
    File {
        /// Name of the file.
        name: String,
        /// Line, counted from one.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Env(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// A value as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// One text.
    One(String),
    /// A list, which only a file can write as such.
    Many(Vec<String>),
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(text) => f.write_str(text),
            Self::Many(texts) => f.write_str(&texts.join(",")),
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced {
    /// As written.
    pub raw: Raw,
    /// Where.
    pub origin: Origin,
}

/// What one source says; a setting that it does not name is left to the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    pub(super) values: BTreeMap<&'static str, Sourced>,
}

impl Fragment {
    /// The defaults of the table.
    #[must_use]
    pub fn defaults() -> Self {
        let mut fragment = Self::default();
        for setting in SETTINGS {
            if let Some(text) = setting.default {
                fragment.put(setting, Raw::One(text.to_owned()), Origin::Default);
            }
        }
        fragment
    }

    /// A TOML file's content; `name` is what errors call it.
    ///
    /// # Errors
    /// All syntax errors, unknown keys (with a suggestion) and values that are no value, each with its line.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        super::file::read(name, text)
    }

    /// The environment. Variables that do not begin with `TIDEGATE_`, and those that the command line owns (endpoint,
    /// token, output ...), are none of ours; a misspelt one cannot be told from those and is ignored.
    pub fn from_env(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut fragment = Self::default();
        let variables: BTreeMap<String, String> = variables.into_iter().collect();
        for setting in SETTINGS {
            let name = setting.env();
            if let Some(text) = variables.get(&name) {
                fragment.put(setting, Raw::One(text.clone()), Origin::Env(name));
            }
        }
        fragment
    }

    /// Sets one value as a flag does.
    ///
    /// # Errors
    /// There is no such setting.
    pub fn set_flag(&mut self, key: &str, text: impl Into<String>) -> Result<(), Problem> {
        let setting = Setting::find(key).ok_or_else(|| unknown(key, None))?;
        self.put(setting, Raw::One(text.into()), Origin::Flag(setting.flag()));
        Ok(())
    }

    pub(super) fn put(&mut self, setting: &Setting, raw: Raw, origin: Origin) {
        let key = Setting::find(setting.key).expect("settings come from the table").key;
        self.values.insert(key, Sourced { raw, origin });
    }

    /// Both together; what `later` says wins.
    #[must_use]
    pub fn merge(mut self, later: Self) -> Self {
        self.values.extend(later.values);
        self
    }

    /// What is said about a setting.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Sourced> {
        self.values.get(key)
    }
}

/// The problem of a key that is not in the table, with the nearest one that is.
pub(super) fn unknown(key: &str, origin: Option<Origin>) -> Problem {
    let nearest = SETTINGS
        .iter()
        .map(|setting| (strsim::damerau_levenshtein(setting.key, key), setting.key))
        .min()
        .filter(|(distance, nearest)| *distance <= nearest.len().div_ceil(3));
    let rule = match nearest {
        Some((_, nearest)) => format!("no such setting; did you mean {nearest}?"),
        None => "no such setting".to_owned(),
    };
    Problem { origin, setting: key.to_owned(), value: None, rule }
}
