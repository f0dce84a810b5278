//! Everything that is due, in order.

use std::collections::BTreeMap;

use tidegate_machine::State;
use tidegate_model::{Catalog, CohortId, Command, ProductId, Release, RolloutState, SteerStep, Stored, Timestamp, Version};

use crate::domains::Tokens;
use crate::fleet::Fleets;
use crate::freeze::Freezes;
use crate::health::Health;
use crate::rolling::Rolling;
use crate::tally::Tallies;
use crate::{after, domains, judge, limits, memory, roster, tally};

/// Everything that is due at `now`: one command per log entry, in order, at most one for each release. Empty when nothing is
/// left to do. Apply them and ask again: each answer is computed from the state that it is given, and after a bounded
/// number of rounds nothing is left. What the machine refuses with `CONFLICT` somebody else was faster with; ask again.
#[must_use]
pub fn due(state: &State, health: &Health, now: Timestamp) -> Vec<Command> {
    let catalog = state.catalog();
    let look =
        Look { catalog, health, now, fleets: Fleets::new(catalog, health), freezes: Freezes::of(catalog, state.log_time()) };
    let mut tokens = Tokens::of(catalog);
    let mut commands = memory::due(catalog, health, now);
    for stored in catalog.releases().values() {
        let rolling = Rolling::of(catalog, stored);
        commands.extend(look.step(&rolling, &mut tokens).map(|step| rolling.steer(step)));
    }
    for release in after::awaited(catalog) {
        let stored = catalog.releases().get(&release).map(|stored| Rolling::of(catalog, stored));
        commands.extend(stored.map(|rolling| rolling.steer(SteerStep::Fire)));
    }
    commands.extend(follow(catalog));
    commands.truncate(limits::COMMANDS_MAX);
    commands
}

/// The next instant after `now` at which something may fall due by time alone; none: never, unless something happens.
#[must_use]
pub fn next_due(state: &State, health: &Health, now: Timestamp) -> Option<Timestamp> {
    // Evidence changes what is due only when it comes in.
    let _ = health;
    let catalog = state.catalog();
    let freezes = Freezes::of(catalog, state.log_time());
    let mut instants = Vec::new();
    for stored in catalog.releases().values().filter(|stored| stored.body.rollout.state == RolloutState::Active) {
        let rolling = Rolling::of(catalog, stored);
        instants.extend(freezes.edges(rolling.release(), now));
        instants.extend(rolling.rollout().stage_opened_at.filter(|_| !rolling.is_running(now)));
        if rolling.rollout().frozen_since.is_none() {
            instants.extend(judge::units(&rolling).iter().flat_map(|unit| unit.edges(&rolling)));
            instants.extend(after::completes_at(&rolling));
        }
    }
    instants.into_iter().filter(|at| *at > now).min()
}

/// What one round looks at.
pub(crate) struct Look<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) health: &'a Health,
    pub(crate) now: Timestamp,
    pub(crate) fleets: Fleets<'a>,
    pub(crate) freezes: Freezes<'a>,
}

impl Look<'_> {
    /// The one step of a rollout that comes first: freezes are noted before anything is judged, failures come before the
    /// stage widens, and it completes when nothing else is left.
    fn step(&self, rolling: &Rolling<'_>, tokens: &mut Tokens) -> Option<SteerStep> {
        if !rolling.is_running(self.now) {
            return None;
        }
        if let Some(step) = self.freezes.step(rolling, self.now) {
            return Some(step);
        }
        let is_frozen = self.freezes.stop(rolling.release(), self.now);
        let tallies = self.tallies(rolling);
        let judged = judge::step(rolling, &tallies, self.now, is_frozen);
        if is_frozen || matches!(judged, Some(SteerStep::Fail { .. })) {
            return judged;
        }
        self.admit(rolling).or_else(|| self.open(rolling, &tallies, tokens)).or(judged).or_else(|| self.complete(rolling))
    }

    /// What was counted for the current stage; nothing if nobody will judge by it.
    pub(crate) fn tallies(&self, rolling: &Rolling<'_>) -> Tallies {
        let is_asked_for = rolling.stage().is_some_and(|stage| stage.gate.is_some() || stage.domains.is_some());
        if is_asked_for && rolling.is_stage_open() {
            tally::current(self.catalog, self.health, &self.fleets, rolling.release(), &rolling.policy)
        } else {
            Tallies::default()
        }
    }

    fn admit(&self, rolling: &Rolling<'_>) -> Option<SteerStep> {
        let release = rolling.release();
        if !rolling.is_stage_open() || !rolling.stage()?.exposure.needs_roster() {
            return None;
        }
        let window = self.catalog.products().get(&release.product)?.body.active_window;
        let fleets = self.fleets.of(&release.product);
        roster::growth(rolling, fleets.get(&release.cohort)?, window, self.now)
    }

    fn open(&self, rolling: &Rolling<'_>, tallies: &Tallies, tokens: &mut Tokens) -> Option<SteerStep> {
        if !rolling.is_stage_open() {
            return None;
        }
        let devices: BTreeMap<String, u64> = tallies.cells.iter().map(|(value, tally)| (value.clone(), tally.known)).collect();
        let opening = domains::to_open(self.catalog, tokens, rolling, &devices);
        (!opening.is_empty()).then_some(SteerStep::OpenCells(opening))
    }

    fn complete(&self, rolling: &Rolling<'_>) -> Option<SteerStep> {
        after::completes(rolling, self.now).then_some(SteerStep::Complete)
    }
}

/// For each follower the lowest version that it lacks: the others come after it, in the next rounds.
fn follow(catalog: &Catalog) -> Vec<Command> {
    let mut lowest: BTreeMap<(ProductId, CohortId), (Version, &Stored<Release>, SteerStep)> = BTreeMap::new();
    for stored in catalog.releases().values() {
        let release = &stored.body;
        let Some(product) = catalog.products().get(&release.product) else { continue };
        for step in after::followers(catalog, release) {
            let SteerStep::Follow { cohort } = &step else { continue };
            let Some(version) = after::version_of(catalog, &product.body, release) else { continue };
            let follower = (release.product.clone(), cohort.clone());
            if lowest.get(&follower).is_none_or(|(found, _, _)| version.is_below(found)) {
                lowest.insert(follower, (version, stored, step));
            }
        }
    }
    lowest.into_values().map(|(_, stored, step)| Rolling::of(catalog, stored).steer(step)).collect()
}
