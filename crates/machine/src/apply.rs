//! Applying entries: the one way in which the state changes.
//!
//! The order is: time, credentials, remembered answers, the command itself, and the books (change table, answers, audit).
//! A command works on an [`Edit`], a view that is thrown away when it is refused, so that a refusal leaves no trace but
//! the books.

use std::sync::Arc;

use tidegate_model::{Catalog, CatalogChange, Digest, Entry, ProductId};

use crate::audit::{self, AuditRecord};
use crate::commands;
use crate::edit::Edit;
use crate::limits;
use crate::outcome::Outcome;
use crate::rejection::{Cause, Rejection};
use crate::requests::RequestRecord;
use crate::settings::{CONTROLLER, is_for_the_controller, role_needed};
use crate::state::State;

/// What applying one entry gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer for the caller.
    pub result: Result<Outcome, Rejection>,
    /// How the catalog changed: one change per object, its new content or its removal. These are also the rows for the
    /// history of the objects. Policies come after their release, so that a catalog can be brought forward with them.
    pub changes: Arc<[CatalogChange]>,
    /// What each of them took the place of.
    pub replaced: Vec<Replaced>,
    /// The record for the audit.
    pub audit: AuditRecord,
    /// Whether the answer was remembered: the entry was a retry and had no effect.
    pub replayed: bool,
}

/// What an object was before a change. Told here so that nobody has to keep the catalog of before: while it is held, each
/// entry copies its way through the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Its compare-and-set number; 0 if there was none of this name.
    pub version: u64,
    /// The product that it belonged to; `None` for one of the whole cluster and for one that was not there.
    pub product: Option<ProductId>,
}

/// Applies the entry at `index`. Total and deterministic: it depends on nothing but its arguments, never panics, and a
/// refusal changes nothing but log time, the remembered answers and the audit head.
pub fn apply(state: &mut State, index: u64, entry: &Entry) -> Applied {
    state.applied_index = index;
    state.log_time = state.log_time.max(entry.proposed_at);
    state.requests.forget_old(state.log_time);

    let digest = entry.command.digest();
    let refusal = |state: &State, cause: Cause| cause.into_rejection(|object| version_of(state, object));
    let (result, changes, replayed) = match admit(state, entry, digest) {
        Err(cause) => (Err(refusal(state, cause)), Changes::default(), false),
        Ok(Admitted::Replay(result)) => (result, Changes::default(), true),
        Ok(Admitted::New) => {
            let (result, changes) = match carry_out(state, index, entry) {
                Ok((outcome, changes)) => (Ok(outcome), changes),
                Err(cause) => (Err(refusal(state, cause)), Changes::default()),
            };
            let record = RequestRecord { digest, index, at: state.log_time, result: result.clone() };
            let key = (entry.principal.clone(), entry.request_id.clone());
            state.requests.remember(Arc::new((key, record)));
            (result, changes, false)
        }
    };
    let (changes, replaced) = changes;
    let audit = write_audit(state, entry, digest, &result, &changes, replayed);
    Applied { result, changes: changes.into(), replaced, audit, replayed }
}

/// Notes an entry that holds no command (blank, membership): only the applied index moves.
pub fn skip(state: &mut State, index: u64) {
    state.applied_index = index;
}

enum Admitted {
    New,
    Replay(Result<Outcome, Rejection>),
}

/// Who asks, and whether it was asked before.
fn admit(state: &State, entry: &Entry, digest: Digest) -> Result<Admitted, Cause> {
    let (principal, needs) = (&entry.principal, role_needed(&entry.command));
    let has = state.role_of(principal);
    if has < Some(needs) {
        return Err(Cause::Forbidden { principal: principal.clone(), has, needs });
    }
    if is_for_the_controller(&entry.command) && principal.as_str() != CONTROLLER {
        return Err(Cause::ControllerOnly { principal: principal.clone() });
    }
    if let Some(token) = state.tokens.get(principal).filter(|token| token.auth_epoch > entry.auth_epoch) {
        let (changed, admitted) = (token.auth_epoch, entry.auth_epoch);
        return Err(Cause::CredentialsChanged { principal: principal.clone(), changed, admitted });
    }
    match state.requests.get(principal, &entry.request_id) {
        Some(record) if record.digest == digest => Ok(Admitted::Replay(record.result.clone())),
        Some(_) => Err(Cause::RequestIdReused { principal: principal.clone(), request_id: entry.request_id.clone() }),
        None if state.requests.has_room(&entry.command) => Ok(Admitted::New),
        None => Err(Cause::RequestTableFull { max: limits::REQUESTS_MAX }),
    }
}

/// Changes, and what each of them took the place of.
type Changes = (Vec<CatalogChange>, Vec<Replaced>);

/// The command itself. Nothing of it is visible in the state unless all of it succeeded.
fn carry_out(state: &mut State, index: u64, entry: &Entry) -> Result<(Outcome, Changes), Cause> {
    let config_version = state.genesis.version_base.saturating_add(index);
    let mut edit = Edit::new(state, config_version, entry);
    commands::carry_out(&mut edit, &entry.command)?;
    let done = edit.finish();
    let replaced = done.changes.iter().map(|change| replaced_by(&state.catalog, change)).collect();
    if !done.changes.is_empty() {
        state.config_version = config_version;
        for change in &done.changes {
            state.catalog.apply(change);
        }
        state.changes.push(config_version, done.changes.iter().map(CatalogChange::reference).collect());
    }
    state.index = done.index;
    state.settings = done.settings;
    state.tokens = done.tokens;
    state.auth_epoch = done.auth_epoch;
    let outcome = Outcome { config_version: state.config_version, objects: done.objects, warnings: done.warnings };
    Ok((outcome, (done.changes, replaced)))
}

fn replaced_by(before: &Catalog, change: &CatalogChange) -> Replaced {
    before
        .get(&change.reference())
        .map_or_else(Replaced::default, |object| Replaced { version: object.version(), product: before.product_of(&object) })
}

fn write_audit(
    state: &mut State,
    entry: &Entry,
    command: Digest,
    result: &Result<Outcome, Rejection>,
    changes: &[CatalogChange],
    replayed: bool,
) -> AuditRecord {
    let mut record = AuditRecord {
        number: state.audit.count + 1,
        index: state.applied_index,
        at: state.log_time,
        principal: entry.principal.clone(),
        request_id: entry.request_id.clone(),
        action: audit::action_of(&entry.command),
        reason: audit::reason_of(&entry.command),
        command,
        result: result.as_ref().map(|outcome| outcome.config_version).map_err(|rejection| rejection.code),
        replayed,
        objects: changes.iter().map(CatalogChange::reference).collect(),
        head: state.audit.head,
    };
    record.head = record.chain(state.audit.head);
    state.audit.count = record.number;
    state.audit.head = record.head;
    record
}

fn version_of(state: &State, object: &tidegate_model::ObjectRef) -> Option<u64> {
    state.catalog.get(object).map(|object| object.version())
}
