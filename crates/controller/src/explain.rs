//! Progress of one rollout for humans: what was counted, what its gate says, who waits for what.

use std::fmt;

use tidegate_machine::{State, SubStatus, sub_status};
use tidegate_model::{Catalog, CellState, Lack, ReleaseId, RolloutState, Timestamp};

use crate::due::Look;
use crate::fleet::Fleets;
use crate::freeze::Freezes;
use crate::gate::{Failure, Verdict};
use crate::health::Health;
use crate::judge::{self, NEW_PROBLEM};
use crate::rolling::Rolling;
use crate::tally::{Counts, Tallies, Tally};

/// How a rollout is getting on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Lifecycle state.
    pub state: RolloutState,
    /// What it is doing; only while ACTIVE.
    pub sub_status: Option<SubStatus>,
    /// Name of the stage that it is in.
    pub stage: Option<String>,
    /// What was counted for the whole stage.
    pub counts: Counts,
    /// What the gate of the stage says; absent if it judges cells, or there is none.
    pub verdict: Option<Verdict>,
    /// The cells of the stage, as they are listed.
    pub cells: Vec<CellProgress>,
    /// Known devices of the cohort that match the stage.
    pub known: u64,
    /// Size of the roster.
    pub admitted: usize,
    /// Codes of failures that were told of this release before any other one of the product, with how often they came:
    /// problems that are new, or false positives.
    pub new_codes: Vec<(String, u64)>,
    /// When something may happen by itself, if that is known.
    pub next_at: Option<Timestamp>,
    /// Who waits for what, one sentence each.
    pub waits: Vec<String>,
}

/// How a cell is getting on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellProgress {
    /// Domain value.
    pub domain: String,
    /// Its state.
    pub state: CellState,
    /// What was counted.
    pub counts: Counts,
    /// What its gate says, while it is open.
    pub verdict: Option<Verdict>,
}

/// How the rollout of a release is getting on at `now`; `None` if there is no such release.
#[must_use]
pub fn explain(state: &State, health: &Health, release: &ReleaseId, now: Timestamp) -> Option<Progress> {
    let catalog = state.catalog();
    let rolling = Rolling::of(catalog, catalog.releases().get(release)?);
    let look =
        Look { catalog, health, now, fleets: Fleets::new(catalog, health), freezes: Freezes::of(catalog, state.log_time()) };
    let tallies = look.tallies(&rolling);
    let units = judge::units(&rolling);
    let verdict_of = |domain: Option<&str>| {
        let unit = units.iter().find(|unit| unit.domain == domain)?;
        Some(unit.verdict(&rolling, &tallies.of(domain), now))
    };
    let cells = cells(&rolling, &tallies, &verdict_of);
    let next_at = crate::next_due(state, health, now).filter(|_| rolling.rollout().state == RolloutState::Active);
    let mut progress = Progress {
        state: rolling.rollout().state,
        sub_status: sub_status(rolling.release(), now),
        stage: rolling.stage().map(|stage| stage.name.clone()),
        counts: tallies.stage.all,
        verdict: verdict_of(None),
        known: tallies.stage.known,
        cells,
        admitted: rolling.rollout().admitted.len(),
        new_codes: new_codes(health, &rolling),
        next_at,
        waits: Vec::new(),
    };
    progress.waits = waits(&look, &rolling, &progress, &tallies.stage);
    Some(progress)
}

fn cells(rolling: &Rolling<'_>, tallies: &Tallies, verdict_of: &impl Fn(Option<&str>) -> Option<Verdict>) -> Vec<CellProgress> {
    let Some(domains) = rolling.stage().and_then(|stage| stage.domains.as_ref()) else { return Vec::new() };
    let cell = |value: &String| CellProgress {
        domain: value.clone(),
        state: rolling.rollout().cells.get(value).map_or(CellState::Closed, |cell| cell.state),
        counts: tallies.of(Some(value)).all,
        verdict: verdict_of(Some(value)),
    };
    domains.values.iter().map(cell).collect()
}

fn new_codes(health: &Health, rolling: &Rolling<'_>) -> Vec<(String, u64)> {
    health.new_codes(&rolling.release().id).map(|(code, told)| (code.to_owned(), told.count)).collect()
}

