//! Unlimited freezes of a product or cohort: while one is in force, ramps and bakes of its rollouts stand still.

use tidegate_model::{Catalog, Hold, HoldKind, HoldScope, Release, SteerStep, Timestamp};

use crate::rolling::Rolling;

/// True if this hold stops the rollouts of the release's cohort: a freeze of all of it, not of one bundle or of some devices.
fn stops(hold: &Hold, release: &Release) -> bool {
    let is_of_all = match &hold.scope {
        HoldScope::Product => true,
        HoldScope::Cohort(cohort) => *cohort == release.cohort,
        HoldScope::Device(_) | HoldScope::Selector(_) => false,
    };
    hold.kind == HoldKind::Freeze && hold.product == release.product && is_of_all && !hold.is_limited()
}

/// The freezes of a cluster.
pub(crate) struct Freezes<'a> {
    holds: Vec<&'a Hold>,
    log_time: Timestamp,
}

impl<'a> Freezes<'a> {
    /// All freezes, in force or not. `log_time`: that of the last entry.
    pub(crate) fn of(catalog: &'a Catalog, log_time: Timestamp) -> Self {
        let holds = catalog.holds().values().map(|stored| &stored.body);
        Self { holds: holds.filter(|hold| hold.kind == HoldKind::Freeze).collect(), log_time }
    }

    /// True if one is in force for the release.
    pub(crate) fn stop(&self, release: &Release, now: Timestamp) -> bool {
        self.concerning(release).any(|hold| hold.is_in_force(now))
    }

    /// What is to be noted: that a freeze has begun for a running rollout, or that it is over.
    ///
    /// The instant is that of the hold. It is never earlier than the last entry, though: a hold that was written for a time
    /// in the past, or that was there before the rollout resumed, stopped nothing then.
    pub(crate) fn step(&self, rolling: &Rolling<'_>, now: Timestamp) -> Option<SteerStep> {
        let (release, rollout) = (rolling.release(), rolling.rollout());
        let is_frozen = self.stop(release, now);
        match rollout.frozen_since {
            None if is_frozen => {
                let began = self.concerning(release).filter(|hold| hold.is_in_force(now)).map(|hold| hold.from).min()?;
                Some(SteerStep::Freeze { since: began.max(rollout.stage_opened_at?).max(self.log_time).min(now) })
            }
            Some(since) if !is_frozen => {
                let ends = self.concerning(release).filter_map(|hold| hold.until).filter(|until| *until <= now);
                let until = ends.max().map_or(self.log_time, |ended| ended.max(self.log_time));
                Some(SteerStep::Thaw { until: until.max(since).min(now) })
            }
            None | Some(_) => None,
        }
    }

    /// The instants after `now` at which a freeze of the release begins or ends.
    pub(crate) fn edges(&self, release: &Release, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        self.concerning(release).flat_map(|hold| [Some(hold.from), hold.until]).flatten().filter(move |at| *at > now)
    }

    fn concerning(&self, release: &Release) -> impl Iterator<Item = &'a Hold> {
        self.holds.iter().copied().filter(|hold| stops(hold, release))
    }
}
