//! Rules that put devices into cohorts, filed by whom they concern.

use tidegate_model::{Cohort, CohortId, Created, Selector, Stored};

use crate::scope::{Scope, Scoped};
use crate::table::KeyHash;

/// One rule of a cohort.
#[derive(Debug, PartialEq)]
pub(crate) struct RuleView {
    /// Cohort and number of the rule: the first cannot contain the separator, so this is unique.
    name: String,
    pub(crate) cohort: CohortId,
    pub(crate) cohort_hash: KeyHash,
    /// Of several cohorts the earliest created wins.
    pub(crate) created: Created,
    selector: Selector,
}

impl RuleView {
    /// All rules of a cohort.
    pub(crate) fn of(cohort: &Stored<Cohort>) -> impl Iterator<Item = Self> {
        let id = &cohort.body.id;
        cohort.body.rules.iter().enumerate().map(move |(number, selector)| Self {
            name: format!("{id}/{number:04}"),
            cohort: id.clone(),
            cohort_hash: KeyHash::of(id.as_str()),
            created: cohort.created,
            selector: selector.clone(),
        })
    }
}

impl Scoped for RuleView {
    fn id(&self) -> &str {
        &self.name
    }

    fn scope(&self) -> Scope<'_> {
        Scope::Selector(&self.selector)
    }

    fn selector(&self) -> Option<&Selector> {
        Some(&self.selector)
    }
}