/// What a failed gate waits for; new problems are named, the false positives of earlier acknowledgements left out.
fn waits_for_acknowledgement(health: &Health, rolling: &Rolling<'_>) -> String {
    let (rollout, id) = (rolling.rollout(), &rolling.release().id);
    if rollout.reason != NEW_PROBLEM {
        return "paused, because its gate failed: it waits for resume with acknowledge and a reason".to_owned();
    }
    let baseline = rollout.acknowledged_at.map(|at| health.baseline(id, at));
    let told = health.new_codes(id).filter(|(_, told)| !told.is_acknowledged(baseline));
    let told = told.filter(|(_, told)| told.reporters_in(rollout.stage_index).next().is_some());
    let codes: Vec<_> = told.map(|(code, _)| code).collect();
    let named = if codes.is_empty() { "told before this node kept evidence".to_owned() } else { codes.join(", ") };
    format!("paused, because of a new problem ({named}): it waits for resume with acknowledge and a reason")
}

fn waits(look: &Look<'_>, rolling: &Rolling<'_>, progress: &Progress, tally: &Tally) -> Vec<String> {
    let rollout = rolling.rollout();
    match rollout.state {
        RolloutState::Draft => return vec!["a draft: it waits to be published".to_owned()],
        RolloutState::Paused if rollout.gate_failed => {
            return vec![waits_for_acknowledgement(look.health, rolling)];
        }
        RolloutState::Paused => return vec!["paused: it waits for resume".to_owned()],
        RolloutState::RolledBack | RolloutState::Completed => return Vec::new(),
        RolloutState::Active => {}
    }
    if let Some(opens) = rollout.stage_opened_at.filter(|opens| *opens > look.now) {
        return vec![format!("its trigger fires at {opens}")];
    }
    let mut waits = Vec::new();
    if look.freezes.stop(rolling.release(), look.now) {
        waits.push("a freeze of its product or cohort: ramps and bakes stand still".to_owned());
    }
    let Some(stage) = rolling.stage() else { return waits };
    if !rolling.is_stage_open() {
        waits.push("its last stage has passed: it waits for complete".to_owned());
        return waits;
    }
    if let Some(ends_at) = rolling.exposure_ends_at().filter(|ends_at| *ends_at > look.now) {
        waits.push(format!("the ramp of stage {} ends at {ends_at}", stage.name));
    }
    if stage.gate.is_none() {
        waits.push(format!("stage {} has no gate: it waits for advance", stage.name));
    }
    waits.extend(progress.verdict.map(|verdict| format!("stage {}: {}", stage.name, words(verdict, tally))));
    for cell in &progress.cells {
        waits.push(match cell.verdict {
            Some(verdict) => format!("domain {}: {verdict}", cell.domain),
            None => format!("domain {}: {}", cell.domain, state_of_cell(cell.state)),
        });
    }
    waits
}

fn words(verdict: Verdict, tally: &Tally) -> String {
    match verdict {
        Verdict::Unsettled if tally.known == 0 => "no known device is in it".to_owned(),
        Verdict::Unsettled => format!("waits for the outcome of {} of {} known devices", tally.awaited, tally.known),
        Verdict::Fail(_) | Verdict::Baking | Verdict::Lacks(_) | Verdict::Pass => verdict.to_string(),
    }
}

fn state_of_cell(state: CellState) -> &'static str {
    match state {
        CellState::Closed => "closed, until its turn has come and no other domain of its exclusion is open",
        CellState::Open | CellState::Settled => "open",
        CellState::Passed => "passed",
        CellState::Failed => "failed",
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fail(Failure::NewProblem) => "a problem that no other release of the product has shown",
            Self::Fail(Failure::Share) => "more failures than its gate bears",
            Self::Fail(Failure::Number) => "as many failures as its gate bears at most",
            Self::Unsettled => "has not settled: too few outcomes",
            Self::Baking => "settled, and bakes",
            Self::Lacks(Lack::Sample) => "too few devices have tried",
            Self::Lacks(Lack::Success) => "too few devices have succeeded",
            Self::Lacks(Lack::Approvals) => "waits for approvals",
            Self::Lacks(Lack::Devices) => "no known device is in it",
            Self::Pass => "passes",
        })
    }
}

impl Health {
    /// What the gate of the current stage sees, of the whole stage or of one cell: every event that was taken in while it
    /// was open.
    #[must_use]
    pub fn counts(&self, catalog: &Catalog, release: &ReleaseId, domain: Option<&str>) -> Counts {
        let Some(stored) = catalog.releases().get(release) else { return Counts::default() };
        let rolling = Rolling::of(catalog, stored);
        let fleets = Fleets::new(catalog, self);
        crate::tally::current(catalog, self, &fleets, rolling.release(), &rolling.policy).of(domain).all
    }
}
