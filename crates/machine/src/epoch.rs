//! The beginning of a new epoch: what a restored or recovered cluster goes on from.
//!
//! Nobody of the old epoch may be mistaken for one of the new, and no follower may see a config version twice with
//! different content. So the version base jumps by [`VERSION_LEAP`] for each epoch, which is more than an old cluster can
//! have handed out after the state was kept, and followers find nothing from before in the change table.

use thiserror::Error;
use tidegate_model::{Digest, Principal, RequestId, Timestamp};

use crate::audit::AuditRecord;
use crate::changes::ChangeTable;
use crate::limits::{CONFIG_VERSION_MAX, VERSION_LEAP};
use crate::state::State;

/// How a state came into its new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a backup.
    Restored,
    /// From what one node had left, after the majority was lost for good.
    Recovered,
}

/// A new epoch, as its founder wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEpoch {
    /// Its number.
    pub epoch: u64,
    /// Where its state comes from.
    pub origin: Origin,
    /// The founder's wall time.
    pub at: Timestamp,
    /// In whose name.
    pub principal: Principal,
    /// Under which id.
    pub request_id: RequestId,
    /// What is to be known about it later.
    pub reason: String,
}

/// Why a new epoch cannot begin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EpochError {
    /// The number is not above that of the state.
    #[error("epoch {wanted} must be > {present}, that of the state")]
    NotRaised {
        /// The number wanted.
        wanted: u64,
        /// The state's.
        present: u64,
    },
    /// Config versions would come near the largest number that every client can hold.
    #[error("config version {config_version} of epoch {wanted} must be <= {CONFIG_VERSION_MAX}")]
    TooFar {
        /// The number wanted.
        wanted: u64,
        /// The config version with which it would begin.
        config_version: u64,
    },
}

/// The state with which `new` begins, and the record of it for the audit. It stands at an index of its own, after
/// everything of the old epoch, and has a config version above all that the old epoch handed out.
///
/// # Errors
/// [`EpochError`]; nothing is changed by this function anyway.
pub fn begin_epoch(state: &State, new: &NewEpoch) -> Result<(State, AuditRecord), EpochError> {
    let present = state.genesis.epoch;
    let raised = new.epoch.checked_sub(present).filter(|raised| *raised > 0);
    let raised = raised.ok_or(EpochError::NotRaised { wanted: new.epoch, present })?;
    let version_base = state.config_version.saturating_add(raised.saturating_mul(VERSION_LEAP));
    let index = state.applied_index + 1;
    let config_version = version_base.saturating_add(index);
    if config_version > CONFIG_VERSION_MAX {
        return Err(EpochError::TooFar { wanted: new.epoch, config_version });
    }
    let mut next = state.clone();
    next.genesis.epoch = new.epoch;
    next.genesis.version_base = version_base;
    next.applied_index = index;
    next.config_version = config_version;
    next.log_time = state.log_time.max(new.at);
    next.changes = ChangeTable::starting_at(config_version);
    let action = match new.origin {
        Origin::Restored => "restore",
        Origin::Recovered => "recover",
    };
    let mut record = AuditRecord {
        number: state.audit.count + 1,
        index,
        at: next.log_time,
        principal: new.principal.clone(),
        request_id: new.request_id.clone(),
        action: format!("{action} as epoch {}", new.epoch),
        reason: Some(new.reason.clone()),
        command: Digest::of("epoch", &new.epoch.to_be_bytes()),
        result: Ok(config_version),
        replayed: false,
        objects: Vec::new(),
        head: state.audit.head,
    };
    record.head = record.chain(state.audit.head);
    next.audit.count = record.number;
    next.audit.head = record.head;
    Ok((next, record))
}
