//! How far a rollout has come: which stages were reached, what they admit now, and whether that is everybody.

use std::sync::Arc;

use tidegate_model::exposure::Admission;
use tidegate_model::{
    Basis, Catalog, Cell, CellState, Created, Exposure, Lack, Policy, Position, Ppm, Release, ReleaseId, Rollout, RolloutState,
    Selector, Stage, StageState, Stored, Timestamp,
};

use crate::edit::Edit;

/// The reason of a rollout whose stage or cell has no known device.
pub(crate) const EMPTY_STAGE: &str = "EMPTY_STAGE";

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
        StageState::Inconclusive if waits_for_its_first(rollout) => SubStatus::Running,
        StageState::Inconclusive => SubStatus::Inconclusive,
        StageState::AwaitingApproval => SubStatus::AwaitingApproval,
    })
}

/// True if the stage was in doubt for want of devices, and is empty no longer: it has not settled, so it runs.
fn waits_for_its_first(rollout: &Rollout) -> bool {
    rollout.stage_settled_at.is_none() && rollout.reason != EMPTY_STAGE
}

/// What an open stage is doing, by its cells: what runs comes before what bakes, and that before what waits. A stage
/// without cells runs.
fn status_of_cells(rollout: &Rollout) -> SubStatus {
    let on_the_way = rollout.cells.values().filter(|cell| cell.state != CellState::Passed);
    // The order of the enum.
    on_the_way.map(status_of_cell).min().unwrap_or(SubStatus::Running)
}

/// What one cell that has not passed is doing.
pub(crate) fn status_of_cell(cell: &Cell) -> SubStatus {
    match (cell.state, cell.lack) {
        (CellState::Closed, _) => SubStatus::WaitingDomain,
        // No longer empty, and nothing has settled yet.
        (CellState::Open, Some(Lack::Sample)) => SubStatus::Running,
        (CellState::Settled | CellState::Open, Some(Lack::Approvals)) => SubStatus::AwaitingApproval,
        (CellState::Settled | CellState::Open, Some(Lack::Sample | Lack::Success | Lack::Devices)) => SubStatus::Inconclusive,
        (CellState::Settled, None) => SubStatus::Baking,
        (CellState::Open, None) | (CellState::Failed | CellState::Passed, _) => SubStatus::Running,
    }
}

/// The policy that applies to a release: its own, or the implicit one, whose version is 0.
#[must_use]
pub fn policy_in(catalog: &Catalog, release: &ReleaseId) -> Arc<Stored<Policy>> {
    catalog.policies().get(release).cloned().unwrap_or_else(|| implicit(release))
}

/// The policy that applies to a release while a command is at work.
pub(crate) fn policy_of(edit: &Edit, release: &Release) -> Arc<Stored<Policy>> {
    edit.policy(&release.id).unwrap_or_else(|| implicit(&release.id))
}

fn implicit(release: &ReleaseId) -> Arc<Stored<Policy>> {
    let created = Created { config_version: 0, seq: 0 };
    Arc::new(Stored { version: 0, created, body: Policy::implicit(release.clone()) })
}

/// The current stage of a rollout.
#[must_use]
pub fn current_stage<'a>(release: &Release, policy: &'a Policy) -> Option<&'a Stage> {
    policy.stages.get(current_index(release))
}

/// The attribute whose values are the domains of the current stage.
pub(crate) fn current_domain_key(release: &Release, policy: &Policy) -> Option<String> {
    current_stage(release, policy)?.domains.as_ref().map(|domains| domains.key.clone())
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
    let now = rollout.ramp_now(now);
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
        && rollout.all_cells_passed()
        && policy.stages.get(index).is_some_and(|stage| stage.exposure.is_everybody(origin, now));
    passed || current
}

/// Index of the current stage.
pub(crate) fn current_index(release: &Release) -> usize {
    usize::try_from(release.rollout.stage_index).unwrap_or(usize::MAX)
}

/// True if the last stage has passed: by hand, by its gate, or, without a gate, because its exposure has reached its end
/// or, if it has domains, because every listed cell has passed.
#[must_use]
pub fn last_stage_has_passed(release: &Release, policy: &Policy, now: Timestamp) -> bool {
    let rollout = &release.rollout;
    let index = current_index(release);
    let Some(stage) = policy.stages.get(index).filter(|_| index + 1 == policy.stages.len()) else { return false };
    if rollout.stage_state == StageState::Passed {
        return true;
    }
    if stage.gate.is_some() || rollout.stage_state != StageState::Open {
        return false;
    }
    if stage.domains.is_some() {
        return !rollout.cells.is_empty() && rollout.all_cells_passed();
    }
    let (Some(origin), Some(opened_at)) = (rollout.ramp_origin(release.published_at), rollout.stage_opened_at) else {
        return false;
    };
    stage.exposure.ends_at(origin, opened_at) <= rollout.ramp_now(now)
}

/// True if the last stage is for everybody in the cohort, with the exposure that it has come to.
#[must_use]
pub fn last_stage_is_for_everybody(release: &Release, policy: &Policy, now: Timestamp) -> bool {
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
    let now = rollout.ramp_now(now);
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
