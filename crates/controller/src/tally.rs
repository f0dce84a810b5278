//! Counting: what the evidence comes to for one stage, or for each of its cells.
//!
//! Two countings side by side. Towards *fail* every event counts that was taken in while the stage was open, whoever sent
//! it, so that a late failure stops what runs now. Towards *settling and pass* only devices that match the stage and
//! whose first event for this release came since it opened.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tidegate_model::{Basis, DeviceFacts, DeviceKey, Exposure, Policy, Release, Rollout, Stage, Timestamp};

use crate::event::Ending;
use crate::fleet::{Fleet, Fleets, Known};
use crate::health::Health;
use crate::health::trial::{Baseline, Trial};

/// What a gate sees: devices, each with one outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Devices that tried.
    pub attempted: u64,
    /// Of these, devices that run the release.
    pub succeeded: u64,
    /// Of these, devices that failed, local roll-backs included.
    pub failed: u64,
    /// Of the failed ones, devices that went back by themselves.
    pub rolled_back: u64,
    /// Of these, devices that have told no outcome yet.
    pub running: u64,
    /// Known devices that are admitted and have not tried.
    pub silent: u64,
}

/// Everything that is counted of one stage or cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Towards fail: all that was taken in while the stage was open.
    pub all: Counts,
    /// Towards settling and pass: devices of the stage that began in it.
    pub own: Counts,
    /// Failures at the moment at which a failed gate was last acknowledged.
    pub failed_at_acknowledgement: u64,
    /// New problems that were told while the stage was open and that no acknowledgement covers; counted only if the gate
    /// fails on them.
    pub new_problems: u64,
    /// Known devices of the cohort that match.
    pub known: u64,
    /// Of the admitted ones that are to report here, those that have told no outcome.
    pub awaited: u64,
}

/// The tallies of a stage: of the whole, and of each cell that a known device or an event names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) stage: Tally,
    pub(crate) cells: BTreeMap<String, Tally>,
}

impl Tallies {
    /// That of the stage, or of one cell.
    pub(crate) fn of(&self, domain: Option<&str>) -> Tally {
        match domain {
            None => self.stage,
            Some(domain) => self.cells.get(domain).copied().unwrap_or_default(),
        }
    }

    /// A new problem that was told in these cells, by devices of which each is in one or in none.
    fn note_problem<'a>(&mut self, cells: impl Iterator<Item = Option<&'a str>>) {
        let cells: BTreeSet<Option<&str>> = cells.collect();
        self.stage.new_problems += u64::from(!cells.is_empty());
        for cell in cells.into_iter().flatten() {
            self.cells.entry(cell.to_owned()).or_default().new_problems += 1;
        }
    }

    fn each(&mut self, cell: Option<&str>, mut count: impl FnMut(&mut Tally)) {
        count(&mut self.stage);
        if let Some(cell) = cell {
            if !self.cells.contains_key(cell) {
                self.cells.insert(cell.to_owned(), Tally::default());
            }
            self.cells.get_mut(cell).into_iter().for_each(count);
        }
    }
}

