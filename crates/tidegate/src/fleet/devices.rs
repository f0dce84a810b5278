//! Reads lists of devices, line by line: CSV with a header, or a check request in JSON on each line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use tidegate_manifest::check::{CheckRequest, request_from_json};
use tidegate_model::limits::ID_BYTES_MAX;

use super::{DEVICES_MAX, LINE_BYTES_MAX};
use crate::exit::{Failure, Outcome};

/// What devices are asked as that do not say it themselves.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// Product.
    pub product: Option<String>,
    /// Release that they run.
    pub release: Option<String>,
}

impl Defaults {
    /// Completes a request.
    pub fn complete(&self, mut device: CheckRequest) -> CheckRequest {
        let says_nothing = device.release.is_none() && device.bundle.is_none() && device.version.is_none();
        if says_nothing {
            device.release.clone_from(&self.release);
        }
        device
    }
}

/// Calls `each` for every device of the file (`-`: standard input), in order.
///
/// # Errors
/// The first line that cannot be read, with its number; nothing after it is read.
pub fn read(path: &Path, defaults: &Defaults, each: impl FnMut(CheckRequest)) -> Outcome {
    let name = path.display().to_string();
    let open = || -> std::io::Result<Box<dyn Read>> {
        Ok(if name == "-" { Box::new(std::io::stdin().lock()) } else { Box::new(File::open(path)?) })
    };
    let file = open().map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
    read_from(&name, BufReader::new(file), defaults, each)
}

fn read_from(name: &str, mut file: impl BufRead, defaults: &Defaults, mut each: impl FnMut(CheckRequest)) -> Outcome {
    let mut header: Option<Vec<String>> = None;
    let mut count = 0;
    let mut number = 0_u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        number += 1;
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
        let refuse = |rule: String| Failure::usage(format!("{name}:{number}: {rule}"));
        let bytes = file.by_ref().take(limit).read_until(b'\n', &mut line).map_err(|error| refuse(error.to_string()))?;
        if bytes == 0 {
            return Ok(());
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(refuse(format!("line must be at most {LINE_BYTES_MAX} bytes")));
        }
        let text =
            std::str::from_utf8(&line).map_err(|_| refuse("line must be UTF-8".to_owned()))?.trim_end_matches(['\n', '\r']);
        let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        if text.trim().is_empty() {
            continue;
        }
        let device = if header.is_none() && text.trim_start().starts_with('{') {
            from_json(text, defaults)
        } else if let Some(header) = &header {
            cells(text).and_then(|cells| from_cells(header, cells, defaults))
        } else {
            header = Some(columns(text).map_err(refuse)?);
            continue;
        };
        count += 1;
        if count > DEVICES_MAX {
            return Err(refuse(format!("list must have at most {DEVICES_MAX} devices")));
        }
        each(defaults.complete(device.map_err(refuse)?));
    }
}

/// A check request, but that the product may be left out.
fn from_json(text: &str, defaults: &Defaults) -> Result<CheckRequest, String> {
    // Of a field that stands twice the last one counts.
    let with_product = defaults.product.as_ref().and_then(|product| {
        let rest = text.trim_start().strip_prefix('{')?;
        let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
        Some(format!("{{\"product\":\"{product}\"{comma}{rest}"))
    });
    let own = request_from_json(text.as_bytes());
    match (own, with_product) {
        (Err(error), Some(text)) if error.field() == Some("product") => {
            request_from_json(text.as_bytes()).map_err(|error| error.to_string())
        }
        (own, _) => own.map_err(|error| error.to_string()),
    }
}

const COLUMNS: [&str; 9] = ["device", "product", "release", "bundle", "version", "mode", "group", "security_epoch", "tags"];

/// The header: known columns, and `attr.NAME` for attributes.
fn columns(text: &str) -> Result<Vec<String>, String> {
    let columns: Vec<String> = cells(text)?.iter().map(|cell| cell.trim().to_owned()).collect();
    for (i, column) in columns.iter().enumerate() {
        let is_attribute = column.strip_prefix("attr.").is_some_and(|name| !name.is_empty());
        if !COLUMNS.contains(&column.as_str()) && !is_attribute {
            return Err(format!("column {column:?} must be one of {} or attr.NAME", COLUMNS.join(", ")));
        }
        if columns[..i].contains(column) {
            return Err(format!("column {column:?} must not occur twice"));
        }
    }
    Ok(columns)
}

