//! Holds, filed by what they are limited to and whom they concern.

use std::sync::Arc;

use tidegate_model::{BundleId, Hold, HoldKind, HoldScope, Selector, Stored};

use crate::scope::{Scope, ScopeIndex, Scoped};
use crate::table::Table;
use crate::window::Openings;

/// A hold with its limits resolved and its window read.
#[derive(Debug, PartialEq)]
pub(crate) struct HoldView {
    pub(crate) stored: Arc<Stored<Hold>>,
    /// The bundles that it is limited to; a release stands for its bundle. Ordered, without repetition.
    pub(crate) bundles: Vec<BundleId>,
    /// Openings of a Window hold; absent if they cannot be read: then it never lets anything through.
    pub(crate) openings: Option<Openings>,
}

impl HoldView {
    /// Compiles a hold. `bundle_of_release` is the bundle of the release that it names, if there is one.
    pub(crate) fn compile(stored: &Arc<Stored<Hold>>, bundle_of_release: Option<BundleId>) -> Self {
        let hold = &stored.body;
        let mut bundles: Vec<_> = hold.bundle.iter().cloned().chain(bundle_of_release).collect();
        bundles.sort();
        bundles.dedup();
        let window = hold.window.as_ref().filter(|_| hold.kind == HoldKind::Window);
        Self { stored: stored.clone(), bundles, openings: window.and_then(Openings::compile) }
    }

    /// The hold itself.
    pub(crate) fn hold(&self) -> &Hold {
        &self.stored.body
    }
}

impl Scoped for HoldView {
    fn id(&self) -> &str {
        self.hold().id.as_str()
    }

    fn scope(&self) -> Scope<'_> {
        match &self.hold().scope {
            HoldScope::Device(key) => Scope::Devices(vec![key]),
            HoldScope::Selector(selector) => Scope::Selector(selector),
            HoldScope::Cohort(cohort) => Scope::Cohort(cohort),
            HoldScope::Product => Scope::Everybody,
        }
    }

    fn selector(&self) -> Option<&Selector> {
        match &self.hold().scope {
            HoldScope::Selector(selector) => Some(selector),
            HoldScope::Device(_) | HoldScope::Cohort(_) | HoldScope::Product => None,
        }
    }
}

/// The holds of one product.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct HoldIndex {
    /// Not limited to a bundle.
    pub(crate) unlimited: ScopeIndex<HoldView>,
    /// By the bundle that they are limited to.
    pub(crate) limited: Table<ScopeIndex<HoldView>>,
}

impl HoldIndex {
    /// Files a hold.
    pub(crate) fn insert(&mut self, view: &Arc<HoldView>) {
        if !view.hold().is_limited() {
            self.unlimited.insert(view);
        }
        for bundle in &view.bundles {
            let mut index = self.limited.get(bundle.as_str()).cloned().unwrap_or_default();
            index.insert(view);
            self.put(bundle, index);
        }
    }

    /// Takes a hold out.
    pub(crate) fn remove(&mut self, view: &Arc<HoldView>) {
        if !view.hold().is_limited() {
            self.unlimited.remove(view);
        }
        for bundle in &view.bundles {
            let Some(mut index) = self.limited.get(bundle.as_str()).cloned() else { continue };
            index.remove(view);
            self.put(bundle, index);
        }
    }

    /// No index is left empty: one that has lost all is the same as one that never was, also if what was filed in it
    /// concerns nobody.
    fn put(&mut self, bundle: &BundleId, index: ScopeIndex<HoldView>) {
        if index.is_empty() {
            self.limited.remove(bundle.as_str());
        } else {
            self.limited.insert(bundle.as_str(), index);
        }
    }
}
