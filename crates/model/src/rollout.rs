//! The exposure process of a release: states, stages and cells. The legal transitions are in `tidegate-machine`.

use std::collections::{BTreeMap, BTreeSet};

use crate::exposure::Exposure;
use crate::ids::{DeviceKey, Principal, ReleaseId};
use crate::position::{Ppm, Salt};
use crate::steer::Lack;
use crate::time::{Span, Timestamp};

/// Where a release stands in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Lifecycle state.
    pub state: RolloutState,
    /// Drawn by the proposer of publish or adopt; absent in DRAFT.
    pub salt: Option<Salt>,
    /// Where the salt comes from.
    pub salt_origin: SaltOrigin,
    /// Log time of the publication (or adoption).
    pub activated_at: Option<Timestamp>,
    /// Index of the current stage.
    pub stage_index: u32,
    /// State of the current stage.
    pub stage_state: StageState,
    /// When the current stage opened or will open: publish, trigger or advance, whichever is last. A first stage that
    /// opens in the future is waiting for its trigger.
    pub stage_opened_at: Option<Timestamp>,
    /// When the current stage settled, if it has; moved on by all time paused or frozen since, so that a bake is over that
    /// long after it: see [`Rollout::bake_ends_at`].
    pub stage_settled_at: Option<Timestamp>,
    /// Paused (or frozen) time that came after the current stage opened; shifts ramps and bakes.
    pub stage_paused: Span,
    /// Stages that have passed, with the exposure they ended with.
    pub passed: Vec<PassedStage>,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// All paused time of its life.
    pub paused_total: Span,
    /// Cells of the current stage, by domain value.
    pub cells: BTreeMap<String, Cell>,
    /// Devices on the roster (count and roster exposures).
    pub admitted: imbl::OrdSet<DeviceKey>,
    /// Greatest roster size that was ever asked for.
    pub admitted_max: u32,
    /// Approvals of the open stage.
    pub approvals: BTreeSet<Principal>,
    /// Whether a gate failure must be acknowledged before resume.
    pub gate_failed: bool,
    /// Where devices on it go back to after a withdrawal.
    pub revert_to: Option<ReleaseId>,
    /// Share of them, by position.
    pub revert_share: Ppm,
    /// Withdrawn and no longer counted as required.
    pub open_barrier: bool,
    /// Set by COMPLETED and never cleared.
    pub was_completed: bool,
    /// The operator's text, or a code such as GATE_FAILED or SUPERSEDED.
    pub reason: String,
    /// Why a draft that should have been published was not.
    pub flag: Option<String>,
    /// Since when an unlimited freeze holds its product or cohort, as far as it is not yet counted in `stage_paused`.
    /// Ramps stand still at that instant: see [`Rollout::ramp_now`].
    pub frozen_since: Option<Timestamp>,
    /// When a failed gate was last acknowledged: failures taken in at or before it do not fail the gate again.
    pub acknowledged_at: Option<Timestamp>,
    /// Devices that were on the roster until its count was lowered. Their slots stay taken: they come back first when it is
    /// raised.
    pub dismissed: imbl::OrdSet<DeviceKey>,
}

/// The five states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RolloutState {
    /// Not published.
    Draft,
    /// Published, rolling out.
    Active,
    /// Stopped for now.
    Paused,
    /// Withdrawn for ever.
    RolledBack,
    /// Through.
    Completed,
}

impl RolloutState {
    /// The state as answers, manifests and messages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Active => "ACTIVE",
            Self::Paused => "PAUSED",
            Self::RolledBack => "ROLLED_BACK",
            Self::Completed => "COMPLETED",
        }
    }
}

/// Where a rollout's salt comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaltOrigin {
    /// Drawn for this rollout.
    Fresh,
    /// Taken over from the rollout that it superseded.
    Inherited(ReleaseId),
    /// The cohort's fixed salt.
    CohortFixed,
}

/// State of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageState {
    /// Not reached.
    Pending,
    /// Admitting.
    Open,
    /// Settled; the bake runs.
    Baking,
    /// The bake is over, evidence is missing.
    Inconclusive,
    /// The bake is over, and nothing but approvals is missing.
    AwaitingApproval,
    /// Passed.
    Passed,
    /// Its gate failed.
    Failed,
}