/// Counts for the current stage of a release.
pub(crate) fn current(
    catalog: &tidegate_model::Catalog,
    health: &Health,
    fleets: &Fleets<'_>,
    release: &Release,
    policy: &Policy,
) -> Tallies {
    let mut tallies = Tallies::default();
    let rollout = &release.rollout;
    let Some(stage) = policy.stages.get(usize::try_from(rollout.stage_index).unwrap_or(usize::MAX)) else { return tallies };
    let cell_of = |known: &Known<'_>| {
        let domains = stage.domains.as_ref()?;
        let value = known.attribute(&domains.key)?;
        domains.values.iter().find(|listed| *listed == value).map(String::as_str)
    };
    let tells_devices_apart = stage.domains.is_some() || !stage.selector.is_everybody();
    let trials = health.trials(&release.id);
    let baseline = rollout.acknowledged_at.map(|at| health.baseline(&release.id, at));
    for (key, trial) in trials.into_iter().flat_map(|trials| &trials.devices) {
        if !trial.attempted(rollout.stage_index) {
            continue;
        }
        // Looked up only where it matters who the device is.
        let known = tells_devices_apart.then(|| Known::find(catalog, health, &release.product, key));
        let matches = known.as_ref().is_none_or(|known| stage.selector.matches(known));
        let is_own = trial.began_in(rollout.stage_index) && matches;
        let cell = known.as_ref().and_then(&cell_of);
        tallies.each(cell, |tally| count_attempt(tally, trial, rollout.stage_index, baseline, is_own));
    }
    if stage.gate.as_ref().is_some_and(|gate| gate.fail_on_new_problem) {
        for (_, told) in health.new_codes(&release.id).filter(|(_, told)| !told.is_acknowledged(baseline)) {
            let reporters = told.reporters_in(rollout.stage_index);
            let cells = reporters.map(|key| cell_of(&Known::find(catalog, health, &release.product, key)));
            tallies.note_problem(cells);
        }
    }
    let fleets: Rc<BTreeMap<_, Fleet<'_>>> = fleets.of(&release.product);
    let devices = fleets.get(&release.cohort).map_or(&[][..], |fleet| &fleet.devices);
    for known in devices.iter().filter(|known| stage.selector.matches(*known)) {
        let trial = trials.and_then(|trials| trials.devices.get(known.key));
        let is_admitted = admits_at_end(stage, rollout, known);
        let began_earlier = trial.is_some_and(|trial| !trial.began_in(rollout.stage_index));
        let has_outcome = trial.is_some_and(|trial| trial.ending_in(rollout.stage_index).is_some());
        let has_tried = trial.is_some_and(|trial| trial.attempted(rollout.stage_index));
        tallies.each(cell_of(known), |tally| {
            tally.known += 1;
            let is_silent = u64::from(is_admitted && !began_earlier && !has_tried);
            tally.all.silent += is_silent;
            tally.own.silent += is_silent;
            tally.awaited += u64::from(is_admitted && !began_earlier && !has_outcome);
        });
    }
    tallies
}

fn count_attempt(tally: &mut Tally, trial: &Trial, stage: u32, baseline: Option<Baseline>, is_own: bool) {
    let ending = trial.ending_in(stage);
    count(&mut tally.all, ending);
    if is_own {
        count(&mut tally.own, ending);
    }
    let acknowledged = baseline.and_then(|until| trial.ending_in_as_of(stage, until));
    tally.failed_at_acknowledgement += u64::from(acknowledged.is_some_and(Ending::is_failure));
}

fn count(counts: &mut Counts, ending: Option<Ending>) {
    counts.attempted += 1;
    match ending {
        None => counts.running += 1,
        Some(Ending::Succeeded) => counts.succeeded += 1,
        Some(Ending::Failed) => counts.failed += 1,
        Some(Ending::RolledBack) => {
            counts.failed += 1;
            counts.rolled_back += 1;
        }
    }
}

/// True if the exposure of the stage, once it has reached its end, admits the device.
fn admits_at_end(stage: &Stage, rollout: &Rollout, known: &Known<'_>) -> bool {
    let key: &DeviceKey = known.key;
    let position = || rollout.salt.map(|salt| salt.position(key.as_str()));
    match &stage.exposure {
        Exposure::All => true,
        Exposure::Percent { share, basis: Basis::Hash } => position().is_some_and(|position| share.admits(position)),
        Exposure::Percent { share, basis: Basis::Roster } => {
            *share == tidegate_model::Ppm::EVERYBODY || rollout.admitted.contains(key)
        }
        Exposure::Count(_) => rollout.admitted.contains(key),
        Exposure::Tags(any_of) => any_of.iter().any(|tag| known.has_tag(tag)),
        Exposure::Ramp(ramp) => {
            let origin = Timestamp::from_millis(0);
            ramp.admission(origin, origin.plus(ramp.length())).admits(position())
        }
    }
}
