//! Which cohort a device is in, straight from the catalog: for those who look at a whole fleet and have no snapshot.
//! [`crate::decide()`] finds the same through its indexes, which a test shows.

use tidegate_model::{Catalog, Cohort, CohortId, Created, Device, DeviceFacts, Product, Selector};

/// The cohorts of one product, ready to place devices.
#[derive(Clone, Debug)]
pub struct Membership<'c> {
    /// Rules, of the earliest created cohort first.
    rules: Vec<(Created, &'c CohortId, &'c [Selector])>,
    cohorts: Vec<&'c CohortId>,
    default: Option<&'c CohortId>,
}

impl<'c> Membership<'c> {
    /// Of a product of this catalog.
    #[must_use]
    pub fn of(catalog: &'c Catalog, product: &'c Product) -> Self {
        let of_product = catalog.cohorts().values().filter(|stored| stored.body.product == product.id);
        let mut rules = Vec::new();
        let mut cohorts = Vec::new();
        for stored in of_product {
            let cohort: &Cohort = &stored.body;
            cohorts.push(&cohort.id);
            if !cohort.rules.is_empty() {
                rules.push((stored.created, &cohort.id, cohort.rules.as_slice()));
            }
        }
        rules.sort_by_key(|(created, id, _)| (*created, *id));
        cohorts.sort();
        Self { rules, cohorts, default: product.default_cohort.as_ref() }
    }

    /// The cohort of a device: that of its record; else of the first rule that matches; else, without a record, the one that
    /// it names itself; else the default one. A name that no cohort bears puts a device of record in none.
    #[must_use]
    pub fn cohort(&self, record: Option<&Device>, facts: &impl DeviceFacts) -> Option<&'c CohortId> {
        if let Some(named) = record.and_then(|device| device.cohort.as_ref()) {
            return self.find(named.as_str());
        }
        let matches = |selectors: &[Selector]| selectors.iter().any(|selector| selector.matches(facts));
        if let Some((_, id, _)) = self.rules.iter().find(|(_, _, selectors)| matches(selectors)) {
            return Some(*id);
        }
        let named = if record.is_none() { facts.attribute("cohort").and_then(|name| self.find(name)) } else { None };
        named.or_else(|| self.find(self.default?.as_str()))
    }

    fn find(&self, id: &str) -> Option<&'c CohortId> {
        self.cohorts.binary_search_by(|cohort| cohort.as_str().cmp(id)).ok().map(|at| self.cohorts[at])
    }
}
