//! Where errors go while a document is read.

use tidegate_model::Invalid;

use crate::error::ManifestError;
use crate::limits;
use crate::tree::Node;

/// All errors of one call, bounded.
#[derive(Debug, Default)]
pub struct Errors {
    list: Vec<ManifestError>,
    left_out: usize,
}

impl Errors {
    /// Keeps an error, or counts it if there are too many already.
    pub fn push(&mut self, error: ManifestError) {
        if self.list.len() < limits::ERRORS_MAX { self.list.push(error) } else { self.left_out += 1 }
    }

    /// Number of errors so far.
    pub fn count(&self) -> usize {
        self.list.len() + self.left_out
    }

    /// The value, if there was no error; else all errors, those of one source in the order of its lines.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Vec<ManifestError>> {
        for of_one_source in self.list.chunk_by_mut(|a, b| a.source_name == b.source_name) {
            of_one_source.sort_by_key(|error| (error.line, error.column));
        }
        if self.left_out > 0
            && let Some(last) = self.list.last().cloned()
        {
            let rule = format!("is followed by {} more errors, which are not listed", self.left_out);
            self.list.push(ManifestError { field: String::new(), value: String::new(), rule, ..last });
        }
        if self.list.is_empty() { Ok(value) } else { Err(self.list) }
    }
}

/// The document that is being read.
pub struct Context<'a> {
    source_name: &'a str,
    errors: &'a mut Errors,
    /// Such as `release r5`; empty until kind and id are known.
    pub document: String,
}

impl<'a> Context<'a> {
    /// For the next document of a source.
    pub fn new(source_name: &'a str, errors: &'a mut Errors) -> Self {
        Self { source_name, errors, document: String::new() }
    }

    /// Number of errors of the call so far.
    pub fn error_count(&self) -> usize {
        self.errors.count()
    }

    /// Keeps an error that was found elsewhere.
    pub fn push(&mut self, error: ManifestError) {
        self.errors.push(error);
    }

    /// The value of `node`, known as `field`, breaks a rule.
    pub fn refuse(&mut self, node: &Node, field: &str, rule: impl Into<String>) {
        self.report(node, node.refuse(field, rule));
    }

    /// `invalid` holds at the place of `node`.
    pub fn report(&mut self, node: &Node, invalid: Invalid) {
        let error = ManifestError::at(self.source_name, node.mark, invalid);
        self.errors.push(ManifestError { document: self.document.clone(), ..error });
    }
}
