//! What a device went through with a bundle, as holds: a local roll-back keeps that bundle from it until an operator
//! clears it; too many failed attempts keep it away for a while.

use std::collections::BTreeMap;

use tidegate_model::{
    BundleId, Catalog, Command, DeviceKey, Document, HoldId, HoldKind, HoldScope, HoldSpec, ProductId, Spec, Timestamp, memory_id,
};

use crate::health::Health;
use crate::limits;

/// A hold that ought to be there; without an end it is the memory of a local roll-back.
struct Memory<'h> {
    product: &'h ProductId,
    device: &'h DeviceKey,
    bundle: &'h BundleId,
    until: Option<Timestamp>,
}

/// Holds that are not written yet, a bounded number in each command.
pub(crate) fn due(catalog: &Catalog, health: &Health, now: Timestamp) -> Vec<Command> {
    let mut missing: BTreeMap<HoldId, Memory<'_>> = BTreeMap::new();
    for (product, bundle, device) in health.roll_backs() {
        let id = memory_id(product, device, bundle);
        let is_there = catalog.holds().get(&id).is_some_and(|hold| hold.body.until.is_none());
        if !is_there && is_storable(catalog, product, bundle) {
            missing.insert(id, Memory { product, device, bundle, until: None });
        }
    }
    for (release, device, trial) in health.troubled() {
        let Some(release) = catalog.releases().get(release).map(|stored| &stored.body) else { continue };
        let Some(retry) = catalog.products().get(&release.product).and_then(|product| product.body.retry) else { continue };
        let limit = usize::try_from(retry.limit).unwrap_or(usize::MAX).max(1);
        // After each full number of failures the device is left alone for a while.
        let Some(last) = (trial.failures().len() / limit).checked_sub(1).map(|round| trial.failures()[round * limit + limit - 1])
        else {
            continue;
        };
        let until = last.plus(retry.backoff);
        let id = memory_id(&release.product, device, &release.bundle);
        let lasts = |found: Option<Timestamp>| found.is_none_or(|found| found >= until);
        let is_there = catalog.holds().get(&id).is_some_and(|hold| lasts(hold.body.until))
            || missing.get(&id).is_some_and(|memory| lasts(memory.until));
        if until > now && !is_there {
            missing.insert(id, Memory { product: &release.product, device, bundle: &release.bundle, until: Some(until) });
        }
    }
    let documents: Vec<_> = missing.into_iter().map(|(id, memory)| document(id, &memory, now)).collect();
    documents.chunks(limits::HOLDS_MAX).map(|chunk| Command::Apply(chunk.to_vec())).collect()
}

/// A hold on a bundle that is not there would be refused, time and again.
fn is_storable(catalog: &Catalog, product: &ProductId, bundle: &BundleId) -> bool {
    catalog.bundles().get(bundle).is_some_and(|stored| stored.body.product == *product)
}

fn document(id: HoldId, memory: &Memory<'_>, now: Timestamp) -> Document {
    let reason = match memory.until {
        None => "the device went back from this bundle by itself: clear it to let it try again",
        Some(_) => "the device failed too often with this bundle",
    };
    let spec = HoldSpec {
        id,
        product: memory.product.clone(),
        scope: HoldScope::Device(memory.device.clone()),
        kind: HoldKind::Backoff,
        release: None,
        bundle: Some(memory.bundle.clone()),
        from: Some(now),
        until: memory.until,
        window: None,
        critical_pierces: false,
        reason: reason.to_owned(),
    };
    Document { spec: Spec::Hold(spec), expected_version: None }
}
