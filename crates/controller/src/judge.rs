//! From evidence to steps: which cell or stage of one rollout fails, settles, is doubted or passes now.

use tidegate_model::{CellState, Domains, Gate, Lack, Stage, StageState, SteerStep, Timestamp};

use crate::gate::{self, Failure, Progressed, Verdict};
use crate::rolling::Rolling;
use crate::tally::{Tallies, Tally};

/// Reason of a rollout whose gate failed.
pub const GATE_FAILED: &str = "GATE_FAILED";
/// Reason of a rollout whose gate failed because of a problem that no other release of the product has shown.
pub const NEW_PROBLEM: &str = "NEW_PROBLEM";
/// Reason of a rollout whose stage has no known device.
pub const EMPTY_STAGE: &str = "EMPTY_STAGE";

/// What a gate judges: a stage, or one cell of it.
pub(crate) struct Unit<'a> {
    pub(crate) domain: Option<&'a str>,
    pub(crate) gate: Gate,
    /// What it settles by.
    settles_by: Gate,
    opened_at: Timestamp,
    settled_at: Option<Timestamp>,
    /// What it was last found to lack, as far as that is written down.
    doubted: Option<Doubted>,
}

/// What is written down of a doubt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubted {
    Approvals,
    Devices,
    Evidence,
}

impl From<Lack> for Doubted {
    fn from(lack: Lack) -> Self {
        match lack {
            Lack::Approvals => Self::Approvals,
            Lack::Devices => Self::Devices,
            Lack::Sample | Lack::Success => Self::Evidence,
        }
    }
}

/// The units of the current stage that its gate judges now, in the order of the domains.
pub(crate) fn units<'a>(rolling: &'a Rolling<'_>) -> Vec<Unit<'a>> {
    let Some(stage) = rolling.stage() else { return Vec::new() };
    let Some(gate) = stage.gate.as_ref().filter(|_| rolling.is_stage_open()) else { return Vec::new() };
    let Some(domains) = &stage.domains else { return whole(rolling, gate) };
    if rolling.rollout().all_cells_passed() {
        return if domains.gate_each { Vec::new() } else { whole(rolling, gate) };
    }
    domains.values.iter().filter_map(|value| cell(rolling, domains, gate, value)).collect()
}

fn whole<'a>(rolling: &Rolling<'_>, gate: &Gate) -> Vec<Unit<'a>> {
    let rollout = rolling.rollout();
    let Some(opened_at) = rollout.stage_opened_at else { return Vec::new() };
    let doubted = match rollout.stage_state {
        StageState::AwaitingApproval => Some(Doubted::Approvals),
        StageState::Inconclusive if rollout.reason == EMPTY_STAGE => Some(Doubted::Devices),
        StageState::Inconclusive => Some(Doubted::Evidence),
        StageState::Pending | StageState::Open | StageState::Baking | StageState::Passed | StageState::Failed => None,
    };
    vec![Unit {
        domain: None,
        gate: gate.clone(),
        settles_by: gate.clone(),
        opened_at: opened_at.plus(rollout.stage_paused),
        settled_at: rollout.stage_settled_at,
        doubted,
    }]
}

fn cell<'a>(rolling: &Rolling<'_>, domains: &Domains, gate: &Gate, value: &'a str) -> Option<Unit<'a>> {
    let cell = rolling.rollout().cells.get(value)?;
    match cell.state {
        CellState::Open | CellState::Settled => {}
        CellState::Closed | CellState::Passed | CellState::Failed => return None,
    }
    // If the gate judges the stage as a whole, a cell is only waited for: it passes when it has settled.
    let settles_by = gate.clone();
    let gate = if domains.gate_each { gate.clone() } else { Gate { allow_empty: gate.allow_empty, ..Gate::default() } };
    let doubted = cell.lack.map(Doubted::from);
    Some(Unit { domain: Some(value), gate, settles_by, opened_at: cell.opened_at?, settled_at: cell.settled_at, doubted })
}

