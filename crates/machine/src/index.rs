//! What can be derived from the catalog and would be slow to look for: who refers to whom, the latest release of each
//! cohort, drafts by place. Kept beside the catalog and rebuilt from it; never written anywhere.

use imbl::{OrdMap, OrdSet};
use tidegate_model::{
    CohortId, HoldScope, Object, ObjectKind, ObjectRef, Place, ProductId, Release, ReleaseId, RolloutState, Trigger,
};

/// A cohort's name.
pub(crate) type CohortKey = (ProductId, CohortId);

/// Derived lookups. Persistent, so that a clone costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    // For each object, those that refer to it. Devices are only counted: there may be millions.
    users: OrdMap<ObjectRef, OrdSet<ObjectRef>>,
    devices: OrdMap<ObjectRef, u64>,
    // Linked releases without a next one: at most one per cohort once a command is through.
    sinks: OrdMap<CohortKey, OrdSet<ReleaseId>>,
    drafts: OrdMap<(CohortKey, Place), OrdSet<ReleaseId>>,
    // By domain value, whatever its key: rollouts with a cell that holds the token of the value's exclusions.
    holding: OrdMap<String, OrdSet<ReleaseId>>,
}

impl Index {
    /// Follows one change of the catalog.
    pub(crate) fn replace(&mut self, before: Option<&Object>, after: Option<&Object>) {
        // The most frequent change of all, and mostly of something that nothing here is about.
        if let (Some(Object::Device(before)), Some(Object::Device(after))) = (before, after)
            && (&before.body.product, &before.body.cohort) == (&after.body.product, &after.body.cohort)
        {
            return;
        }
        if let Some(object) = before {
            self.forget(object);
        }
        if let Some(object) = after {
            self.note(object);
        }
    }

    /// Those that refer to an object, devices left out.
    pub(crate) fn users(&self, object: &ObjectRef) -> impl Iterator<Item = &ObjectRef> {
        self.users.get(object).into_iter().flatten()
    }

    /// Number of device records that refer to a product or cohort.
    pub(crate) fn devices(&self, object: &ObjectRef) -> u64 {
        self.devices.get(object).copied().unwrap_or(0)
    }

    /// Releases of a cohort, linked or not.
    pub(crate) fn releases(&self, cohort: &CohortKey) -> impl Iterator<Item = &ReleaseId> {
        let cohort = ObjectRef::Cohort(cohort.0.clone(), cohort.1.clone());
        self.users.get(&cohort).into_iter().flatten().filter_map(|user| match user {
            ObjectRef::Release(id) => Some(id),
            ObjectRef::Product(_)
            | ObjectRef::Cohort(..)
            | ObjectRef::Bundle(_)
            | ObjectRef::Policy(_)
            | ObjectRef::Device(..)
            | ObjectRef::Hold(_)
            | ObjectRef::Override(_)
            | ObjectRef::Exclusion(_)
            | ObjectRef::Attestation(..) => None,
        })
    }

    /// Number of linked releases of a cohort that have no next one.
    pub(crate) fn sinks(&self, cohort: &CohortKey) -> usize {
        self.sinks.get(cohort).map_or(0, OrdSet::len)
    }

    /// The latest release of a cohort.
    pub(crate) fn latest(&self, cohort: &CohortKey) -> Option<&ReleaseId> {
        self.sinks.get(cohort).and_then(OrdSet::get_min)
    }

    /// Drafts of a cohort that want this place.
    pub(crate) fn drafts(&self, cohort: &CohortKey, place: &Place) -> impl Iterator<Item = &ReleaseId> {
        self.drafts.get(&(cohort.clone(), place.clone())).into_iter().flatten()
    }

    /// Releases with a cell of this domain value that holds a token, whatever the domain's key.
    pub(crate) fn holding(&self, value: &str) -> impl Iterator<Item = &ReleaseId> {
        self.holding.get(value).into_iter().flatten()
    }

    /// A reference to an object that does not exist, with one that has it.
    pub(crate) fn dangling(&self, exists: impl Fn(&ObjectRef) -> bool) -> Option<(ObjectRef, ObjectRef)> {
        let used = self.users.iter().find(|(object, _)| !exists(object));
        let by_others = used.and_then(|(object, users)| users.get_min().map(|user| (object.clone(), user.clone())));
        let by_devices = || self.devices.keys().find(|object| !exists(object)).map(|object| (object.clone(), object.clone()));
        by_others.or_else(by_devices)
    }

    fn note(&mut self, object: &Object) {
        let name = object.reference();
        for used in references(object) {
            if name.kind() == ObjectKind::Device {
                *self.devices.entry(used).or_insert(0) += 1;
            } else {
                self.users.entry(used).or_default().insert(name.clone());
            }
        }
        if let Object::Release(release) = object {
            let release = &release.body;
            if release.linked && release.next.is_none() {
                self.sinks.entry(cohort_of(release)).or_default().insert(release.id.clone());
            }
            if release.rollout.state == RolloutState::Draft {
                self.drafts.entry((cohort_of(release), release.place.clone())).or_default().insert(release.id.clone());
            }
            for value in tokens_of(release) {
                self.holding.entry(value.clone()).or_default().insert(release.id.clone());
            }
        }
    }

