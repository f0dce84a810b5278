//! Reads a TOML file into a fragment, keeping the line of every value.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;
use super::fragment::{Fragment, Origin, Raw, unknown};
use super::settings::Setting;
use crate::limits::{CONFIG_BYTES_MAX, CONFIG_DEPTH_MAX};

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    fragment: Fragment,
    problems: Vec<Problem>,
}

pub(super) fn read(name: &str, text: &str) -> Result<Fragment, Vec<Problem>> {
    let mut reader = Reader { name, text, fragment: Fragment::default(), problems: Vec::new() };
    if text.len() > CONFIG_BYTES_MAX {
        let rule = format!("file of {} bytes must be <= {CONFIG_BYTES_MAX} bytes", text.len());
        return Err(vec![reader.problem(0, "", None, rule)]);
    }
    match DeTable::parse(text) {
        Ok(table) => reader.table("", table.get_ref(), 0),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let problem = reader.problem(at, "", None, error.message().replace('\n', " "));
            reader.problems.push(problem);
        }
    }
    if reader.problems.is_empty() { Ok(reader.fragment) } else { Err(reader.problems) }
}

impl Reader<'_> {
    fn origin(&self, at: usize) -> Origin {
        let line = self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
        Origin::File { name: self.name.to_owned(), line }
    }

    fn problem(&self, at: usize, key: &str, value: Option<String>, rule: impl Into<String>) -> Problem {
        let setting = if key.is_empty() { "file".to_owned() } else { key.to_owned() };
        Problem { origin: Some(self.origin(at)), setting, value, rule: rule.into() }
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>, depth: usize) {
        if depth > CONFIG_DEPTH_MAX {
            let problem = self.problem(0, prefix, None, format!("nesting must be <= {CONFIG_DEPTH_MAX} tables"));
            self.problems.push(problem);
            return;
        }
        for (name, value) in table {
            let key = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            self.value(&key, name.span().start, value, depth);
        }
    }

    fn value(&mut self, key: &str, key_at: usize, value: &Spanned<DeValue<'_>>, depth: usize) {
        let at = value.span().start;
        let setting = Setting::find(key);
        // A section, or an unknown one: its keys are named one by one, each with its own suggestion.
        if let (DeValue::Table(table), None) = (value.get_ref(), setting)
            && !table.is_empty()
        {
            return self.table(key, table, depth + 1);
        }
        let Some(setting) = setting else {
            let origin = self.origin(key_at);
            return self.problems.push(unknown(key, Some(origin)));
        };
        match raw(value.get_ref()) {
            Some(raw) => {
                let origin = self.origin(at);
                self.fragment.put(setting, raw, origin);
            }
            None => {
                let rule = format!("must be a value, not {}", value.get_ref().type_str());
                let problem = self.problem(at, key, None, rule);
                self.problems.push(problem);
            }
        }
    }
}

/// The text of a value; the setting's kind judges it later, the same for all sources.
fn raw(value: &DeValue<'_>) -> Option<Raw> {
    match value {
        DeValue::String(text) => Some(Raw::One(text.to_string())),
        DeValue::Integer(number) if number.radix() == 10 => Some(Raw::One(number.as_str().to_owned())),
        DeValue::Boolean(switch) => Some(Raw::One(switch.to_string())),
        DeValue::Array(items) => items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(Raw::Many),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}
