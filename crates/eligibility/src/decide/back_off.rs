//! Step 9 with step 11: from the end of the path to its start, the first candidate that the device may have now.

use crate::compiled::Onward;
use crate::decide::check::{self, Failure};
use crate::decide::context::Context;
use crate::decide::holds::{self, Active};
use crate::limits;
use crate::reason::Reason;
use crate::trace::{Entry, Trail};

/// What a search came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Search {
    /// The target, and whether only being critical made it one.
    pub(super) target: Option<(usize, bool)>,
    /// The soft hold on the highest candidate that passed all checks.
    pub(super) held: Option<Failure>,
    /// The highest candidate that only lacks the user.
    pub(super) needs_user: Option<usize>,
    /// The first failure of the highest candidate.
    pub(super) highest: Option<Failure>,
}

/// Searches the path that begins at `start`. What nobody could be offered is skipped.
pub(super) fn search<'s>(context: &Context<'s, '_>, active: &Active, start: usize, trail: &mut Trail<'_, 's>) -> Search {
    if trail.is_on() {
        tell(context, start, trail);
    }
    let mut search = Search::default();
    let Some(end) = context.graph().stop(start) else { return search };
    let onward = search.test(context, active, end);
    if start != end {
        let limit = limits::CANDIDATES_TESTED_MAX;
        context.graph().search_below((start, end), onward, limit, |node| search.test(context, active, node));
    }
    search
}

impl Search {
    /// Takes the next lower candidate into account. Once a soft hold was met, it holds every lower candidate too that is
    /// neither critical nor agreed to, and what else might be said of those counts for nothing beside it.
    fn test(&mut self, context: &Context<'_, '_>, active: &Active, node: usize) -> Onward {
        let is_highest = self.highest.is_none() && self.held.is_none();
        let candidate = context.node(node);
        match check::check(context, candidate) {
            // Step 11 for one candidate.
            Ok(past_checks) => match check::passage(context, active, &candidate.view) {
                Ok(past_holds) => self.target = Some((node, past_checks || past_holds)),
                Err(failure) => self.held = self.held.or(Some(failure)),
            },
            Err(failure) => {
                if is_highest {
                    self.highest = Some(failure);
                }
                if failure.reason == Reason::NeedsUser {
                    self.needs_user = self.needs_user.or(Some(node));
                }
            }
        }
        match (&self.target, &self.held) {
            (Some(_), _) => Onward::Done,
            (None, Some(_)) => Onward::NextPiercing,
            (None, None) => Onward::Next,
        }
    }
}

/// Names every candidate, from the end of the path to its start, with the holds that are limited to its bundle.
fn tell<'s>(context: &Context<'s, '_>, start: usize, trail: &mut Trail<'_, 's>) {
    let end = context.graph().stop(start).unwrap_or(start);
    let mut path = vec![start];
    let mut node = start;
    while let Some(next) = context.node(node).next.filter(|_| node != end) {
        path.push(next);
        node = next;
    }
    for node in path.into_iter().rev().map(|node| context.node(node)) {
        if let Some(limited) = context.view.holds.limited.get(node.view.release().bundle.as_str()) {
            holds::visit_active(limited, &context.facts, context.now, |hold| {
                trail.record(Entry::Hold { hold: &hold.hold().id, reason: Reason::of_hold(hold.hold().kind) });
            });
        }
        let failure = check::check(context, node).err();
        trail.record(Entry::Candidate {
            release: node.view.id(),
            failure: failure.map(|failure| failure.reason),
            next_eligible_at: failure.and_then(|failure| failure.next_eligible_at),
        });
    }
}
