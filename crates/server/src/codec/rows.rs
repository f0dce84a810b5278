//! Rows of the journal: what the state machine reports about an entry, as stored bytes.

use bytes::Bytes;
use tidegate_machine::AuditRecord;
use tidegate_model::CatalogChange;
use tidegate_proto::storage::v1 as storage;

/// The history row of one changed object. `version` is its compare-and-set number, of a removed object the last one.
#[must_use]
pub fn history_row(record: &AuditRecord, config_version: u64, change: &CatalogChange, version: u64) -> storage::HistoryRow {
    storage::HistoryRow {
        index: record.index,
        config_version,
        at_ms: record.at.as_millis(),
        principal: record.principal.to_string(),
        request_id: record.request_id.to_string(),
        change: Some(change.into()),
        version,
    }
}

/// The audit row of one entry.
#[must_use]
pub fn audit_row(record: &AuditRecord) -> storage::AuditRow {
    let result = match &record.result {
        Ok(config_version) => storage::audit_row::Result::ConfigVersion(*config_version),
        Err(code) => storage::audit_row::Result::Refused(code.as_str().to_owned()),
    };
    storage::AuditRow {
        index: record.index,
        number: record.number,
        at_ms: record.at.as_millis(),
        principal: record.principal.to_string(),
        request_id: record.request_id.to_string(),
        action: record.action.clone(),
        reason: record.reason.clone(),
        command_digest: Bytes::copy_from_slice(&record.command.0),
        replayed: record.replayed,
        objects: record.objects.iter().map(Into::into).collect(),
        head: Bytes::copy_from_slice(&record.head.0),
        result: Some(result),
    }
}
