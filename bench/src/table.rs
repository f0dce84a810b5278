//! Tables for reading.

use comfy_table::{ContentArrangement, Table, presets};

/// Prints a titled table to standard output.
#[allow(clippy::print_stdout, reason = "what this program is for")]
pub fn print(title: &str, header: &[&str], rows: &[Vec<String>]) {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    rows.iter().for_each(|row| {
        table.add_row(row);
    });
    println!("\n## {title}\n\n{table}");
}

/// Prints one line to standard output.
#[allow(clippy::print_stdout, reason = "what this program is for")]
pub fn say(text: impl std::fmt::Display) {
    println!("{text}");
}
