//! Selectors: who is meant.

use std::collections::BTreeSet;

use tidegate_model::{DeviceKey, Selector};

use super::context::Context;
use super::fields::Fields;
use super::values::{checked, map, set, texts};
use crate::tree::{Data, Node};

/// `{attributes: {...}, tags: {any_of, all_of, none_of}, devices: [...]}`.
pub fn selector(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Selector> {
    let mut fields = Fields::open(context, node, path)?;
    let attributes = fields.optional("attributes", map(texts)).unwrap_or_default();
    let tags = fields.optional("tags", |context: &mut Context<'_>, node: &Node, path: &str| {
        let mut fields = Fields::open(context, node, path)?;
        refuse_empty(&mut fields, "any_of");
        let mut of = |name| fields.optional(name, texts).unwrap_or_default();
        let tags = (of("any_of"), of("all_of"), of("none_of"));
        fields.finish();
        Some(tags)
    });
    refuse_empty(&mut fields, "devices");
    let devices = fields.optional("devices", devices).unwrap_or_default();
    fields.finish();
    let (tags_any_of, tags_all_of, tags_none_of) = tags.unwrap_or_default();
    Some(Selector { attributes, tags_any_of, tags_all_of, tags_none_of, devices })
}

/// One of nobody can match nobody. Read like a list that was left out it would match everybody: the list of a canary that
/// a program wrote without finding a device for it.
fn refuse_empty(fields: &mut Fields<'_, '_, '_>, name: &str) {
    if let Some(node) = fields.node.get(name).filter(|node| matches!(&node.data, Data::List(items) if items.is_empty())) {
        let path = fields.path(name);
        fields.context.refuse(node, &path, "must name at least one, or be left out");
    }
}

/// A list of device keys.
pub fn devices(context: &mut Context<'_>, node: &Node, path: &str) -> Option<BTreeSet<DeviceKey>> {
    set(|context, node, path| checked(DeviceKey::new)(context, node, path))(context, node, path)
}
