//! A policy is an ordered list of stages; each widens who is admitted.

use crate::exposure::Exposure;
use crate::ids::ReleaseId;
use crate::position::Ppm;
use crate::selector::Selector;
use crate::time::{Span, Timestamp};

/// How a release is let out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The release it belongs to; also the policy's id.
    pub release: ReleaseId,
    /// When the first stage opens.
    pub trigger: Trigger,
    /// In order; at least one.
    pub stages: Vec<Stage>,
    /// What a failed gate does.
    pub on_gate_fail: OnGateFail,
    /// Whether the rollout completes by itself when its last stage has passed.
    pub auto_complete: bool,
    /// Whether a user's own request passes stage and exposure.
    pub interactive_bypasses_phase: bool,
    /// Whether a critical release passes domains.
    pub critical_ignores_domains: bool,
}

/// What opens the first stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The publication.
    Now,
    /// The publication, but not before this instant: an embargo.
    At(Timestamp),
    /// The completion of another release.
    After(ReleaseId),
}

/// What a failed gate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGateFail {
    /// Pause.
    Pause,
    /// Withdraw.
    Withdraw,
}

/// One widening of the circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Unique within the policy.
    pub name: String,
    /// Who is meant.
    pub selector: Selector,
    /// How many of them.
    pub exposure: Exposure,
    /// One part of them after the other.
    pub domains: Option<Domains>,
    /// What must be seen before the next stage; absent: left only by hand.
    pub gate: Option<Gate>,
}

/// One domain value after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domains {
    /// Attribute whose values are the domains.
    pub key: String,
    /// The values, in order.
    pub values: Vec<String>,
    /// In which order they open.
    pub order: DomainOrder,
    /// How many may be open at once.
    pub parallel: u32,
    /// Whether the gate judges each cell, or the stage as a whole.
    pub gate_each: bool,
}

/// In which order domains open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainOrder {
    /// As written.
    Listed,
    /// Fewest devices first.
    SmallestFirst,
    /// By the position of the value.
    ByPosition,
}

/// What must be seen before a stage passes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Gate {
    /// Time to wait after it has settled.
    pub bake: Span,
    /// Devices that must have reported.
    pub min_sample: u32,
    /// More failures than this share fail it.
    pub max_failure_share: Option<Ppm>,
    /// This many failures fail it.
    pub max_failures: Option<u32>,
    /// At least this share must succeed.
    pub min_success_share: Option<Ppm>,
    /// Approvals by distinct people.
    pub approvals: u32,
    /// Whether a stage without any device may pass.
    pub allow_empty: bool,
    /// Whether a failure with a code that was told of no other release of the product fails it, at once and whatever the
    /// sample. It asks for no devices: by itself it makes no gate wait, and no stage is found empty because of it.
    pub fail_on_new_problem: bool,
}

impl Policy {
    /// What applies when a release has no policy: everybody, at once.
    #[must_use]
    pub fn implicit(release: ReleaseId) -> Self {
        Self {
            release,
            trigger: Trigger::Now,
            stages: vec![Stage {
                name: "all".to_owned(),
                selector: Selector::default(),
                exposure: Exposure::All,
                domains: None,
                gate: None,
            }],
            on_gate_fail: OnGateFail::Pause,
            auto_complete: false,
            interactive_bypasses_phase: false,
            critical_ignores_domains: false,
        }
    }
}