/// A stage that has passed goes on admitting with the exposure it ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedStage {
    /// Name of the stage.
    pub name: String,
    /// Final exposure.
    pub exposure: Exposure,
}

/// A stage within one domain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its state.
    pub state: CellState,
    /// When it opened.
    pub opened_at: Option<Timestamp>,
    /// When it settled; moved on like [`Rollout::stage_settled_at`].
    pub settled_at: Option<Timestamp>,
    /// What its gate lacks now that the bake is over, if it is.
    pub lack: Option<Lack>,
}

/// State of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellState {
    /// Waiting for its turn.
    Closed,
    /// Admitting.
    Open,
    /// Settled; the bake runs.
    Settled,
    /// Passed.
    Passed,
    /// Its gate failed.
    Failed,
}

impl Cell {
    /// A cell whose turn has not come.
    pub const CLOSED: Self = Self { state: CellState::Closed, opened_at: None, settled_at: None, lack: None };

    /// True if it holds its exclusion's token, as long as its rollout is ACTIVE or PAUSED.
    #[must_use]
    pub fn holds_token(&self) -> bool {
        match self.state {
            CellState::Open | CellState::Settled | CellState::Failed => true,
            CellState::Closed | CellState::Passed => false,
        }
    }
}

impl Rollout {
    /// A rollout that has not been published.
    #[must_use]
    pub fn draft() -> Self {
        Self {
            state: RolloutState::Draft,
            salt: None,
            salt_origin: SaltOrigin::Fresh,
            activated_at: None,
            stage_index: 0,
            stage_state: StageState::Pending,
            stage_opened_at: None,
            stage_settled_at: None,
            stage_paused: Span::ZERO,
            passed: Vec::new(),
            paused_at: None,
            paused_total: Span::ZERO,
            cells: BTreeMap::new(),
            admitted: imbl::OrdSet::new(),
            admitted_max: 0,
            approvals: BTreeSet::new(),
            gate_failed: false,
            revert_to: None,
            revert_share: Ppm::EVERYBODY,
            open_barrier: false,
            was_completed: false,
            reason: String::new(),
            flag: None,
            frozen_since: None,
            acknowledged_at: None,
            dismissed: imbl::OrdSet::new(),
        }
    }

    /// Origin of the current stage's ramp: `published_at` of the release for the first stage if it has one, else the
    /// instant at which the stage opened; shifted by the time paused since it opened.
    #[must_use]
    pub fn ramp_origin(&self, published_at: Option<Timestamp>) -> Option<Timestamp> {
        let base = match published_at {
            Some(at) if self.stage_index == 0 => Some(at),
            _ => self.stage_opened_at,
        };
        base.map(|at| at.plus(self.stage_paused))
    }

    /// True while the trigger of an active rollout has not fired at `now`.
    #[must_use]
    pub fn waits_for_trigger(&self, now: Timestamp) -> bool {
        self.state == RolloutState::Active && self.stage_opened_at.is_none_or(|at| now < at)
    }

    /// The instant at which ramps stand at `now`: they stand still while a freeze lasts.
    #[must_use]
    pub fn ramp_now(&self, now: Timestamp) -> Timestamp {
        self.frozen_since.map_or(now, |since| now.min(since))
    }

    /// When the bake of the current stage (`None`) or of one of its cells is over, if it has settled and no pause or freeze
    /// comes between. While the rollout is paused or frozen no bake gets on.
    #[must_use]
    pub fn bake_ends_at(&self, domain: Option<&str>, bake: Span) -> Option<Timestamp> {
        let settled_at = match domain {
            None => self.stage_settled_at,
            Some(domain) => self.cells.get(domain).and_then(|cell| cell.settled_at),
        };
        settled_at.map(|at| at.plus(bake))
    }

    /// True if every listed cell of the current stage has passed; also if it has none.
    #[must_use]
    pub fn all_cells_passed(&self) -> bool {
        self.cells.values().all(|cell| cell.state == CellState::Passed)
    }
}
