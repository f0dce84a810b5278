//! `command.proto`: documents, transitions, commands.

use prost::bytes::Bytes;
use tidegate_model::{
    CohortId, Command, Delete, DeviceKey, Digest, Document, Ppm, Principal, ReleaseId, Role, SettingsChange, Spec, TokenChange,
    Transition, Verb,
};
use wire::command::Op;
use wire::document::Spec as WireSpec;
use wire::transition::Verb as WireVerb;

use super::fields::{Enumeration as _, array, enumeration, inner, inners, must, share, string, text, text_if};
use crate::error::{Malformed, Problem};
use crate::types::v1 as wire;

enumeration! {
    Role { Read = Read, Operate = Operate, Admin = Admin } unspecified Err(Problem::Missing);
}

/// Reads the role that a call names.
///
/// # Errors
/// [`Malformed`] naming `role`, if it is unspecified or unknown.
pub fn role(role: i32) -> Result<Role, Malformed> {
    Role::read("role", role)
}

impl From<&Command> for wire::Command {
    fn from(value: &Command) -> Self {
        let op = match value {
            Command::Apply(documents) => Op::Apply(wire::Apply { documents: documents.iter().map(Into::into).collect() }),
            Command::Transition(transition) => Op::Transition(transition.into()),
            Command::Delete(delete) => Op::Delete(delete.into()),
            Command::Batch(commands) => Op::Batch(wire::Batch { commands: commands.iter().map(Into::into).collect() }),
            Command::Settings(change) => Op::Settings(change.into()),
            Command::Token(change) => Op::Token(change.into()),
            Command::Steer(steer) => Op::Steer(steer.into()),
        };
        Self { op: Some(op) }
    }
}

impl TryFrom<wire::Command> for Command {
    type Error = Malformed;

    fn try_from(value: wire::Command) -> Result<Self, Malformed> {
        Ok(match value.op.ok_or_else(|| Malformed::new("op", Problem::UnknownAlternative))? {
            Op::Apply(apply) => Self::Apply(inners("documents", apply.documents)?),
            Op::Transition(transition) => Self::Transition(inner("transition", transition)?),
            Op::Delete(delete) => Self::Delete(inner("delete", delete)?),
            Op::Batch(batch) => Self::Batch(batch_of(batch.commands)?),
            Op::Settings(change) => Self::Settings(change.into()),
            Op::Token(change) => Self::Token(inner("token", change)?),
            Op::Steer(steer) => Self::Steer(inner("steer", steer)?),
        })
    }
}

/// Looks before it reads, so that a hostile tower of batches is not climbed.
fn batch_of(commands: Vec<wire::Command>) -> Result<Vec<Command>, Malformed> {
    if let Some(nested) = commands.iter().position(|command| matches!(command.op, Some(Op::Batch(_)))) {
        return Err(Malformed::new(format!("commands[{nested}]"), Problem::NestedBatch));
    }
    inners("commands", commands)
}

impl From<&Document> for wire::Document {
    fn from(value: &Document) -> Self {
        let Document { spec, expected_version } = value;
        let spec = match spec {
            Spec::Product(spec) => WireSpec::Product(spec.into()),
            Spec::Cohort(spec) => WireSpec::Cohort(spec.into()),
            Spec::Bundle(spec) => WireSpec::Bundle(spec.into()),
            Spec::Release(spec) => WireSpec::Release(spec.as_ref().into()),
            Spec::Policy(spec) => WireSpec::Policy(spec.into()),
            Spec::Device(spec) => WireSpec::Device(spec.into()),
            Spec::Hold(spec) => WireSpec::Hold(spec.into()),
            Spec::Override(spec) => WireSpec::Override(spec.into()),
            Spec::Exclusion(spec) => WireSpec::Exclusion(spec.into()),
            Spec::Attestation(spec) => WireSpec::Attestation(spec.into()),
        };
        Self { expected_version: *expected_version, spec: Some(spec) }
    }
}

impl TryFrom<wire::Document> for Document {
    type Error = Malformed;

    fn try_from(value: wire::Document) -> Result<Self, Malformed> {
        let spec = match value.spec.ok_or_else(|| Malformed::new("spec", Problem::UnknownAlternative))? {
            WireSpec::Product(spec) => Spec::Product(inner("product", spec)?),
            WireSpec::Cohort(spec) => Spec::Cohort(inner("cohort", spec)?),
            WireSpec::Bundle(spec) => Spec::Bundle(inner("bundle", spec)?),
            WireSpec::Release(spec) => Spec::Release(Box::new(inner("release", spec)?)),
            WireSpec::Policy(spec) => Spec::Policy(inner("policy", spec)?),
            WireSpec::Device(spec) => Spec::Device(inner("device", spec)?),
            WireSpec::Hold(spec) => Spec::Hold(inner("hold", spec)?),
            WireSpec::Override(spec) => Spec::Override(inner("override", spec)?),
            WireSpec::Exclusion(spec) => Spec::Exclusion(inner("exclusion", spec)?),
            WireSpec::Attestation(spec) => Spec::Attestation(inner("attestation", spec)?),
        };
        Ok(Self { spec, expected_version: value.expected_version })
    }
}

