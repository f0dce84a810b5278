//! What an import must know of the cluster.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{Bundle, BundleId, CohortId, Created, Object, Policy, ProductId, Release, ReleaseId, VersionScheme};

/// What the cluster holds, as far as an import into one cohort has to know it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Known {
    /// The version scheme of the product; absent if there is no such product.
    pub product: Option<VersionScheme>,
    /// True if the cohort exists.
    pub has_cohort: bool,
    /// All releases of the cohort, earliest created first.
    pub releases: Vec<Release>,
    /// Policies of releases of the cohort.
    pub policies: BTreeMap<ReleaseId, Policy>,
    /// The product's bundles.
    pub bundles: BTreeMap<BundleId, Bundle>,
    /// Ids of bundles of other products.
    pub foreign_bundles: BTreeSet<BundleId>,
    /// Ids of releases of other cohorts and products.
    pub foreign_releases: BTreeSet<ReleaseId>,
}

impl Known {
    /// Picks out of products, cohorts, bundles, releases and policies of the cluster what an import needs to know. All
    /// objects of these kinds should be given: an id that is taken elsewhere must not be chosen.
    #[must_use]
    pub fn from_objects<'a>(objects: impl IntoIterator<Item = &'a Object>, product: &ProductId, cohort: &CohortId) -> Self {
        let mut known = Self::default();
        let mut releases: Vec<(Created, Release)> = Vec::new();
        for object in objects {
            match object {
                Object::Product(stored) if stored.body.id == *product => known.product = Some(stored.body.version_scheme),
                Object::Cohort(stored) if stored.body.product == *product && stored.body.id == *cohort => {
                    known.has_cohort = true;
                }
                Object::Bundle(stored) if stored.body.product == *product => {
                    known.bundles.insert(stored.body.id.clone(), stored.body.clone());
                }
                Object::Bundle(stored) => {
                    known.foreign_bundles.insert(stored.body.id.clone());
                }
                Object::Release(stored) if stored.body.product == *product && stored.body.cohort == *cohort => {
                    releases.push((stored.created, stored.body.clone()));
                }
                Object::Release(stored) => {
                    known.foreign_releases.insert(stored.body.id.clone());
                }
                Object::Policy(stored) => {
                    known.policies.insert(stored.body.release.clone(), stored.body.clone());
                }
                Object::Product(_)
                | Object::Cohort(_)
                | Object::Device(_)
                | Object::Hold(_)
                | Object::Override(_)
                | Object::Exclusion(_)
                | Object::Attestation(_) => {}
            }
        }
        releases.sort_by_key(|(created, _)| *created);
        known.releases = releases.into_iter().map(|(_, release)| release).collect();
        known.policies.retain(|id, _| known.releases.iter().any(|release| release.id == *id));
        known
    }
}
