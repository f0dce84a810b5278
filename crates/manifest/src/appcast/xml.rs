//! The feed's XML, bounded, with places for errors. Document types are refused, and with them every entity that could
//! grow or fetch anything.

use roxmltree::{Document, Node, ParsingOptions};
use tidegate_model::Invalid;

use crate::error::ManifestError;
use crate::limits;
use crate::tree::Mark;

/// Namespace of Sparkle's elements and attributes.
pub const SPARKLE: &str = "http://www.andymatuschak.org/xml-namespaces/sparkle";
/// Namespace of what only this import and export understand.
pub const TIDEGATE: &str = "urn:tidegate:appcast";

/// Errors and warnings of one feed, each with its line.
pub struct Report<'a> {
    source_name: &'a str,
    text: &'a str,
    /// What is refused, at most as many as are reported.
    pub errors: Vec<ManifestError>,
    /// What is taken with a change of meaning, likewise.
    pub warnings: Vec<String>,
}

impl<'a> Report<'a> {
    /// Of this text.
    pub fn new(source_name: &'a str, text: &'a str) -> Self {
        Self { source_name, text, errors: Vec::new(), warnings: Vec::new() }
    }

    /// Refuses what stands at this byte of the text. `document` names the item.
    pub fn refuse(&mut self, at: usize, document: &str, invalid: Invalid) {
        if self.errors.len() < limits::ERRORS_MAX {
            let error = ManifestError::at(self.source_name, self.mark(at), invalid);
            self.errors.push(ManifestError { document: document.to_owned(), ..error });
        }
    }

    /// Warns of what stands at this byte of the text.
    pub fn warn(&mut self, at: usize, text: &str) {
        match self.warnings.len() {
            count if count < limits::ERRORS_MAX => self.warnings.push(format!("line {}: {text}", self.mark(at).line)),
            limits::ERRORS_MAX => self.warnings.push(format!("more than {} warnings: the rest is left out", limits::ERRORS_MAX)),
            _ => {}
        }
    }

    /// Line and column. Costs a pass over the text: only errors and warnings ask, and they are bounded.
    fn mark(&self, at: usize) -> Mark {
        let before = self.text.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let newlines = before.bytes().filter(|byte| *byte == b'\n').count();
        Mark { line: newlines + 1, column: before[line_start..].chars().count() + 1 }
    }
}

/// Parses within the bounds.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse<'t>(source_name: &str, text: &'t str) -> Result<Document<'t>, Vec<ManifestError>> {
    let refuse = |mark, rule: String| vec![ManifestError::at(source_name, mark, Invalid::new("", "", rule))];
    if text.len() > limits::MANIFEST_BYTES_MAX {
        return Err(refuse(Mark::default(), format!("{} bytes must be at most {}", text.len(), limits::MANIFEST_BYTES_MAX)));
    }
    let nodes_limit = u32::try_from(limits::NODES_MAX).unwrap_or(u32::MAX);
    let options = ParsingOptions { allow_dtd: false, nodes_limit, entity_resolver: None };
    Document::parse_with_options(text, options).map_err(|error| {
        let at = error.pos();
        let mark = Mark { line: at.row as usize, column: at.col as usize };
        match error {
            roxmltree::Error::DtdDetected => refuse(mark, "must have no document type: it could define entities".to_owned()),
            roxmltree::Error::NodesLimitReached => refuse(mark, format!("must have at most {nodes_limit} nodes")),
            other => refuse(mark, format!("must be XML: {other}")),
        }
    })
}

/// True for an element of this name without namespace.
pub fn is_plain(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().namespace().is_none() && node.tag_name().name() == name
}

/// True for an element of Sparkle's.
pub fn is_sparkle(node: Node<'_, '_>, name: &str) -> bool {
    node.has_tag_name((SPARKLE, name))
}

/// The text in an element, without what surrounds it; child elements do not count.
pub fn text(node: Node<'_, '_>) -> String {
    let parts: String = node.children().filter(Node::is_text).filter_map(|part| part.text()).collect();
    parts.trim().to_owned()
}

/// Where an element begins, in bytes.
pub fn place(node: Node<'_, '_>) -> usize {
    node.range().start
}
