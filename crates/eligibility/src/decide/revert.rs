//! Step 10a: the way back from a withdrawn release, when nothing lies ahead.
//!
//! It starts from where the device was placed, not from where it moved on to over releases of one bundle. Otherwise a
//! release that was withdrawn could send a device back which came to the same bundle by an earlier release, and would
//! come there again, for ever.

use tidegate_model::{Ppm, ReleaseId, RolloutState};

use crate::compiled::Node;
use crate::decide::Answer;
use crate::decide::check::{self, Failure};
use crate::decide::context::Context;
use crate::decide::holds::Active;
use crate::decision::Source;
use crate::reason::Reason;
use crate::table::KeyHash;
use crate::trace::{Entry, Trail};

/// The offer of the release to go back to, or the soft hold on it; absent if there is none to go back to.
pub(super) fn decide<'s>(context: &Context<'s, '_>, active: &Active, trail: &mut Trail<'_, 's>) -> Option<Answer<'s>> {
    let current = context.node(context.place.current?);
    let to = way_back(context, current)?;
    let graph = &context.cohort?.graph;
    let node = graph.by_release(KeyHash::of(to.as_str()), to.as_str()).map(|node| context.node(node))?;
    let verdict = check(context, current, node);
    trail.record(Entry::Revert { release: node.view.id(), failure: verdict.err().map(|failure| failure.reason) });
    verdict.ok()?;
    Some(match check::passage(context, active, &node.view) {
        Err(failure) => failure.into(),
        Ok(_) => Answer::from(Reason::OfferRevert).naming(context, &node.view, Source::Revert),
    })
}

/// Where the withdrawal sends this device, if it does.
fn way_back<'s>(context: &Context<'s, '_>, current: &'s Node) -> Option<&'s ReleaseId> {
    let rollout = &current.view.release().rollout;
    let is_meant = || match (rollout.revert_share, context.facts.key, rollout.salt) {
        (Ppm::EVERYBODY, _, _) => true,
        (share, Some((key, _)), Some(salt)) => share.admits(salt.position(key)),
        (_, _, _) => false,
    };
    rollout.revert_to.as_ref().filter(|_| rollout.state == RolloutState::RolledBack && is_meant())
}

/// Going back keeps all checks but those of the version and of the rollout. Nobody goes back to the bundle it has:
/// otherwise two releases of one bundle would send a device to and fro.
fn check(context: &Context<'_, '_>, current: &Node, node: &Node) -> Result<(), Failure> {
    let view = &node.view;
    check::before_compatibility(context, node)?;
    if !check::epoch_is_kept(context, view) {
        return Err(Reason::DowngradeBlocked.into());
    }
    check::compatible(context, view)?;
    check::not_held(context, view)?;
    let has = context.bundle.map_or(current.view.release().bundle.as_str(), |(id, _)| id);
    if view.release().bundle.as_str() == has { Err(Reason::UpToDate.into()) } else { Ok(()) }
}
