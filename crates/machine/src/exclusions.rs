//! Exclusions: of each group of domain values at most one is open, over all rollouts in the exclusion's scope.
//!
//! The token belongs to the value, not to the rollout: several rollouts may be open in the same one. A cell holds it from
//! its opening until it passes or its rollout ends; a pause keeps it. The invariant (P-44) is guarded where cells open,
//! and where an exclusion is written.

use std::collections::BTreeSet;

use tidegate_model::{Exclusion, ExclusionScope, ProductId, Release, ReleaseId};

use crate::edit::Edit;
use crate::stages;
use crate::state::State;

/// Who holds the token that a cell would need.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The release whose cell is open.
    pub release: ReleaseId,
    /// The other value of the group.
    pub domain: String,
}

/// What the guard looks at: a state, or a command at work.
pub(crate) trait View {
    fn release_body(&self, id: &ReleaseId) -> Option<Release>;
    /// The attribute whose values are the domains of the release's current stage.
    fn domain_key(&self, release: &Release) -> Option<String>;
    /// Releases with a cell of this value that holds a token, whatever its key.
    fn holding(&self, value: &str) -> Vec<ReleaseId>;
    fn all_exclusions(&self) -> Vec<Exclusion>;
}

impl View for Edit {
    fn release_body(&self, id: &ReleaseId) -> Option<Release> {
        self.release(id).map(|release| release.body.clone())
    }

    fn domain_key(&self, release: &Release) -> Option<String> {
        stages::current_domain_key(release, &stages::policy_of(self, release).body)
    }

    fn holding(&self, value: &str) -> Vec<ReleaseId> {
        self.index().holding(value).cloned().collect()
    }

    fn all_exclusions(&self) -> Vec<Exclusion> {
        self.exclusions().values().map(|exclusion| exclusion.body.clone()).collect()
    }
}

impl View for State {
    fn release_body(&self, id: &ReleaseId) -> Option<Release> {
        self.catalog.releases().get(id).map(|release| release.body.clone())
    }

    fn domain_key(&self, release: &Release) -> Option<String> {
        stages::current_domain_key(release, &stages::policy_in(&self.catalog, &release.id).body)
    }

    fn holding(&self, value: &str) -> Vec<ReleaseId> {
        self.index.holding(value).cloned().collect()
    }

    fn all_exclusions(&self) -> Vec<Exclusion> {
        self.catalog.exclusions().values().map(|exclusion| exclusion.body.clone()).collect()
    }
}

/// Who keeps the release's cell of this value closed; `None` if it may open. Its own other cells count too.
pub(crate) fn blocker(view: &impl View, release: &Release, value: &str) -> Option<Holder> {
    let key = view.domain_key(release)?;
    for exclusion in view.all_exclusions().iter().filter(|exclusion| exclusion.key == key) {
        for group in exclusion.groups.iter().filter(|group| group.contains(value)) {
            for other in group.iter().filter(|other| *other != value) {
                let in_scope = |product: &ProductId| exclusion.scope == ExclusionScope::Global || *product == release.product;
                if let Some((release, _)) = holders(view, &key, other).into_iter().find(|(_, product)| in_scope(product)) {
                    return Some(Holder { release, domain: other.clone() });
                }
            }
        }
    }
    None
}

/// Why a cell stays closed, for whoever wanted to open it.
pub(crate) fn closed_by(value: &str, holder: &Holder) -> String {
    format!("an exclusion keeps domain {value} closed while {} is open in {}", holder.domain, holder.release)
}

/// Two open cells that this exclusion would keep apart; `None` if there are none.
pub(crate) fn violated(view: &impl View, exclusion: &Exclusion) -> Option<(Holder, Holder)> {
    for group in &exclusion.groups {
        let mut open: Vec<(Holder, ProductId)> = Vec::new();
        for value in group {
            for (release, product) in holders(view, &exclusion.key, value) {
                let is_against = |(holder, other): &&(Holder, ProductId)| {
                    holder.domain != *value && (exclusion.scope == ExclusionScope::Global || *other == product)
                };
                let holder = Holder { release, domain: value.clone() };
                if let Some((first, _)) = open.iter().find(is_against) {
                    return Some((first.clone(), holder));
                }
                open.push((holder, product));
            }
        }
    }
    None
}

/// Releases that hold the token of a value of this key, with their products.
fn holders(view: &impl View, key: &str, value: &str) -> BTreeSet<(ReleaseId, ProductId)> {
    let releases = view.holding(value).into_iter().filter_map(|id| view.release_body(&id));
    releases
        .filter(|release| view.domain_key(release).as_deref() == Some(key))
        .map(|release| (release.id, release.product))
        .collect()
}
