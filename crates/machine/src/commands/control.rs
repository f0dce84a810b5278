//! Cluster-wide settings and API tokens.

use tidegate_model::{Role, SettingsChange, TokenChange};

use super::rule;
use crate::edit::Edit;
use crate::limits;
use crate::rejection::Cause;
use crate::settings::{self, Token};

/// Changes what is given and leaves the rest.
pub(super) fn change_settings(edit: &mut Edit, change: &SettingsChange) -> Result<(), Cause> {
    let before = edit.settings;
    if let Some(expected) = change.expected_version.filter(|expected| *expected != before.version) {
        return Err(Cause::SettingsConflict { expected, current: before.version });
    }
    let mut after = before;
    if let Some(count) = change.history_versions_max {
        let max = limits::HISTORY_VERSIONS_MAX;
        rule((1..=max).contains(&count), "history_versions_max", count, || format!("must be 1 to {max}"))?;
        after.history_versions_max = count;
    }
    if let Some(count) = change.audit_records_max {
        let max = limits::AUDIT_RECORDS_MAX;
        rule((1..=max).contains(&count), "audit_records_max", count, || format!("must be 1 to {max}"))?;
        after.audit_records_max = count;
    }
    if let Some(version) = change.cluster_version {
        let current = before.cluster_version;
        rule(version >= current, "cluster_version", version, || format!("must not go below {current}"))?;
        after.cluster_version = version;
    }
    if after != before {
        after.version = before.version.saturating_add(1);
        edit.settings = after;
    }
    Ok(())
}

/// Creates, replaces or revokes a token. Once a cluster has tokens it keeps an administrator: neither the last one nor
/// the door is ever lost by accident.
pub(super) fn change_token(edit: &mut Edit, change: &TokenChange) -> Result<(), Cause> {
    let name = &change.name;
    rule(!settings::is_reserved(name), "name", name, || "must not be controller or anonymous: they bear no token".to_owned())?;
    let current = edit.tokens.get(name).copied();
    match change.grant {
        Some((hash, role)) => {
            if current.is_some_and(|token| token.hash == hash && token.role == role) {
                return Ok(());
            }
            let is_taken = edit.tokens.iter().any(|(other, token)| other != name && token.hash == hash);
            rule(!is_taken, "hash", hash, || "must not be the secret of another token".to_owned())?;
            let fits = current.is_some() || edit.tokens.len() < limits::TOKENS_MAX;
            rule(fits, "name", name, || format!("must not be one of more than {} tokens", limits::TOKENS_MAX))?;
            edit.auth_epoch = edit.auth_epoch.saturating_add(1);
            let version = current.map_or(0, |token| token.version).saturating_add(1);
            edit.tokens.insert(name.clone(), Token { hash, role, auth_epoch: edit.auth_epoch, version });
        }
        None => {
            rule(current.is_some(), "name", name, || "must be the name of a token".to_owned())?;
            edit.auth_epoch = edit.auth_epoch.saturating_add(1);
            edit.tokens.remove(name);
        }
    }
    let has_admin = edit.tokens.values().any(|token| token.role == Role::Admin);
    rule(has_admin, "role", name, || "must leave a token of role admin".to_owned())
}
