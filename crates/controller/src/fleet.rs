//! The known devices: registered ones, and those that were seen. Who they are and which cohort they are in follows from
//! the catalog of the moment, so that it makes no difference whether a device was seen before or after a rule was written.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tidegate_eligibility::Membership;
use tidegate_model::device::AUTHORITATIVE_ATTRIBUTES;
use tidegate_model::{Catalog, CohortId, Device, DeviceFacts, DeviceKey, DeviceState, Product, ProductId, Span, Timestamp};

use crate::health::{Health, Seen};

/// One known device with everything that is known of it.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) key: &'a DeviceKey,
    pub(crate) record: Option<&'a Device>,
    pub(crate) seen: Option<&'a Seen>,
}

impl<'a> Known<'a> {
    /// What is known of a device, whether it is known or not.
    pub(crate) fn find(catalog: &'a Catalog, health: &'a Health, product: &ProductId, key: &'a DeviceKey) -> Self {
        let record = catalog.devices().get(&(product.clone(), key.clone())).map(|stored| &stored.body);
        let seen = health.seen(product).and_then(|devices| devices.get(key));
        Self { key, record, seen }
    }

    fn told(&self, name: &str) -> Option<&'a str> {
        let attributes = &self.seen?.facts.attributes;
        attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// True if it was seen within `window` before `now`. A registered device of which nothing is known counts as seen.
    pub(crate) fn is_current(&self, now: Timestamp, window: Span) -> bool {
        self.seen.is_none_or(|seen| now.since(seen.at) <= window)
    }
}

impl DeviceFacts for Known<'_> {
    fn key(&self) -> Option<&str> {
        Some(self.key.as_str())
    }

    // As decisions see it: of a registered device the record alone speaks for authoritative attributes and tags.
    fn attribute(&self, name: &str) -> Option<&str> {
        let Some(record) = self.record else { return self.told(name) };
        let recorded = || record.attributes.get(name);
        if name == "cohort" {
            return record.cohort.as_ref().map(CohortId::as_str).or_else(recorded);
        }
        if AUTHORITATIVE_ATTRIBUTES.contains(&name) { recorded() } else { self.told(name).or_else(recorded) }
    }

    fn has_tag(&self, tag: &str) -> bool {
        match self.record {
            Some(record) => record.tags.contains(tag),
            None => self.seen.is_some_and(|seen| seen.facts.tags.contains(tag)),
        }
    }
}

/// The known devices of one cohort.
#[derive(Default)]
pub(crate) struct Fleet<'a> {
    /// Devices that are in service.
    pub(crate) devices: Vec<Known<'a>>,
    /// Whether the cohort has registered devices, in service or not: then no other one enters a roster.
    pub(crate) has_registered: bool,
}

/// The fleets of a cluster, put together as they are asked for.
pub(crate) struct Fleets<'a> {
    catalog: &'a Catalog,
    health: &'a Health,
    by_product: RefCell<BTreeMap<ProductId, Rc<BTreeMap<CohortId, Fleet<'a>>>>>,
}

impl<'a> Fleets<'a> {
    pub(crate) fn new(catalog: &'a Catalog, health: &'a Health) -> Self {
        Self { catalog, health, by_product: RefCell::default() }
    }

    /// The fleets of one product, by cohort.
    pub(crate) fn of(&self, product: &ProductId) -> Rc<BTreeMap<CohortId, Fleet<'a>>> {
        let mut by_product = self.by_product.borrow_mut();
        by_product.entry(product.clone()).or_insert_with(|| Rc::new(gather(self.catalog, self.health, product))).clone()
    }
}

fn gather<'a>(catalog: &'a Catalog, health: &'a Health, product: &ProductId) -> BTreeMap<CohortId, Fleet<'a>> {
    let mut fleets: BTreeMap<CohortId, Fleet<'a>> = BTreeMap::new();
    let Some(stored) = catalog.products().get(product) else { return fleets };
    let membership = Membership::of(catalog, &stored.body);
    let seen = health.seen(product);
    for (_, device) in registered(catalog, product) {
        let record = &device.body;
        let known = Known { key: &record.key, record: Some(record), seen: seen.and_then(|seen| seen.get(&record.key)) };
        let Some(cohort) = membership.cohort(Some(record), &known) else { continue };
        let fleet = fleets.entry(cohort.clone()).or_default();
        fleet.has_registered = true;
        if record.state == DeviceState::Active {
            fleet.devices.push(known);
        }
    }
    for known in unregistered(catalog, health, &stored.body) {
        if let Some(cohort) = membership.cohort(None, &known) {
            fleets.entry(cohort.clone()).or_default().devices.push(known);
        }
    }
    fleets
}

type Row<'a> = (&'a (ProductId, DeviceKey), &'a std::sync::Arc<tidegate_model::Stored<Device>>);

fn registered<'a>(catalog: &'a Catalog, product: &ProductId) -> impl Iterator<Item = Row<'a>> + use<'a> {
    // No key is less than the shortest printable one.
    let first = DeviceKey::new(" ").expect("a space is printable");
    let product = product.clone();
    catalog.devices().range((product.clone(), first)..).take_while(move |((of, _), _)| *of == product)
}

/// Devices without a record, if the product serves them.
fn unregistered<'a>(catalog: &'a Catalog, health: &'a Health, product: &'a Product) -> impl Iterator<Item = Known<'a>> {
    let seen = health.seen(&product.id).filter(|_| product.allow_unregistered);
    let has_records = registered(catalog, &product.id).next().is_some();
    seen.into_iter().flatten().filter_map(move |(key, seen)| {
        let is_registered = has_records && catalog.devices().contains_key(&(product.id.clone(), key.clone()));
        (!is_registered).then_some(Known { key, record: None, seen: Some(seen) })
    })
}