/// One row. Tags are separated by blanks or semicolons; an empty cell says nothing.
fn from_cells(header: &[String], cells: Vec<String>, defaults: &Defaults) -> Result<CheckRequest, String> {
    if cells.len() != header.len() {
        return Err(format!("row of {} cells must have {}, as the header", cells.len(), header.len()));
    }
    let mut fields = serde_json::Map::new();
    let mut attributes = serde_json::Map::new();
    for (column, cell) in header.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
        let value = match column.as_str() {
            "tags" => cell.split([' ', ';']).filter(|tag| !tag.is_empty()).collect(),
            "group" | "security_epoch" => {
                cell.parse::<u64>().map_err(|_| format!("{column}: {cell:?} must be a whole number"))?.into()
            }
            _ => serde_json::Value::from(cell),
        };
        match column.strip_prefix("attr.") {
            Some(name) => attributes.insert(name.to_owned(), value),
            None => fields.insert(column.clone(), value),
        };
    }
    if !attributes.is_empty() {
        fields.insert("attributes".to_owned(), attributes.into());
    }
    from_json(&serde_json::Value::Object(fields).to_string(), defaults)
}

/// The cells of a row: separated by commas, within double quotes as they are, a quote in quotes doubled. A cell holds no
/// line break.
fn cells(text: &str) -> Result<Vec<String>, String> {
    let mut cells = vec![String::new()];
    let mut chars = text.chars().peekable();
    let mut in_quotes = false;
    while let Some(c) = chars.next() {
        let cell = cells.last_mut().expect("there is a cell from the beginning on");
        match c {
            '"' if in_quotes && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' if in_quotes => in_quotes = false,
            '"' if cell.is_empty() => in_quotes = true,
            ',' if !in_quotes => cells.push(String::new()),
            _ => cell.push(c),
        }
    }
    if in_quotes { Err("quotes must be closed on the same line".to_owned()) } else { Ok(cells) }
}

/// The product that lines may leave out: the one that is named, or the only one there is.
pub fn default_product<'p>(products: impl IntoIterator<Item = &'p str>) -> Option<String> {
    let mut products = products.into_iter();
    match (products.next(), products.next()) {
        (Some(only), None) if only.len() <= ID_BYTES_MAX => Some(only.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Vec<CheckRequest>, String> {
        let defaults = Defaults { product: Some("os".to_owned()), release: Some("r0".to_owned()) };
        let mut devices = Vec::new();
        read_from("fleet", text.as_bytes(), &defaults, |device| devices.push(device)).map_err(|failure| failure.to_string())?;
        Ok(devices)
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let csv = list("device,version,attr.model,tags\nd1,1.0,\"a,\"\"b\"\"\",x;y\nd2,,,\n").unwrap();
        let json = list("{\"device\":\"d1\",\"version\":\"1.0\",\"attributes\":{\"model\":\"a,\\\"b\\\"\"},\"tags\":[\"x\",\"y\"]}\n\n{\"device\":\"d2\"}").unwrap();
        assert_eq!(csv, json);
        assert_eq!((csv[0].release.as_deref(), csv[1].release.as_deref()), (None, Some("r0")));
        assert!(csv.iter().all(|device| device.product == "os"));
        assert_eq!(list("{}\n{\"product\":\"app\"}").unwrap()[1].product, "app");
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        for (text, expected) in [
            ("device,colour\n", "fleet:1: column \"colour\" must be one of"),
            ("device,device\n", "fleet:1: column \"device\" must not occur twice"),
            ("device,tags\nd1\n", "fleet:2: row of 1 cells must have 2"),
            ("device\n\"d1\n", "fleet:2: quotes must be closed"),
            ("group\nx\n", "fleet:2: group: \"x\" must be a whole number"),
            ("group\n9\n", "fleet:2: group"),
            ("{\"device\":\"d1\"}\n{\"device\":\n", "fleet:2: body is no JSON object"),
        ] {
            let error = list(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(list(&"x".repeat(LINE_BYTES_MAX + 1)).unwrap_err().contains("must be at most"));
    }
}