impl From<&Transition> for wire::Transition {
    fn from(value: &Transition) -> Self {
        let Transition { release, expected_version, reason, verb } = value;
        let unit = wire::Unit {};
        let verb = match verb {
            Verb::Publish { supersede, insert_unphased } => {
                WireVerb::Publish(wire::Publish { supersede: *supersede, insert_unphased: *insert_unphased })
            }
            Verb::Pause => WireVerb::Pause(unit),
            Verb::Resume { acknowledge } => WireVerb::Resume(wire::Resume { acknowledge: *acknowledge }),
            Verb::Withdraw { revert_to, revert_share, open_barrier } => WireVerb::Withdraw(wire::Withdraw {
                revert_to: string(revert_to.as_ref()),
                revert_share_ppm: Some(revert_share.get()),
                open_barrier: *open_barrier,
            }),
            Verb::Complete => WireVerb::Complete(unit),
            Verb::Advance { domain } => WireVerb::Advance(wire::Advance { domain: domain.clone() }),
            Verb::Approve { by, device } => {
                WireVerb::Approve(wire::Approve { by: string(by.as_ref()), device: string(device.as_ref()) })
            }
            Verb::Discard => WireVerb::Discard(unit),
            Verb::Disable => WireVerb::Disable(unit),
            Verb::Enable => WireVerb::Enable(unit),
            Verb::Clear { device } => WireVerb::Clear(wire::Clear { device: device.to_string() }),
            Verb::Promote { to, new_id, keep_version } => WireVerb::Promote(wire::Promote {
                to: to.to_string(),
                new_id: string(new_id.as_ref()),
                keep_version: *keep_version,
            }),
        };
        Self { release: release.to_string(), expected_version: *expected_version, reason: reason.clone(), verb: Some(verb) }
    }
}

impl TryFrom<wire::Transition> for Transition {
    type Error = Malformed;

    fn try_from(value: wire::Transition) -> Result<Self, Malformed> {
        let verb = match value.verb.ok_or_else(|| Malformed::new("verb", Problem::UnknownAlternative))? {
            WireVerb::Publish(wire::Publish { supersede, insert_unphased }) => Verb::Publish { supersede, insert_unphased },
            WireVerb::Pause(wire::Unit {}) => Verb::Pause,
            WireVerb::Resume(wire::Resume { acknowledge }) => Verb::Resume { acknowledge },
            WireVerb::Withdraw(withdraw) => Verb::Withdraw {
                revert_to: text_if("withdraw.revert_to", withdraw.revert_to.as_ref(), ReleaseId::new)?,
                revert_share: share("withdraw.revert_share_ppm", withdraw.revert_share_ppm.unwrap_or(Ppm::EVERYBODY.get()))?,
                open_barrier: withdraw.open_barrier,
            },
            WireVerb::Complete(wire::Unit {}) => Verb::Complete,
            WireVerb::Advance(wire::Advance { domain }) => Verb::Advance { domain },
            WireVerb::Approve(wire::Approve { by, device }) => Verb::Approve {
                by: text_if("approve.by", by.as_ref(), Principal::new)?,
                device: text_if("approve.device", device.as_ref(), DeviceKey::new)?,
            },
            WireVerb::Discard(wire::Unit {}) => Verb::Discard,
            WireVerb::Disable(wire::Unit {}) => Verb::Disable,
            WireVerb::Enable(wire::Unit {}) => Verb::Enable,
            WireVerb::Clear(wire::Clear { device }) => Verb::Clear { device: text("clear.device", &device, DeviceKey::new)? },
            WireVerb::Promote(wire::Promote { to, new_id, keep_version }) => Verb::Promote {
                to: text("promote.to", &to, CohortId::new)?,
                new_id: text_if("promote.new_id", new_id.as_ref(), ReleaseId::new)?,
                keep_version,
            },
        };
        Ok(Self {
            release: text("release", &value.release, ReleaseId::new)?,
            expected_version: value.expected_version,
            reason: value.reason,
            verb,
        })
    }
}

impl From<&Delete> for wire::Delete {
    fn from(value: &Delete) -> Self {
        let Delete { object, expected_version } = value;
        Self { object: Some(object.into()), expected_version: *expected_version }
    }
}

impl TryFrom<wire::Delete> for Delete {
    type Error = Malformed;

    fn try_from(value: wire::Delete) -> Result<Self, Malformed> {
        Ok(Self { object: inner("object", must("object", value.object)?)?, expected_version: value.expected_version })
    }
}

impl From<&SettingsChange> for wire::SettingsChange {
    fn from(value: &SettingsChange) -> Self {
        let SettingsChange { expected_version, history_versions_max, audit_records_max, cluster_version } = value.clone();
        Self { expected_version, history_versions_max, audit_records_max, cluster_version }
    }
}

impl From<wire::SettingsChange> for SettingsChange {
    fn from(value: wire::SettingsChange) -> Self {
        let wire::SettingsChange { expected_version, history_versions_max, audit_records_max, cluster_version } = value;
        Self { expected_version, history_versions_max, audit_records_max, cluster_version }
    }
}

impl From<&TokenChange> for wire::TokenChange {
    fn from(value: &TokenChange) -> Self {
        let TokenChange { name, grant } = value;
        let grant = grant
            .map(|(sha256, role)| wire::Grant { sha256: Bytes::copy_from_slice(&sha256.0), role: wire::Role::from(role).into() });
        Self { name: name.to_string(), grant }
    }
}

impl TryFrom<wire::TokenChange> for TokenChange {
    type Error = Malformed;

    fn try_from(value: wire::TokenChange) -> Result<Self, Malformed> {
        let grant = value
            .grant
            .map(|grant| Ok((Digest(array("grant.sha256", &grant.sha256)?), Role::read("grant.role", grant.role)?)))
            .transpose()?;
        Ok(Self { name: text("name", &value.name, Principal::new)?, grant })
    }
}
