//! Reads the stream's document, strictly: what is not understood cannot be followed safely.

use std::collections::BTreeSet;

use tidegate_model::{DottedVersion, Invalid, Ppm, Ramp, RampStep, Span, Timestamp, VersionScheme, VersionText};

use crate::error::ManifestError;
use crate::stream::{Entry, Habits, Order, Rollout, Stream};
use crate::tree::{self, Data, Look, Node};
use crate::{limits, scalar};

/// Reads a document.
///
/// # Errors
/// All of them.
pub fn read(source_name: &str, text: &str) -> Result<Stream, Vec<ManifestError>> {
    if text.len() > limits::MANIFEST_BYTES_MAX {
        let rule = format!("{} bytes must be at most {}", text.len(), limits::MANIFEST_BYTES_MAX);
        return Err(vec![ManifestError::at(source_name, tree::Mark::default(), Invalid::new("", "", rule))]);
    }
    let (nodes, errors) = tree::read(source_name, text, &mut tree::Budget::default());
    let mut reader = Reader { source_name, errors, warnings: Vec::new() };
    let stream = match nodes.as_slice() {
        [node] => reader.stream(node),
        _ if !reader.errors.is_empty() => None,
        _ => {
            let rule = format!("{} documents must be one", nodes.len());
            reader.errors.push(ManifestError::at(source_name, tree::Mark::default(), Invalid::new("", "", rule)));
            None
        }
    };
    match stream {
        Some(stream) if reader.errors.is_empty() => Ok(Stream { warnings: reader.warnings, ..stream }),
        _ => Err(reader.errors),
    }
}

struct Reader<'a> {
    source_name: &'a str,
    errors: Vec<ManifestError>,
    warnings: Vec<String>,
}

/// Latest instant that a stream may name: the end of the year 9999.
const INSTANT_SECS_MAX: u64 = 253_402_300_799;

