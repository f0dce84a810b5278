//! Prints data: tables for people, JSON and YAML for programs. Data goes to standard output, everything else to
//! standard error.
#![allow(clippy::print_stdout, reason = "printing is what this module is for")]

use comfy_table::{ContentArrangement, Table, presets};
use tidegate_manifest::print::Value;

use crate::cli::Output;

/// Prints one value, or rows of a table of the `columns` picked from it.
pub fn print(output: Output, value: &Value, columns: &[(&str, &str)]) {
    match output {
        Output::Json => println!("{}", value.to_json()),
        Output::Yaml => print!("{}", yaml(value)),
        Output::Table => println!("{}", table(rows_of(value), columns)),
    }
}

/// Prints a list of documents: JSON as one list, YAML as one document each.
pub fn print_documents(output: Output, values: Vec<Value>, columns: &[(&str, &str)]) {
    if output == Output::Yaml {
        let texts: Vec<String> = values.iter().map(yaml).collect();
        print!("{}", texts.join("---\n"));
    } else {
        print(output, &Value::List(values), columns);
    }
}

/// Prints text that has a format of its own.
pub fn print_text(text: &str) {
    print!("{text}");
}

/// A line for the person at the terminal.
pub fn note(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// A map, its entries in the order given.
pub fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A number if there is one.
pub fn number(number: Option<u64>) -> Value {
    number.map_or(Value::Null, Value::number)
}

/// A number that may be negative, if there is one.
pub fn signed(number: Option<i64>) -> Value {
    number.map_or(Value::Null, |number| Value::Number(number.to_string()))
}

/// A text, or nothing if it is empty.
pub fn text(text: impl AsRef<str>) -> Value {
    if text.as_ref().is_empty() { Value::Null } else { Value::text(text.as_ref()) }
}

fn yaml(value: &Value) -> String {
    value.to_yaml()
}

fn rows_of(value: &Value) -> Vec<&Value> {
    match value {
        Value::List(items) => items.iter().collect(),
        other => vec![other],
    }
}

fn table(rows: Vec<&Value>, columns: &[(&str, &str)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|(title, _)| title.to_uppercase()));
    for row in rows {
        table.add_row(columns.iter().map(|(_, path)| cell(find(row, path))));
    }
    table
}

/// The value at a dotted path.
fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| match value {
        Value::Map(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value),
        _ => None,
    })
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Bool(flag)) => (if *flag { "yes" } else { "no" }).to_owned(),
        Some(Value::Number(text) | Value::Text(text)) => text.clone(),
        Some(Value::List(items)) => items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(","),
        Some(map @ Value::Map(_)) => map.to_json(),
    }
}
