//! Exposures: how much of a stage is admitted.

use tidegate_model::{Basis, Exposure, Ppm, Ramp, RampStep};

use super::context::Context;
use super::fields::Fields;
use super::values::{flag, list, numeric, percent, small_number, span, texts, word};
use crate::scalar;
use crate::tree::{Data, Node};

/// `all`, or a map with exactly one of `percent`, `count`, `tags`, `ramp`, `phase_value`.
pub fn exposure(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Exposure> {
    if let Data::Scalar(_) = &node.data {
        return word(&[("all", ())])(context, node, path).map(|()| Exposure::All);
    }
    let mut fields = Fields::open(context, node, path)?;
    let kind = fields.exactly_one(&["percent", "count", "tags", "ramp", "phase_value"]);
    let basis = fields.optional("basis", word(&[("hash", Basis::Hash), ("roster", Basis::Roster)]));
    if let (Some(written), Some("count" | "tags" | "ramp" | "phase_value")) = (node.get("basis"), kind) {
        let path = fields.path("basis");
        fields.context.refuse(written, &path, "must not be there without percent: only a percentage has a basis");
    }
    let exposure = match kind {
        Some("percent") => {
            let share = fields.required("percent", percent);
            share.map(|share| Exposure::Percent { share, basis: basis.unwrap_or(Basis::Hash) })
        }
        Some("count") => fields.required("count", small_number).map(Exposure::Count),
        Some("tags") => fields.required("tags", texts).map(Exposure::Tags),
        Some("ramp") => fields.required("ramp", ramp).map(Exposure::Ramp),
        Some(_) => {
            let rule = "must be 0 to 1 with at most six decimals (a share) or a whole number from 2 (a count of devices)";
            fields.required("phase_value", numeric(rule, phase_value))
        }
        None => None,
    };
    fields.finish();
    exposure
}

/// One number for both: from 0 to 1 it is a share, from 2 on it must be whole and is a count.
fn phase_value(text: &str) -> Option<Exposure> {
    if let Some(count @ 2..) = scalar::number(text) {
        return u32::try_from(count).ok().map(Exposure::Count);
    }
    let share = Ppm::new(u32::try_from(scalar::decimal(text, 6)?).ok()?).ok()?;
    Some(Exposure::Percent { share, basis: Basis::Hash })
}

/// A map with exactly one of `steps`, `groups` (with `interval`), `apple`, `linear`.
fn ramp(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Ramp> {
    let mut fields = Fields::open(context, node, path)?;
    let kind = fields.exactly_one(&["steps", "groups", "apple", "linear"]);
    let ramp = match kind {
        Some("steps") => fields.required("steps", list(step)).map(Ramp::Steps),
        Some("groups") => {
            let (groups, interval) = (fields.required("groups", small_number), fields.required("interval", span));
            groups.zip(interval).map(|(groups, interval)| Ramp::Groups { groups, interval })
        }
        Some("apple") => fields.required("apple", |context: &mut Context<'_>, node: &Node, path: &str| {
            if flag(context, node, path)? {
                return Some(Ramp::Apple);
            }
            context.refuse(node, path, "must be true");
            None
        }),
        Some(_) => fields.required("linear", linear),
        None => {
            fields.optional("interval", |_, _, _| Some(()));
            None
        }
    };
    fields.finish();
    ramp
}

/// `[OFFSET, PERCENT]`.
fn step(context: &mut Context<'_>, node: &Node, path: &str) -> Option<RampStep> {
    if let Data::List(items) = &node.data
        && let [offset, share] = items.as_slice()
    {
        let offset = span(context, offset, &format!("{path}[0]"));
        let share = percent(context, share, &format!("{path}[1]"));
        return Some(RampStep { offset: offset?, share: share? });
    }
    context.refuse(node, path, "must be a duration and a percentage, such as [24h, 10]");
    None
}

fn linear(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Ramp> {
    let mut fields = Fields::open(context, node, path)?;
    let from = fields.optional("from", percent).unwrap_or(Ppm::NOBODY);
    let duration = fields.required("duration", span);
    fields.finish();
    Some(Ramp::Linear { from, duration: duration? })
}