impl Reader<'_> {
    fn refuse(&mut self, node: &Node, field: &str, rule: impl Into<String>) {
        if self.errors.len() < limits::ERRORS_MAX {
            self.errors.push(ManifestError::at(self.source_name, node.mark, node.refuse(field, rule)));
        }
    }

    fn stream(&mut self, node: &Node) -> Option<Stream> {
        self.known_fields(node, "", &["stream", "metadata", "releases", "note"]);
        let written_at = node.get("metadata").and_then(|metadata| metadata.get("last-modified"));
        let written_at = written_at.and_then(|written| {
            let read = scalar::instant(written.quote());
            if read.is_none() {
                self.refuse(written, "metadata.last-modified", "must be an instant such as 2026-01-01T00:00:00Z");
            }
            read
        });
        let Some(Node { data: Data::List(items), .. }) = node.get("releases") else {
            self.refuse(node, "releases", "must be a list");
            return None;
        };
        if items.len() > limits::STREAM_RELEASES_MAX {
            self.refuse(node, "releases", format!("must be at most {}", limits::STREAM_RELEASES_MAX));
            return None;
        }
        let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
        for (i, item) in items.iter().enumerate() {
            if let Some(entry) = self.entry(item, &format!("releases[{i}]")) {
                if !seen.insert(entry.version) {
                    self.refuse(item.get("version").unwrap_or(item), &format!("releases[{i}].version"), "is there twice");
                }
                entries.push(entry);
            }
        }
        entries.sort_by_key(|entry| entry.version);
        let habits = Habits {
            scheme: VersionScheme::Dotted,
            client_phased: false,
            follows: None,
            auto_complete: false,
            interactive_bypasses_phase: false,
        };
        Some(Stream { written_at, entries, warnings: Vec::new(), order: Order::Dotted, habits })
    }

    fn entry(&mut self, node: &Node, path: &str) -> Option<Entry> {
        self.known_fields(node, path, &["version", "metadata"]);
        let field = format!("{path}.version");
        let Some(written) = node.get("version").filter(|version| is_text(version)) else {
            self.refuse(node.get("version").unwrap_or(node), &field, "must be text");
            return None;
        };
        let read = DottedVersion::parse(written.quote()).and_then(|version| {
            let text = VersionText::new(written.quote())?;
            Ok((version, text))
        });
        let (version, text) = match read {
            Ok(read) => read,
            Err(invalid) => {
                self.refuse(written, &field, invalid.rule);
                return None;
            }
        };
        let path = format!("{path}.metadata");
        let empty = Node::unmarked(Data::Map(Vec::new()));
        let metadata = node.get("metadata").unwrap_or(&empty);
        self.known_fields(metadata, &path, &["barrier", "deadend", "rollout"]);
        let barrier = metadata.get("barrier").and_then(|barrier| self.reason(barrier, &format!("{path}.barrier")));
        let dead_end = metadata.get("deadend").and_then(|dead_end| self.reason(dead_end, &format!("{path}.deadend")));
        let rollout = metadata.get("rollout").and_then(|rollout| self.rollout(rollout, &format!("{path}.rollout")));
        if barrier.is_some() && dead_end.is_some() {
            self.refuse(metadata, &path, "must not be both barrier and deadend: nobody could ever go on");
        }
        if dead_end.is_some() && rollout.is_some() {
            self.warnings.push(format!("{text}: has a rollout but is a dead end: nobody is sent there"));
        }
        Some(Entry { text, version, barrier, dead_end, rollout, details: None })
    }

    fn reason(&mut self, node: &Node, path: &str) -> Option<String> {
        self.known_fields(node, path, &["reason"]);
        let Some(reason) = node.get("reason").filter(|reason| !reason.is_null()) else { return Some(String::new()) };
        if !is_text(reason) || reason.quote().len() > tidegate_model::limits::TEXT_BYTES_MAX / 2 {
            self.refuse(reason, &format!("{path}.reason"), "must be text of at most 2048 bytes");
            return None;
        }
        Some(reason.quote().to_owned())
    }

    fn rollout(&mut self, node: &Node, path: &str) -> Option<Rollout> {
        self.known_fields(node, path, &["start_epoch", "start_percentage", "duration_minutes"]);
        let number = |reader: &mut Self, name: &str, min: u64, max: u64| {
            let written = node.get(name).filter(|value| !value.is_null())?;
            let read = Some(written).filter(|node| is_number(node)).and_then(|node| scalar::number(node.quote()));
            if read.is_none_or(|read| !(min..=max).contains(&read)) {
                reader.refuse(written, &format!("{path}.{name}"), format!("must be a whole number from {min} to {max}"));
            }
            read
        };
        let epoch = number(self, "start_epoch", 0, INSTANT_SECS_MAX);
        let minutes = number(self, "duration_minutes", 1, tidegate_model::limits::SPAN_MS_MAX / 60_000);
        let from = match node.get("start_percentage").filter(|value| !value.is_null()) {
            Some(written) => self.fraction(written, &format!("{path}.start_percentage"))?,
            None => Ppm::NOBODY,
        };
        let origin = Timestamp::from_secs(i64::try_from(epoch.unwrap_or(0)).unwrap_or(i64::MAX));
        // Without a beginning the ramp began in 1970: a duration has long passed.
        if epoch.is_none() && (from == Ppm::EVERYBODY || minutes.is_some()) {
            return Some(Rollout::Full);
        }
        let ramp = match minutes {
            Some(minutes) if from != Ppm::EVERYBODY => {
                Ramp::Linear { from, duration: Span::from_secs(minutes.saturating_mul(60)) }
            }
            _ => Ramp::Steps(vec![RampStep { offset: Span::ZERO, share: from }]),
        };
        Some(Rollout::Throttled { origin, ramp })
    }

    /// A fraction from 0 to 1 (in spite of its name in the document), read digit by digit, rounded down to millionths.
    fn fraction(&mut self, node: &Node, path: &str) -> Option<Ppm> {
        let read = || {
            let text = Some(node).filter(|node| is_number(node))?.quote();
            let (whole, part) = text.split_once('.').unwrap_or((text, ""));
            let (kept, rest) = part.split_at_checked(6).unwrap_or((part, ""));
            let is_rounded = rest.bytes().any(|digit| digit != b'0');
            let share = scalar::decimal(&format!("{whole}.{kept}"), 6)?;
            let is_plain = rest.bytes().all(|digit| digit.is_ascii_digit());
            let share = Ppm::new(u32::try_from(share).ok()?).ok()?;
            (is_plain && !(share == Ppm::EVERYBODY && is_rounded)).then_some((share, is_rounded))
        };
        match read() {
            Some((share, is_rounded)) => {
                if is_rounded {
                    self.warnings.push(format!("{path}: {} is rounded down to {} %", node.quote(), share));
                }
                Some(share)
            }
            None => {
                self.refuse(node, path, "must be a plain decimal from 0 to 1");
                None
            }
        }
    }

    /// Fields that are not understood are named: nothing is followed in silence.
    fn known_fields(&mut self, node: &Node, path: &str, known: &[&str]) {
        let Data::Map(fields) = &node.data else {
            self.refuse(node, path, "must be a map");
            return;
        };
        for field in fields.iter().filter(|field| !known.contains(&field.name.as_str())).take(limits::ERRORS_MAX) {
            let whole = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
            self.warnings.push(format!("line {}: {whole} is not known and ignored", field.mark.line));
        }
    }
}

fn look(node: &Node) -> Option<Look> {
    match &node.data {
        Data::Scalar(scalar) => Some(scalar.look()),
        Data::List(_) | Data::Map(_) => None,
    }
}

fn is_text(node: &Node) -> bool {
    look(node) == Some(Look::Text)
}

fn is_number(node: &Node) -> bool {
    look(node) == Some(Look::Number)
}
