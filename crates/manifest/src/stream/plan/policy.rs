//! The policy of a throttled release: one stage, everybody in the end.

use tidegate_model::{Exposure, Policy, Ramp, ReleaseId};

use super::super::entry::Habits;

/// The policy of a new release.
pub fn of_ramp(release: &ReleaseId, ramp: &Ramp, habits: &Habits) -> Policy {
    let mut policy = Policy {
        auto_complete: habits.auto_complete,
        interactive_bypasses_phase: habits.interactive_bypasses_phase,
        ..Policy::implicit(release.clone())
    };
    for stage in &mut policy.stages {
        stage.exposure = Exposure::Ramp(ramp.clone());
    }
    policy
}

/// The stored policy with another ramp; `None` if it is the same.
///
/// # Errors
/// A warning, if the policy was given more stages by hand: it is left as it is.
pub fn with_ramp(stored: Option<&Policy>, release: &ReleaseId, ramp: &Ramp) -> Result<Option<Policy>, String> {
    let mut policy = stored.cloned().unwrap_or_else(|| Policy::implicit(release.clone()));
    let exposure = Exposure::Ramp(ramp.clone());
    match policy.stages.as_mut_slice() {
        [stage] if stage.exposure == exposure => Ok(None),
        [stage] => {
            stage.exposure = exposure;
            Ok(Some(policy))
        }
        stages => Err(format!("its policy has {} stages by hand: the stream's ramp is not written", stages.len())),
    }
}

/// In words.
pub fn describe(ramp: &Ramp) -> String {
    match ramp {
        Ramp::Linear { from, duration } => format!("from {from} % to everybody in {duration}"),
        Ramp::Steps(steps) => {
            let share = steps.last().map_or_else(String::new, |step| format!("{} %", step.share));
            format!("{share} from its start on")
        }
        Ramp::Groups { groups, interval } => format!("in {groups} groups, one each {interval}"),
        Ramp::Apple => "in seven days".to_owned(),
    }
}
