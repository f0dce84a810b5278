//! What was seen of one fault, as plain figures.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{BOUND, Fault};
use crate::load::{EDGE, Outcome, Seen};

/// The moments of one run.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// The fault begins.
    pub(super) begun: Instant,
    /// The pause is acknowledged.
    pub(super) acknowledged: Instant,
    /// The fault ends.
    pub(super) healed: Instant,
    /// The rollout is about to be resumed.
    pub(super) ended: Instant,
}

/// One run of one fault.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What happened.
    pub fault: Fault,
    /// Indices of the nodes that it happened to.
    pub affected: Vec<usize>,
    /// What the affected nodes said.
    pub affected_side: Side,
    /// What the other nodes said.
    pub healthy_side: Side,
    /// What the edge said, which followed an affected node when it began.
    pub edge: Side,
    /// From the beginning of the fault until the pause was acknowledged: elections and retries are part of it. Zero for
    /// [`Fault::KillAll`], which follows the pause.
    pub paused_after: Duration,
    /// From the end of the fault until the affected nodes said nothing wrong any more. `None` if they never did.
    pub right_again_after: Option<Duration>,
    /// Whether the affected nodes and the edge refused, and offered again after the resume, without an operator.
    pub is_recovered: bool,
    /// Whether all nodes have the same catalog in the end.
    pub agree: bool,
    /// Writes that were acknowledged.
    pub writes_acknowledged: usize,
    /// Acknowledged writes that a node does not show in the end, counted once for each node.
    pub writes_lost: usize,
    /// Writes that were refused or whose outcome nobody knows, in the client's words.
    pub writes_refused: Vec<String>,
    /// Longest time without an acknowledgement of a write through the healthy nodes.
    pub writes_gap: Duration,
}

/// What one side of the fault answered to devices.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Checks.
    pub checks: usize,
    /// Checks without a decision: no answer in time, no connection, or an HTTP error. One of them is kept as a sample.
    pub unanswered: usize,
    /// What one of them heard instead.
    pub unanswered_sample: Option<String>,
    /// Checks that heard SNAPSHOT_STALE.
    pub stale: usize,
    /// Reasons that nothing in the run explains, with how often.
    pub unexpected: BTreeMap<String, usize>,
    /// Longest wait for a decision.
    pub slowest: Duration,
    /// When the last check that heard an offer was sent, after the acknowledgement of the pause; `None` if none was.
    pub last_offer: Option<Duration>,
    /// Offers to checks that were sent later than the bound after the acknowledgement of the pause.
    pub late_offers: usize,
    /// Checks that were sent so late and answered: what the figure above is worth.
    pub late_checks: usize,
}

impl Figures {
    pub(super) fn of(fault: Fault, affected: Vec<usize>, outcome: &Outcome, times: Times) -> Self {
        let of = |is_meant: &dyn Fn(usize) -> bool| outcome.seen.iter().filter(|one| is_meant(one.node)).collect::<Vec<&Seen>>();
        let touched = of(&|node| affected.contains(&node));
        Self {
            fault,
            right_again_after: right_again(&touched, times),
            affected_side: Side::of(&touched, times),
            healthy_side: Side::of(&of(&|node| node != EDGE && !affected.contains(&node)), times),
            edge: Side::of(&of(&|node| node == EDGE), times),
            paused_after: times.acknowledged.saturating_duration_since(times.begun),
            is_recovered: false,
            agree: false,
            writes_acknowledged: outcome.acknowledged.len(),
            writes_lost: 0,
            writes_refused: outcome.refused.clone(),
            writes_gap: gap(outcome),
            affected,
        }
    }
}

impl Side {
    fn of(seen: &[&Seen], times: Times) -> Self {
        let mut side = Self { checks: seen.len(), ..Self::default() };
        let late = times.acknowledged + BOUND;
        for one in seen {
            let heard = match &one.heard {
                Ok(heard) => heard,
                Err(error) => {
                    side.unanswered += 1;
                    side.unanswered_sample.get_or_insert_with(|| error.clone());
                    continue;
                }
            };
            side.slowest = side.slowest.max(one.took);
            let is_offer = heard.starts_with("OFFER");
            match heard.split(' ').next().unwrap_or_default() {
                "SNAPSHOT_STALE" => side.stale += 1,
                "OFFER_LATEST" | "PAUSED" => {}
                other => *side.unexpected.entry(other.to_owned()).or_default() += 1,
            }
            // After it the rollout goes on, and an offer is right.
            if one.sent + one.took > times.ended {
                continue;
            }
            // The observer knows when it asked, not when was decided, which was later.
            if is_offer && one.sent > times.acknowledged {
                side.last_offer = side.last_offer.max(Some(one.sent.duration_since(times.acknowledged)));
            }
            if one.sent > late {
                side.late_checks += 1;
                side.late_offers += usize::from(is_offer);
            }
        }
        side
    }
}

/// From the heal until the first answer after the last wrong one, among checks sent between heal and end.
fn right_again(seen: &[&Seen], times: Times) -> Option<Duration> {
    let mut after: Vec<&&Seen> =
        seen.iter().filter(|one| one.sent >= times.healed && one.sent + one.took <= times.ended).collect();
    after.sort_by_key(|one| one.sent);
    let is_right = |one: &Seen| one.heard.as_ref().is_ok_and(|heard| heard.starts_with("PAUSED"));
    let first = after.iter().rposition(|one| !is_right(one)).map_or(0, |wrong| wrong + 1);
    after.get(first).map(|one| (one.sent + one.took).duration_since(times.healed))
}

/// Longest time between two acknowledgements of writes through the healthy nodes.
fn gap(outcome: &Outcome) -> Duration {
    let healthy = outcome.acknowledged.iter().filter(|(name, _)| name.starts_with('w'));
    let mut times: Vec<Instant> = healthy.map(|(_, at)| *at).collect();
    times.sort_unstable();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
