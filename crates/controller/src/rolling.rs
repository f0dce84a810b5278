//! One rollout as the controller looks at it: the release, its policy, the stage that it is in.

use std::borrow::Cow;

use tidegate_model::{
    Catalog, Command, Policy, Release, Rollout, RolloutState, Stage, StageState, Steer, SteerStep, Stored, Timestamp,
};

/// A rollout with what belongs to it.
pub(crate) struct Rolling<'a> {
    stored: &'a Stored<Release>,
    pub(crate) policy: Cow<'a, Policy>,
}

impl<'a> Rolling<'a> {
    /// The rollout of a release, with its own policy or the implicit one.
    pub(crate) fn of(catalog: &'a Catalog, stored: &'a Stored<Release>) -> Self {
        let own = catalog.policies().get(&stored.body.id).map(|policy| Cow::Borrowed(&policy.body));
        let policy = own.unwrap_or_else(|| Cow::Owned(Policy::implicit(stored.body.id.clone())));
        Self { stored, policy }
    }

    /// The release.
    pub(crate) fn release(&self) -> &'a Release {
        &self.stored.body
    }

    /// Its rollout.
    pub(crate) fn rollout(&self) -> &'a Rollout {
        &self.stored.body.rollout
    }

    /// The stage that it is in, passed or not.
    pub(crate) fn stage(&self) -> Option<&Stage> {
        self.policy.stages.get(self.index())
    }

    fn index(&self) -> usize {
        usize::try_from(self.rollout().stage_index).unwrap_or(usize::MAX)
    }

    /// True if there is no stage after this one.
    pub(crate) fn is_in_last_stage(&self) -> bool {
        self.index().saturating_add(1) >= self.policy.stages.len()
    }

    /// True if the release is active and its trigger has fired.
    pub(crate) fn is_running(&self, now: Timestamp) -> bool {
        self.rollout().state == RolloutState::Active && !self.rollout().waits_for_trigger(now)
    }

    /// True if its current stage has neither passed nor failed.
    pub(crate) fn is_stage_open(&self) -> bool {
        match self.rollout().stage_state {
            StageState::Open | StageState::Baking | StageState::Inconclusive | StageState::AwaitingApproval => true,
            StageState::Pending | StageState::Passed | StageState::Failed => false,
        }
    }

    /// True if it is the latest of its cohort: only then do its stages and exposures limit anybody.
    pub(crate) fn is_latest(&self) -> bool {
        self.release().linked && self.release().next.is_none()
    }

    /// When the exposure of the current stage reaches its end, all pauses and freezes so far counted.
    pub(crate) fn exposure_ends_at(&self) -> Option<Timestamp> {
        let origin = self.rollout().ramp_origin(self.release().published_at)?;
        Some(self.stage()?.exposure.ends_at(origin, self.rollout().stage_opened_at?))
    }

    /// A step of this rollout.
    pub(crate) fn steer(&self, step: SteerStep) -> Command {
        Command::Steer(Steer { release: self.release().id.clone(), expected_version: self.stored.version, step })
    }
}
