//! How far a rollout has come: which stages were reached, what they admit now, and whether that is everybody.

use std::sync::Arc;

use tidegate_model::exposure::Admission;
use tidegate_model::{
    Basis, CellState, Created, Exposure, Lack, Policy, Position, Ppm, Release, Rollout, RolloutState, Selector, StageState,
    Stored, Timestamp,
};

use crate::edit::Edit;

/// What an active rollout is doing; for humans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubStatus {
    /// Its trigger has not fired.
    WaitingTrigger,
    /// The current stage admits.
    Running,
    /// The current stage has settled and bakes.
    Baking,
    /// The bake is over, and nothing but approvals is missing.
    AwaitingApproval,
    /// The bake is over and evidence is missing.
    Inconclusive,
    /// No cell is open, and a closed one waits for its turn or for its exclusion.
    WaitingDomain,
}

impl SubStatus {
    /// The sub-status as answers write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WaitingTrigger => "WAITING_TRIGGER",
            Self::Running => "RUNNING",
            Self::Baking => "BAKING",
            Self::AwaitingApproval => "AWAITING_APPROVAL",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::WaitingDomain => "WAITING_DOMAIN",
        }
    }
}

/// What the rollout of a release is doing at `now`; `None` unless it is ACTIVE.
#[must_use]
pub fn sub_status(release: &Release, now: Timestamp) -> Option<SubStatus> {
    let rollout = &release.rollout;
    if rollout.state != RolloutState::Active {
        return None;
    }
    if rollout.waits_for_trigger(now) {
        return Some(SubStatus::WaitingTrigger);
    }
    Some(match rollout.stage_state {
        StageState::Pending | StageState::Open | StageState::Failed => status_of_cells(rollout),
        StageState::Passed => SubStatus::Running,
        StageState::Baking => SubStatus::Baking,
        StageState::Inconclusive => SubStatus::Inconclusive,
        StageState::AwaitingApproval => SubStatus::AwaitingApproval,
    })
}

/// What an open stage is doing, by its cells: what runs comes before what waits. A stage without cells runs.
fn status_of_cells(rollout: &Rollout) -> SubStatus {
    let mut status = SubStatus::Running;
    for cell in rollout.cells.values() {
        let of_cell = match cell.state {
            CellState::Open | CellState::Failed => return SubStatus::Running,
            CellState::Passed => continue,
            CellState::Settled => match cell.lack {
                None => SubStatus::Baking,
                Some(Lack::Approvals) => SubStatus::AwaitingApproval,
                Some(Lack::Sample | Lack::Success | Lack::Devices) => SubStatus::Inconclusive,
            },
            CellState::Closed => SubStatus::WaitingDomain,
        };
        // In the order of the enum; a cell that runs has returned already.
        status = if status == SubStatus::Running { of_cell } else { status.min(of_cell) };
    }
    status
}

/// The policy that applies to a release: its own, or the implicit one.
pub(crate) fn policy_of(edit: &Edit, release: &Release) -> Arc<Stored<Policy>> {
    edit.policy(&release.id).unwrap_or_else(|| {
        let created = Created { config_version: 0, seq: 0 };
        Arc::new(Stored { version: 0, created, body: Policy::implicit(release.id.clone()) })
    })
}

/// True if the rollout no longer limits anybody, so that another release may become the latest.
pub(crate) fn is_unconstrained(release: &Release, policy: &Policy, now: Timestamp) -> bool {
    let rollout = &release.rollout;
    match rollout.state {
        RolloutState::Completed | RolloutState::RolledBack => true,
        RolloutState::Draft | RolloutState::Paused => false,
        RolloutState::Active => !rollout.waits_for_trigger(now) && some_reached_stage_admits_everybody(release, policy, now),
    }
}

fn some_reached_stage_admits_everybody(release: &Release, policy: &Policy, now: Timestamp) -> bool {
    let rollout = &release.rollout;
    let selects_everybody = |index: usize| policy.stages.get(index).is_some_and(|stage| stage.selector.is_everybody());
    let passed = rollout
        .passed
        .iter()
        .enumerate()
        .any(|(index, stage)| selects_everybody(index) && stage.exposure.is_everybody(None, now));
    let index = current_index(release);
    let origin = rollout.ramp_origin(release.published_at);
    let current = rollout.stage_state != StageState::Passed
        && selects_everybody(index)
        && cells_passed(release)
        && policy.stages.get(index).is_some_and(|stage| stage.exposure.is_everybody(origin, now));
    passed || current
}

/// Index of the current stage.
pub(crate) fn current_index(release: &Release) -> usize {
    usize::try_from(release.rollout.stage_index).unwrap_or(usize::MAX)
}

