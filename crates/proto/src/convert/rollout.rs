//! The rollout part of `release.proto`.

use prost::bytes::Bytes;
use tidegate_model::{Cell, DeviceKey, PassedStage, Principal, ReleaseId, Rollout, Salt, SaltOrigin, Span};
use wire::salt_origin::Kind as SaltOriginKind;

use super::fields::{
    Enumeration as _, alternative, array, enumeration, inner, inners, instant, ms, must, share, string, strings, text, text_if,
    texts,
};
use crate::error::{Malformed, Problem};
use crate::types::v1 as wire;

enumeration! {
    RolloutState { Draft = Draft, Active = Active, Paused = Paused, RolledBack = RolledBack, Completed = Completed }
        unspecified Err(Problem::Missing);
    StageState {
        Pending = Pending, Open = Open, Baking = Baking, Inconclusive = Inconclusive, Passed = Passed, Failed = Failed,
        AwaitingApproval = AwaitingApproval,
    } unspecified Err(Problem::Missing);
    CellState { Closed = Closed, Open = Open, Settled = Settled, Passed = Passed, Failed = Failed }
        unspecified Err(Problem::Missing);
    Lack { Sample = Sample, Success = Success, Approvals = Approvals, Devices = Devices }
        unspecified Err(Problem::Missing);
}

impl From<&Rollout> for wire::Rollout {
    fn from(value: &Rollout) -> Self {
        let Rollout {
            state,
            salt,
            salt_origin,
            activated_at,
            stage_index,
            stage_state,
            stage_opened_at,
            stage_settled_at,
            stage_paused,
            passed,
            paused_at,
            paused_total,
            cells,
            admitted,
            admitted_max,
            approvals,
            gate_failed,
            revert_to,
            revert_share,
            open_barrier,
            was_completed,
            reason,
            flag,
            frozen_since,
            acknowledged_at,
            dismissed,
        } = value;
        Self {
            state: wire::RolloutState::from(*state).into(),
            salt: salt.map(|salt| Bytes::copy_from_slice(&salt.0)),
            salt_origin: Some(salt_origin.into()),
            activated_at_ms: ms(*activated_at),
            stage_index: *stage_index,
            stage_state: wire::StageState::from(*stage_state).into(),
            stage_opened_at_ms: ms(*stage_opened_at),
            stage_settled_at_ms: ms(*stage_settled_at),
            stage_paused_ms: stage_paused.as_millis(),
            passed: passed.iter().map(Into::into).collect(),
            paused_at_ms: ms(*paused_at),
            paused_total_ms: paused_total.as_millis(),
            cells: cells.iter().map(|(domain, cell)| (domain.clone(), cell.into())).collect(),
            admitted: strings(admitted),
            admitted_max: *admitted_max,
            approvals: strings(approvals),
            gate_failed: *gate_failed,
            revert_to: string(revert_to.as_ref()),
            revert_share_ppm: revert_share.get(),
            open_barrier: *open_barrier,
            was_completed: *was_completed,
            reason: reason.clone(),
            flag: flag.clone(),
            frozen_since_ms: ms(*frozen_since),
            acknowledged_at_ms: ms(*acknowledged_at),
            dismissed: strings(dismissed),
        }
    }
}

impl TryFrom<wire::Rollout> for Rollout {
    type Error = Malformed;

    fn try_from(value: wire::Rollout) -> Result<Self, Malformed> {
        let cell = |(domain, cell): (String, wire::Cell)| Ok((domain, inner("cells", cell)?));
        Ok(Self {
            state: tidegate_model::RolloutState::read("state", value.state)?,
            salt: value.salt.map(|salt| array("salt", &salt).map(Salt)).transpose()?,
            salt_origin: inner("salt_origin", must("salt_origin", value.salt_origin)?)?,
            activated_at: instant(value.activated_at_ms),
            stage_index: value.stage_index,
            stage_state: tidegate_model::StageState::read("stage_state", value.stage_state)?,
            stage_opened_at: instant(value.stage_opened_at_ms),
            stage_settled_at: instant(value.stage_settled_at_ms),
            stage_paused: Span::from_millis(value.stage_paused_ms),
            passed: inners("passed", value.passed)?,
            paused_at: instant(value.paused_at_ms),
            paused_total: Span::from_millis(value.paused_total_ms),
            cells: value.cells.into_iter().map(cell).collect::<Result<_, Malformed>>()?,
            admitted: texts("admitted", &value.admitted, DeviceKey::new)?,
            admitted_max: value.admitted_max,
            approvals: texts("approvals", &value.approvals, Principal::new)?,
            gate_failed: value.gate_failed,
            revert_to: text_if("revert_to", value.revert_to.as_ref(), ReleaseId::new)?,
            revert_share: share("revert_share_ppm", value.revert_share_ppm)?,
            open_barrier: value.open_barrier,
            was_completed: value.was_completed,
            reason: value.reason,
            flag: value.flag,
            frozen_since: instant(value.frozen_since_ms),
            acknowledged_at: instant(value.acknowledged_at_ms),
            dismissed: texts("dismissed", &value.dismissed, DeviceKey::new)?,
        })
    }
}

impl From<&SaltOrigin> for wire::SaltOrigin {
    fn from(value: &SaltOrigin) -> Self {
        let kind = match value {
            SaltOrigin::Fresh => SaltOriginKind::Fresh(wire::Unit {}),
            SaltOrigin::Inherited(release) => SaltOriginKind::Inherited(release.to_string()),
            SaltOrigin::CohortFixed => SaltOriginKind::CohortFixed(wire::Unit {}),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::SaltOrigin> for SaltOrigin {
    type Error = Malformed;

    fn try_from(value: wire::SaltOrigin) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            SaltOriginKind::Fresh(wire::Unit {}) => Self::Fresh,
            SaltOriginKind::Inherited(release) => Self::Inherited(text("inherited", &release, ReleaseId::new)?),
            SaltOriginKind::CohortFixed(wire::Unit {}) => Self::CohortFixed,
        })
    }
}

impl From<&PassedStage> for wire::PassedStage {
    fn from(value: &PassedStage) -> Self {
        let PassedStage { name, exposure } = value;
        Self { name: name.clone(), exposure: Some(exposure.into()) }
    }
}

impl TryFrom<wire::PassedStage> for PassedStage {
    type Error = Malformed;

    fn try_from(value: wire::PassedStage) -> Result<Self, Malformed> {
        Ok(Self { exposure: inner("exposure", must("exposure", value.exposure)?)?, name: value.name })
    }
}

impl From<&Cell> for wire::Cell {
    fn from(value: &Cell) -> Self {
        let Cell { state, opened_at, settled_at, lack } = value;
        Self {
            state: wire::CellState::from(*state).into(),
            opened_at_ms: ms(*opened_at),
            settled_at_ms: ms(*settled_at),
            lack: lack.map_or(wire::Lack::Unspecified, Into::into).into(),
        }
    }
}

impl TryFrom<wire::Cell> for Cell {
    type Error = Malformed;

    fn try_from(value: wire::Cell) -> Result<Self, Malformed> {
        Ok(Self {
            state: tidegate_model::CellState::read("state", value.state)?,
            opened_at: instant(value.opened_at_ms),
            settled_at: instant(value.settled_at_ms),
            lack: match value.lack {
                0 => None,
                lack => Some(tidegate_model::Lack::read("lack", lack)?),
            },
        })
    }
}
