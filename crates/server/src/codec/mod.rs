//! Between this crate's neighbours: log entries, results, state records and journal rows as bytes and back.
//!
//! Shapes only. What cannot be read is named; nothing is guessed, skipped or defaulted.

mod result;
mod rows;
mod state;

pub use result::{outcome_out, rejection_out, result_in, result_out};
pub use rows::{audit_row, history_row};
pub use state::{FrozenState, read_state};
pub(crate) use state::{role_out, settings_out};

use bytes::Bytes;
use prost::Message;
use tidegate_model::{Command, Document, Entry, Object, ObjectRef};
use tidegate_proto::types::v1 as types;
use tidegate_proto::{EntryError, Malformed};

use crate::limits::GROUP;
use crate::refusal::{Door, Refusal};
use crate::wire::{Answer, Question, Refused, answer, question};

/// A log entry as consensus carries it.
#[must_use]
pub fn encode_entry(entry: &Entry) -> Bytes {
    tidegate_proto::encode_entry(GROUP, entry).into()
}

/// Reads a log entry.
///
/// # Errors
/// The bytes mean nothing to this build: the node has to stop.
pub fn decode_entry(payload: &[u8]) -> Result<Entry, EntryError> {
    tidegate_proto::decode_entry(GROUP, payload)
}

/// Reads what the application answered to a proposal.
///
/// # Errors
/// It is no result.
pub fn decode_result(response: &[u8]) -> Result<types::Result, prost::DecodeError> {
    types::Result::decode(response)
}

/// A command as another server or a log entry carries it.
#[must_use]
pub fn command_out(command: &Command) -> types::Command {
    command.into()
}

/// Reads a command.
///
/// # Errors
/// The malformed field.
pub fn command_in(command: types::Command) -> Result<Command, Door> {
    Command::try_from(command).map_err(malformed)
}

/// Reads the documents of an apply; `document` in the fields of an error counts them.
///
/// # Errors
/// All malformed documents, each with its first malformed field.
pub fn documents_in(documents: Vec<types::Document>) -> Result<Vec<Document>, Door> {
    let mut read = Vec::with_capacity(documents.len());
    let mut violations = Vec::new();
    for (number, document) in (0_u32..).zip(documents) {
        match Document::try_from(document) {
            Ok(document) => read.push(document),
            Err(error) => violations.push(violation(Some(number), error)),
        }
    }
    if violations.is_empty() { Ok(read) } else { Err(Door::Invalid(violations)) }
}

/// An object as answers show it.
#[must_use]
pub fn object_out(object: &Object) -> types::Object {
    object.into()
}

/// Names an object.
#[must_use]
pub fn reference_out(reference: &ObjectRef) -> types::ObjectRef {
    reference.into()
}

/// Reads the name of an object.
///
/// # Errors
/// The malformed field.
pub fn reference_in(reference: Option<types::ObjectRef>) -> Result<ObjectRef, Door> {
    let reference = reference.ok_or_else(|| Door::field("object", "", "must be set"))?;
    ObjectRef::try_from(reference).map_err(malformed)
}

/// What is wrong with a message, as a refusal.
#[must_use]
pub fn malformed(error: Malformed) -> Door {
    Door::Invalid(vec![violation(None, error)])
}

fn violation(document: Option<u32>, error: Malformed) -> types::FieldViolation {
    let invalid = error.into_invalid();
    types::FieldViolation { document, field: invalid.field, value: invalid.value, rule: invalid.rule, object: None }
}

/// A question to another server.
#[must_use]
pub fn encode_question(kind: question::Kind) -> Bytes {
    Question { kind: Some(kind) }.encode_to_vec().into()
}

/// Reads another server's answer; `None` if it means nothing to this build.
#[must_use]
pub fn decode_answer(answer: &[u8]) -> Option<answer::Kind> {
    Answer::decode(answer).ok()?.kind
}

/// Rows of the journal for another node. Blocks on the disk.
pub(crate) fn rows_answer(books: &crate::journal::Books, question: crate::wire::RowsQuestion) -> answer::Kind {
    match books.rows(question.from_index, question.to_index) {
        Ok(rows) => answer::Kind::Rows(rows),
        Err(door) => answer::Kind::Refused(refusal_out(door.into())),
    }
}

/// A refusal as the asking server passes it on. A rejection never comes here: it is a result.
#[must_use]
pub fn refusal_out(refusal: Refusal) -> Refused {
    let status = tonic::Status::from(refusal.clone());
    let fields = match &refusal {
        Refusal::Door(Door::Invalid(fields)) => fields.clone(),
        Refusal::Door(_) | Refusal::Rejected(_) => Vec::new(),
    };
    let (code, message) = (refusal.code().to_owned(), status.message().to_owned());
    Refused { code, message, grpc: status.code() as i32, fields }
}

/// Reads a refusal that another server gave to the request `request_id`.
#[must_use]
pub fn refusal_in(refused: Refused, request_id: &str) -> Refusal {
    Refusal::Door(match refused.code.as_str() {
        "NO_LEADER" => Door::NoLeader,
        "BUSY" => Door::Busy,
        "DISK_LOW" => Door::DiskLow,
        "NOT_READY" => Door::NotReady,
        "UNKNOWN_OUTCOME" if request_id.is_empty() => Door::UnknownChange,
        "UNKNOWN_OUTCOME" => Door::UnknownOutcome { request_id: request_id.to_owned() },
        "INVALID_REQUEST" => Door::Invalid(refused.fields),
        _ => Door::Relayed { code: refused.code, message: refused.message, grpc: refused.grpc },
    })
}

#[cfg(test)]
mod tests;
