//! Device records.

use tidegate_model::{CohortId, Device, DeviceKey, DeviceState, ProductId};

use super::fields::Fields;
use super::values::{checked, map, number, text, texts, word};

/// `kind: device`.
pub fn device(fields: &mut Fields<'_, '_, '_>) -> Option<Device> {
    let key = fields.required("id", checked(DeviceKey::new));
    let product = fields.required("product", checked(ProductId::new));
    let cohort = fields.optional("cohort", checked(CohortId::new));
    let attributes = fields.optional("attributes", map(text)).unwrap_or_default().into_iter().collect();
    let tags = fields.optional("tags", texts).unwrap_or_default();
    let state = fields
        .optional("state", word(&[("active", DeviceState::Active), ("decommissioned", DeviceState::Decommissioned)]))
        .unwrap_or(DeviceState::Active);
    let security_epoch = fields.optional("security_epoch", number).unwrap_or(0);
    Some(Device { key: key?, product: product?, cohort, attributes, tags, state, security_epoch })
}