fn cells_passed(release: &Release) -> bool {
    release.rollout.cells.values().all(|cell| cell.state == CellState::Passed)
}

/// True if the last stage has passed: by hand, by its gate, or, without a gate, because its exposure has reached its end.
pub(crate) fn last_stage_has_passed(release: &Release, policy: &Policy, now: Timestamp) -> bool {
    let rollout = &release.rollout;
    let index = current_index(release);
    let Some(stage) = policy.stages.get(index).filter(|_| index + 1 == policy.stages.len()) else { return false };
    if rollout.stage_state == StageState::Passed {
        return true;
    }
    let (Some(origin), Some(opened_at)) = (rollout.ramp_origin(release.published_at), rollout.stage_opened_at) else {
        return false;
    };
    let counts_by_itself = stage.gate.is_none() && rollout.stage_state == StageState::Open;
    counts_by_itself && cells_passed(release) && stage.exposure.ends_at(origin, opened_at) <= now
}

/// True if the last stage is for everybody in the cohort, with the exposure that it has come to.
pub(crate) fn last_stage_is_for_everybody(release: &Release, policy: &Policy, now: Timestamp) -> bool {
    let rollout = &release.rollout;
    let Some(stage) = policy.stages.last() else { return false };
    let exposure = match rollout.stage_state {
        StageState::Passed => rollout.passed.last().map(|passed| &passed.exposure),
        StageState::Pending
        | StageState::Open
        | StageState::Baking
        | StageState::Inconclusive
        | StageState::AwaitingApproval
        | StageState::Failed => Some(&stage.exposure),
    };
    let origin = rollout.ramp_origin(release.published_at);
    stage.selector.is_everybody() && exposure.is_some_and(|exposure| exposure.is_everybody(origin, now))
}

/// True if the policy can come to admit everybody in its last stage.
pub(crate) fn can_reach_everybody(policy: &Policy) -> bool {
    let is_everybody = |selector: &Selector| selector.is_everybody();
    policy.stages.last().is_some_and(|stage| {
        is_everybody(&stage.selector)
            && match &stage.exposure {
                Exposure::All => true,
                Exposure::Percent { share, .. } => *share == Ppm::EVERYBODY,
                Exposure::Count(_) | Exposure::Tags(_) => false,
                Exposure::Ramp(ramp) => ramp.ends_with_everybody(),
            }
    })
}

/// True if the exposure admits everybody from its first moment on.
pub(crate) fn admits_everybody_at_once(exposure: &Exposure) -> bool {
    let any = Timestamp::default();
    exposure.is_everybody(Some(any), any)
}

/// The exposure with which a stage ends at `now`: a ramp stops where it is, and never admits fewer than it did.
pub(crate) fn ended_with(exposure: &Exposure, origin: Option<Timestamp>, now: Timestamp) -> Exposure {
    let Exposure::Ramp(ramp) = exposure else { return exposure.clone() };
    let hash = |share| Exposure::Percent { share, basis: Basis::Hash };
    match origin.map_or(Admission::Nobody, |origin| ramp.admission(origin, now)) {
        Admission::Nobody => hash(Ppm::NOBODY),
        Admission::Everybody => Exposure::All,
        // The last admitted position is threshold - 1; the smallest share that admits it admits all below.
        Admission::Below(threshold) => match threshold.checked_sub(1) {
            Some(last) => hash(Position(last).smallest_share()),
            None => hash(Ppm::NOBODY),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use tidegate_model::{Ramp, Span};

    use super::*;

    proptest! {
        /// P-17: a stage that passes by hand keeps everybody whom its ramp had admitted, and widens by less than a
        /// millionth.
        #[test]
        fn p_17_passing_keeps_whom_the_ramp_admitted(groups in 1..50u32, hours in 0..2_000u64, position: u64) {
            let origin = Timestamp::from_secs(1_700_000_000);
            let ramp = Ramp::Groups { groups, interval: Span::from_secs(7_200) };
            let now = origin.plus(Span::from_secs(hours * 3_600));
            let position = Position(position);
            let admits = |exposure: &Exposure| match exposure {
                Exposure::All => true,
                Exposure::Percent { share, .. } => share.admits(position),
                Exposure::Count(_) | Exposure::Tags(_) | Exposure::Ramp(_) => false,
            };
            let ended = ended_with(&Exposure::Ramp(ramp.clone()), Some(origin), now);
            let before = ramp.admission(origin, now).admits(Some(position));
            prop_assert!(!before || admits(&ended));
            let wider = position.0.saturating_sub(u64::MAX / 1_000_000 + 1);
            prop_assert!(!admits(&ended) || ramp.admission(origin, now).admits(Some(Position(wider))));
        }
    }
}