impl Unit<'_> {
    /// What its gate says.
    pub(crate) fn verdict(&self, rolling: &Rolling<'_>, tally: &Tally, now: Timestamp) -> Verdict {
        let bake_ends_at = self.settled_at.map(|at| at.plus(self.gate.bake));
        let progressed = match bake_ends_at {
            None => Progressed::Open,
            Some(ends_at) if now < ends_at => Progressed::Baking,
            Some(_) => Progressed::Baked,
        };
        gate::verdict(&self.gate, tally, progressed, rolling.rollout().approvals.len() as u64)
    }

    /// The instants at which its verdict may change by time alone: the end of the exposure, that of the bake.
    pub(crate) fn edges(&self, rolling: &Rolling<'_>) -> impl Iterator<Item = Timestamp> {
        let begins = self.begins_at(rolling);
        let bake_ends_at = self.settled_at.or(begins).map(|at| at.plus(self.gate.bake));
        [begins, bake_ends_at].into_iter().flatten()
    }

    /// From when on it may settle: its opening, and not before the exposure has reached its end.
    fn begins_at(&self, rolling: &Rolling<'_>) -> Option<Timestamp> {
        rolling.exposure_ends_at().map(|ends_at| ends_at.max(self.opened_at))
    }

    fn domain(&self) -> Option<String> {
        self.domain.map(str::to_owned)
    }

    /// The step that is due for it, if any.
    fn step(&self, rolling: &Rolling<'_>, tally: &Tally, now: Timestamp) -> Option<SteerStep> {
        let domain = self.domain();
        match self.verdict(rolling, tally, now) {
            Verdict::Fail(failure) => Some(fail(domain, failure)),
            Verdict::Unsettled => self.settle(rolling, tally, now),
            Verdict::Baking => None,
            Verdict::Lacks(lack) => self.doubt(lack),
            Verdict::Pass => Some(SteerStep::Pass { domain }),
        }
    }

    fn settle(&self, rolling: &Rolling<'_>, tally: &Tally, now: Timestamp) -> Option<SteerStep> {
        let begins_at = self.begins_at(rolling)?;
        if now < begins_at {
            return None;
        }
        let is_vacuous = tally.known == 0 && self.gate.allow_empty;
        if gate::is_settled(&self.settles_by, tally) || is_vacuous {
            return Some(SteerStep::Settle { domain: self.domain() });
        }
        let is_over = now >= begins_at.plus(self.gate.bake);
        match self.doubted {
            _ if tally.known == 0 && is_over => self.doubt(Lack::Devices),
            // It is empty no longer, and has nothing to show yet.
            Some(Doubted::Devices) => self.doubt(Lack::Sample),
            Some(Doubted::Approvals | Doubted::Evidence) | None => None,
        }
    }

    fn doubt(&self, lack: Lack) -> Option<SteerStep> {
        let is_known = self.doubted == Some(Doubted::from(lack));
        (!is_known).then(|| SteerStep::Doubt { domain: self.domain(), lack })
    }
}

fn fail(domain: Option<String>, failure: Failure) -> SteerStep {
    let reason = match failure {
        Failure::NewProblem => NEW_PROBLEM,
        Failure::Share | Failure::Number => GATE_FAILED,
    };
    SteerStep::Fail { domain, reason: reason.to_owned() }
}

/// The step that is due for the current stage of a rollout, if any; a failure first, whatever else is due.
pub(crate) fn step(rolling: &Rolling<'_>, tallies: &Tallies, now: Timestamp, is_frozen: bool) -> Option<SteerStep> {
    let units = units(rolling);
    let steps = || units.iter().filter_map(|unit| unit.step(rolling, &tallies.of(unit.domain), now));
    if let Some(failed) = steps().find(|step| matches!(step, SteerStep::Fail { .. })) {
        return Some(failed);
    }
    if let Some(failed) = rolling.stage().and_then(|stage| failed_behind(rolling, stage, tallies)) {
        return Some(failed);
    }
    // Nothing advances while a freeze lasts.
    if is_frozen { None } else { steps().next() }
}

/// A failure of what no unit stands for: of the whole stage while its cells are waited for, of a cell that has passed and
/// fails late, or a new problem that was told in no cell that is judged.
fn failed_behind(rolling: &Rolling<'_>, stage: &Stage, tallies: &Tallies) -> Option<SteerStep> {
    let gate = stage.gate.as_ref().filter(|_| rolling.is_stage_open())?;
    let domains = stage.domains.as_ref()?;
    let failure = |domain: Option<&str>| match gate::verdict(gate, &tallies.of(domain), Progressed::Open, 0) {
        Verdict::Fail(failure) => Some(failure),
        Verdict::Unsettled | Verdict::Baking | Verdict::Lacks(_) | Verdict::Pass => None,
    };
    let of_stage = failure(None);
    let failure = if domains.gate_each {
        let cells = &rolling.rollout().cells;
        let has_passed = |value: &&String| cells.get(*value).is_some_and(|cell| cell.state == CellState::Passed);
        let of_cells = domains.values.iter().filter(has_passed).find_map(|value| failure(Some(value)));
        of_cells.or(of_stage.filter(|failure| *failure == Failure::NewProblem))
    } else {
        of_stage
    };
    failure.map(|failure| fail(None, failure))
}