    fn forget(&mut self, object: &Object) {
        let name = object.reference();
        for used in references(object) {
            if name.kind() == ObjectKind::Device {
                match self.devices.get_mut(&used) {
                    Some(count) if *count > 1 => *count -= 1,
                    Some(_) | None => drop(self.devices.remove(&used)),
                }
            } else {
                remove_from(&mut self.users, &used, &name);
            }
        }
        if let Object::Release(release) = object {
            let release = &release.body;
            remove_from(&mut self.sinks, &cohort_of(release), &release.id);
            remove_from(&mut self.drafts, &(cohort_of(release), release.place.clone()), &release.id);
            for value in tokens_of(release) {
                remove_from(&mut self.holding, value, &release.id);
            }
        }
    }
}

/// Takes an item out of a set, and the set out of the map once it is empty: equal catalogs have equal indexes.
fn remove_from<K: Ord + Clone, V: Ord + Clone>(map: &mut OrdMap<K, OrdSet<V>>, key: &K, item: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(item);
        if set.is_empty() {
            map.remove(key);
        }
    }
}

/// The domain values whose tokens a rollout holds: COMPLETED and ROLLED_BACK give all of them back, PAUSED keeps them.
fn tokens_of(release: &Release) -> impl Iterator<Item = &String> {
    let is_on = match release.rollout.state {
        RolloutState::Active | RolloutState::Paused => true,
        RolloutState::Draft | RolloutState::RolledBack | RolloutState::Completed => false,
    };
    release.rollout.cells.iter().filter(move |(_, cell)| is_on && cell.holds_token()).map(|(value, _)| value)
}

/// The cohort of a release.
pub(crate) fn cohort_of(release: &Release) -> CohortKey {
    (release.product.clone(), release.cohort.clone())
}

/// The objects that an object refers to, so that none of them may be deleted before it. What belongs to another object
/// and goes with it (a policy with its release) does not hold it back, nor do edges between linked releases, which
/// cannot be deleted at all.
fn references(object: &Object) -> Vec<ObjectRef> {
    match object {
        Object::Product(o) => {
            o.body.default_cohort.iter().map(|cohort| ObjectRef::Cohort(o.body.id.clone(), cohort.clone())).collect()
        }
        Object::Cohort(o) => {
            let mut used = vec![ObjectRef::Product(o.body.product.clone())];
            used.extend(o.body.entry_release.clone().map(ObjectRef::Release));
            used.extend(o.body.follows.iter().map(|cohort| ObjectRef::Cohort(o.body.product.clone(), cohort.clone())));
            used
        }
        Object::Bundle(o) => vec![ObjectRef::Product(o.body.product.clone())],
        Object::Release(o) => references_of_release(&o.body),
        Object::Policy(o) => match &o.body.trigger {
            Trigger::After(release) => vec![ObjectRef::Release(release.clone())],
            Trigger::Now | Trigger::At(_) => Vec::new(),
        },
        Object::Device(o) => {
            let mut used = vec![ObjectRef::Product(o.body.product.clone())];
            used.extend(o.body.cohort.iter().map(|cohort| ObjectRef::Cohort(o.body.product.clone(), cohort.clone())));
            used
        }
        Object::Hold(o) => {
            let mut used = vec![ObjectRef::Product(o.body.product.clone())];
            match &o.body.scope {
                HoldScope::Cohort(cohort) => used.push(ObjectRef::Cohort(o.body.product.clone(), cohort.clone())),
                HoldScope::Device(_) | HoldScope::Selector(_) | HoldScope::Product => {}
            }
            used.extend(o.body.release.clone().map(ObjectRef::Release));
            used.extend(o.body.bundle.clone().map(ObjectRef::Bundle));
            used
        }
        Object::Override(o) => vec![ObjectRef::Product(o.body.product.clone()), ObjectRef::Bundle(o.body.bundle.clone())],
        Object::Exclusion(_) => Vec::new(),
        Object::Attestation(o) => vec![ObjectRef::Bundle(o.body.bundle.clone())],
    }
}

fn references_of_release(release: &Release) -> Vec<ObjectRef> {
    let mut used = vec![
        ObjectRef::Product(release.product.clone()),
        ObjectRef::Cohort(release.product.clone(), release.cohort.clone()),
        ObjectRef::Bundle(release.bundle.clone()),
    ];
    if !release.linked {
        match &release.place {
            Place::Latest => {}
            Place::After(previous) => used.extend(previous.iter().cloned().map(ObjectRef::Release)),
            Place::Before(next) => used.push(ObjectRef::Release(next.clone())),
        }
    }
    used
}
