//! The difference of two manifests, field by field.
#![allow(clippy::print_stdout, reason = "the data of a diff")]

use tidegate_manifest::print::Value;
use tidegate_model::ObjectRef;

/// Fields that are instructions for creation or publication and stored nowhere: they cannot differ.
const INSTRUCTIONS: [&str; 5] = ["previous", "next", "adopt", "replace", "expected_version"];

/// Prints what is added (`+`), removed (`-`) and changed (`~`); nothing if both say the same.
pub fn show(reference: &ObjectRef, now: Option<&Value>, wanted: &Value) {
    let lines = lines(now, wanted);
    if lines.is_empty() {
        return;
    }
    println!("{reference}{}", if now.is_none() { " (new)" } else { "" });
    lines.iter().for_each(|line| println!("  {line}"));
}

fn lines(now: Option<&Value>, wanted: &Value) -> Vec<String> {
    let (now, wanted) = (now.map(fields).unwrap_or_default(), fields(wanted));
    let find = |list: &[(String, String)], name: &str| list.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let mut lines = Vec::new();
    for (name, value) in &wanted {
        match find(&now, name) {
            None => lines.push(format!("+ {name}: {value}")),
            Some(old) if old != *value => lines.push(format!("~ {name}: {old} -> {value}")),
            Some(_) => {}
        }
    }
    for (name, old) in &now {
        if find(&wanted, name).is_none() {
            lines.push(format!("- {name}: {old}"));
        }
    }
    lines
}

fn fields(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Map(fields) => fields
            .iter()
            .filter(|(name, _)| !INSTRUCTIONS.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect(),
        other => vec![(String::new(), other.to_json())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> Value {
        Value::Map(entries.iter().map(|(name, value)| ((*name).to_owned(), Value::text(value))).collect())
    }

    #[test]
    fn a_diff_names_added_changed_and_removed_fields() {
        let now = map(&[("id", "a"), ("notes", "old"), ("gone", "x")]);
        let wanted = map(&[("id", "a"), ("notes", "new"), ("more", "y"), ("adopt", "completed")]);
        assert_eq!(lines(Some(&now), &wanted), ["~ notes: \"old\" -> \"new\"", "+ more: \"y\"", "- gone: \"x\""]);
        assert!(lines(Some(&now), &now).is_empty());
        assert_eq!(lines(None, &map(&[("id", "a")])), ["+ id: \"a\""]);
    }
}
