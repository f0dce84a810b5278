//! Fleets: many checks at one instant, and what is expected of their sum.

use tidegate_manifest::read::{Context, Fields, values};
use tidegate_manifest::tree::Node;

use super::{Clock, ask, expect};
use crate::limits;
use crate::script::{Fleet, FleetExpectation, Overlap};

/// `fleet: {...}`.
pub(super) fn fleet(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Fleet> {
    let mut fields = Fields::open(context, node, path)?;
    let count = fields.required("count", values::number);
    let first = fields.optional("first", values::number).unwrap_or(0);
    let remember = fields.optional("remember", values::digits);
    let mut expected = FleetExpectation::default();
    sets(&mut fields, &mut expected);
    let ask = ask::ask(&mut fields);
    let count = count.filter(|count| {
        let fits = *count <= limits::FLEET_MAX && first.checked_add(*count).is_some();
        if !fits {
            let rule = format!("must be at most {}", limits::FLEET_MAX);
            fields.context.refuse(node.get("count").unwrap_or(node), "fleet.count", rule);
        }
        fits
    });
    fields.finish();
    Some(Fleet { count: count?, first, ask, remember, expected })
}

/// Adds the `expect` beside it. What compares with remembered sets may stand in either place, in one of them.
pub(super) fn with_expectation(fields: &mut Fields<'_, '_, '_>, clock: Clock, mut fleet: Fleet) -> Fleet {
    let (mut expected, mut remember) = (fleet.expected.clone(), fleet.remember.clone());
    fields.optional("expect", |context: &mut Context<'_>, node: &Node, path: &str| {
        let mut fields = Fields::open(context, node, path)?;
        expected.offered = fields.optional("offered", values::number);
        expected.offered_min = fields.optional("offered_min", values::number);
        expected.offered_max = fields.optional("offered_max", values::number);
        expected.target_release = fields.optional("target_release", values::digits);
        expected.others = fields.optional("others", expect::answer(clock));
        sets(&mut fields, &mut expected);
        once(&mut fields, "remember", &mut remember);
        fields.finish();
        Some(())
    });
    fleet.expected = expected;
    fleet.remember = remember;
    fleet
}

fn sets(fields: &mut Fields<'_, '_, '_>, expected: &mut FleetExpectation) {
    once(fields, "same_as", &mut expected.same_as);
    once(fields, "contains", &mut expected.contains);
    once(fields, "within", &mut expected.within);
    let had_one = expected.overlap.is_some();
    if let Some(overlap) = fields.optional("overlap", overlap) {
        if had_one {
            let node = fields.node;
            fields.context.refuse(node, "overlap", "is there twice");
        }
        expected.overlap = Some(overlap);
    }
}

/// A name that may be given in one of two places.
fn once(fields: &mut Fields<'_, '_, '_>, name: &'static str, value: &mut Option<String>) {
    if let Some(written) = fields.optional(name, values::digits) {
        if value.is_some() {
            let node = fields.node;
            fields.context.refuse(node, name, "is there twice");
        }
        *value = Some(written);
    }
}

fn overlap(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Overlap> {
    let mut fields = Fields::open(context, node, path)?;
    let with = fields.required("with", values::digits);
    let min = fields.optional("min", values::number);
    let max = fields.optional("max", values::number);
    if min.is_none() && max.is_none() {
        fields.context.refuse(node, path, "must have min or max");
    }
    fields.finish();
    Some(Overlap { with: with?, min, max })
}
