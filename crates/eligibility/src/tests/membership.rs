//! The cohort that a fleet is sorted by is the one that decisions find.

use proptest::prelude::*;
use tidegate_model::{DeviceFacts, DeviceKey, ProductId};

use crate::Membership;
use crate::facts::Facts;
use crate::testing::{Dice, plausible_world, request_parts};
use crate::trace::Entry;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_fleet_is_sorted_as_decisions_are_made(seed: u64) {
        let world = plausible_world(seed);
        let snapshot = world.snapshot();
        let product = &world.catalog.products().get("os").unwrap().body;
        let membership = Membership::of(&world.catalog, product);
        let dice = &mut Dice::new(seed ^ 5);
        for _ in 0..25 {
            let parts = request_parts(dice);
            let request = parts.request();
            let key = request.device.and_then(|key| DeviceKey::new(key).ok());
            let row = key.map(|key| (ProductId::new("os").unwrap(), key));
            let record = row.and_then(|row| world.catalog.devices().get(&row)).map(|stored| &stored.body);
            let facts = Facts { request: &request, device: record, key: None, cohort: None };
            let mut trace = Vec::new();
            let decision = crate::decide_traced(&snapshot, &request, parts.now, &mut trace);
            let served = !matches!(decision.reason, crate::Reason::DeviceDecommissioned | crate::Reason::UnknownDevice);
            let found = trace.iter().find_map(|entry| match entry {
                Entry::Cohort { cohort } => Some(*cohort),
                _ => None,
            });
            if served {
                // Rules may name keys: the facts of a fleet know theirs.
                let with_key = Keyed(&facts, request.device.unwrap_or_default());
                prop_assert_eq!(membership.cohort(record, &with_key), found);
            }
        }
    }
}

struct Keyed<'f>(&'f Facts<'f>, &'f str);

impl DeviceFacts for Keyed<'_> {
    fn key(&self) -> Option<&str> {
        Some(self.1).filter(|key| !key.is_empty())
    }
    fn attribute(&self, name: &str) -> Option<&str> {
        self.0.attribute(name)
    }
    fn has_tag(&self, tag: &str) -> bool {
        self.0.has_tag(tag)
    }
}
