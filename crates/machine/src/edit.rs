//! The state as a command sees it while it works: the frozen catalog, and on top of it what the command has changed.
//!
//! An edit that is thrown away was never there. Compare-and-set numbers grow once per entry, however often an object is
//! put, and not at all if it ends as it began.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use tidegate_model::{
    Attestation, Bundle, Catalog, CatalogChange, Cohort, CohortId, Created, Device, Entry, Exclusion, ExclusionId, Hold, Object,
    ObjectRef, Override, Policy, Principal, Product, ProductId, Release, ReleaseId, Seed, Stored, Timestamp,
};

use crate::index::Index;
use crate::limits;
use crate::outcome::{Effect, ObjectOutcome, Warning, WarningCode};
use crate::settings::{Settings, Token};
use crate::state::State;

/// A command at work.
pub(crate) struct Edit {
    before: Catalog,
    slots: BTreeMap<ObjectRef, Slot>,
    index: Index,
    next_seq: u32,
    named: Vec<ObjectRef>,
    // The same names, to look them up.
    is_named: BTreeSet<ObjectRef>,
    warnings: Vec<Warning>,
    /// Log time of the entry.
    pub(crate) now: Timestamp,
    /// The config version of the entry, if it changes the catalog.
    pub(crate) config_version: u64,
    /// Who asks.
    pub(crate) principal: Principal,
    /// Randomness of the proposer.
    pub(crate) seed: Seed,
    /// Whether signatures without text are good ones.
    pub(crate) bare_signatures: bool,
    pub(crate) settings: Settings,
    pub(crate) tokens: OrdMap<Principal, Token>,
    pub(crate) auth_epoch: u64,
}

struct Slot {
    before: Option<Object>,
    after: Option<Object>,
}

/// What an edit has come to.
pub(crate) struct Done {
    pub(crate) changes: Vec<CatalogChange>,
    pub(crate) objects: Vec<ObjectOutcome>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) index: Index,
    pub(crate) settings: Settings,
    pub(crate) tokens: OrdMap<Principal, Token>,
    pub(crate) auth_epoch: u64,
}

/// Whether a change counts for the compare-and-set number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    Yes,
    /// Edges gained through a neighbour, approvals, consents.
    No,
}

impl Edit {
    pub(crate) fn new(state: &State, config_version: u64, entry: &Entry) -> Self {
        Self {
            before: state.catalog.clone(),
            slots: BTreeMap::new(),
            index: state.index.clone(),
            next_seq: 0,
            named: Vec::new(),
            is_named: BTreeSet::new(),
            warnings: Vec::new(),
            now: state.log_time,
            config_version,
            principal: entry.principal.clone(),
            seed: entry.seed,
            bare_signatures: state.genesis.bare_signatures,
            settings: state.settings,
            tokens: state.tokens.clone(),
            auth_epoch: state.auth_epoch,
        }
    }

    /// Derived lookups, as the command has changed them.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// The object of this name, as the command has changed it.
    pub(crate) fn get(&self, name: &ObjectRef) -> Option<Object> {
        match self.slots.get(name) {
            Some(slot) => slot.after.clone(),
            None => self.before.get(name),
        }
    }

    /// All exclusions, as the command has changed them.
    pub(crate) fn exclusions(&self) -> OrdMap<ExclusionId, Arc<Stored<Exclusion>>> {
        let mut all = self.before.exclusions().clone();
        for (name, slot) in &self.slots {
            if let ObjectRef::Exclusion(id) = name {
                match &slot.after {
                    Some(Object::Exclusion(exclusion)) => drop(all.insert(id.clone(), exclusion.clone())),
                    // A name of this kind names nothing else.
                    _ => drop(all.remove(id)),
                }
            }
        }
        all
    }

    /// Ids of all releases that begin with this text, as the command has changed them.
    pub(crate) fn releases_beginning_with(&self, text: &str) -> BTreeSet<ReleaseId> {
        let Ok(first) = ReleaseId::new(text) else { return BTreeSet::new() };
        let stored = self.before.releases().range(first..).map(|(id, _)| id);
        let mut ids: BTreeSet<ReleaseId> = stored.take_while(|id| id.as_str().starts_with(text)).cloned().collect();
        for (name, slot) in &self.slots {
            match (name, &slot.after) {
                (ObjectRef::Release(id), Some(_)) if id.as_str().starts_with(text) => drop(ids.insert(id.clone())),
                (ObjectRef::Release(id), None) => drop(ids.remove(id)),
                // Other kinds.
                _ => {}
            }
        }
        ids
    }

    /// Puts the object into the answer, at this place among the others.
    pub(crate) fn name(&mut self, name: ObjectRef) {
        if self.is_named.insert(name.clone()) {
            self.named.push(name);
        }
    }

    /// Tells the author something.
    pub(crate) fn warn(&mut self, code: WarningCode, subject: ObjectRef, text: impl Into<String>) {
        if self.warnings.len() < limits::WARNINGS_MAX {
            self.warnings.push(Warning { code, subject, text: text.into() });
        }
    }

    /// Reserves the order of creation for this many objects; returns that of the first.
    pub(crate) fn reserve_order(&mut self, count: usize) -> u32 {
        let first = self.next_seq;
        self.next_seq = first.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        first
    }

    /// Stores an object; one that is new is created next in order.
    pub(crate) fn put<T: Kind>(&mut self, body: T, counts: Counts) {
        let seq = self.reserve_order(1);
        self.put_at(body, counts, seq);
    }

    /// Stores an object; one that is new gets this place in the order of creation.
    pub(crate) fn put_at<T: Kind>(&mut self, body: T, counts: Counts, seq: u32) {
        let name = body.name();
        let current = self.get(&name);
        let (current_version, created) = match &current {
            Some(object) => (object.version(), created(object)),
            None => (0, Created { config_version: self.config_version, seq }),
        };
        let before_version = self.before.get(&name).map_or(0, |object| object.version());
        let version = match counts {
            Counts::Yes => before_version.saturating_add(1),
            Counts::No => current_version.max(1),
        };
        self.set(name, Some(T::wrap(Arc::new(Stored { version, created, body }))));
    }

    /// Removes an object.
    pub(crate) fn remove(&mut self, name: &ObjectRef) {
        self.set(name.clone(), None);
    }

    fn set(&mut self, name: ObjectRef, after: Option<Object>) {
        let current = self.get(&name);
        self.index.replace(current.as_ref(), after.as_ref());
        let before = &self.before;
        let slot = self.slots.entry(name).or_insert_with_key(|name| Slot { before: before.get(name), after: None });
        slot.after = after;
    }

    /// Sums up: the changes in an order in which they can be carried out, and what became of each object.
    pub(crate) fn finish(self) -> Done {
        let (mut puts, mut removes, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (name, slot) in &self.slots {
            match (&slot.before, &slot.after) {
                (None, None) => continue,
                (Some(before), Some(after)) if same_body(before, after) => continue,
                (_, Some(after)) => puts.push(CatalogChange::Put(after.clone())),
                (Some(_), None) => removes.push(CatalogChange::Remove(name.clone())),
            }
            let moved = slot.before.as_ref().map(Object::version) != slot.after.as_ref().map(Object::version);
            if moved && !self.is_named.contains(name) {
                others.push(name.clone());
            }
        }
        // Parts before what they belong to when removing: the order of kinds, backwards.
        removes.reverse();
        puts.append(&mut removes);
        // Remembered for a day with the answer: as long as they are, and no longer.
        let mut objects = Vec::with_capacity(self.named.len() + others.len());
        objects.extend(self.named.iter().chain(&others).filter_map(|name| self.outcome_of(name)));
        Done {
            changes: puts,
            objects,
            warnings: self.warnings,
            index: self.index,
            settings: self.settings,
            tokens: self.tokens,
            auth_epoch: self.auth_epoch,
        }
    }

    fn outcome_of(&self, name: &ObjectRef) -> Option<ObjectOutcome> {
        let before = self.before.get(name);
        let after = self.get(name);
        let (effect, version) = match (&before, &after) {
            (None, None) => return None,
            (None, Some(after)) => (Effect::Created, after.version()),
            (Some(before), None) => (Effect::Deleted, before.version()),
            (Some(before), Some(after)) if same_body(before, after) => (Effect::Unchanged, before.version()),
            (Some(_), Some(after)) => (Effect::Changed, after.version()),
        };
        Some(ObjectOutcome { reference: name.clone(), effect, version })
    }
}

/// A kind of stored object.
pub(crate) trait Kind: Clone + PartialEq {
    fn name(&self) -> ObjectRef;
    fn wrap(stored: Arc<Stored<Self>>) -> Object;
}

macro_rules! kinds {
    ($($kind:ident $get:ident |$($arg:ident: $id:ty),*| $name_of:expr, |$body:ident| $name:expr;)*) => {
        $(
            impl Kind for $kind {
                fn name(&self) -> ObjectRef {
                    let $body = self;
                    $name
                }

                fn wrap(stored: Arc<Stored<Self>>) -> Object {
                    Object::$kind(stored)
                }
            }
        )*

        /// True if two objects differ in nothing but their compare-and-set numbers.
        fn same_body(a: &Object, b: &Object) -> bool {
            match (a, b) {
                $((Object::$kind(a), Object::$kind(b)) => Arc::ptr_eq(a, b) || a.body == b.body,)*
                // Two kinds.
                _ => false,
            }
        }

        fn created(object: &Object) -> Created {
            match object {
                $(Object::$kind(stored) => stored.created,)*
            }
        }

        impl Edit {
            $(
                #[allow(dead_code, reason = "one accessor per kind")]
                pub(crate) fn $get(&self, $($arg: $id),*) -> Option<Arc<Stored<$kind>>> {
                    match self.get(&$name_of) {
                        Some(Object::$kind(stored)) => Some(stored),
                        // A name of this kind names nothing else.
                        _ => None,
                    }
                }
            )*
        }
    };
}

kinds! {
    Product product |id: &ProductId| ObjectRef::Product(id.clone()), |o| ObjectRef::Product(o.id.clone());
    Cohort cohort |product: &ProductId, id: &CohortId| ObjectRef::Cohort(product.clone(), id.clone()),
        |o| ObjectRef::Cohort(o.product.clone(), o.id.clone());
    Bundle bundle |id: &tidegate_model::BundleId| ObjectRef::Bundle(id.clone()), |o| ObjectRef::Bundle(o.id.clone());
    Release release |id: &ReleaseId| ObjectRef::Release(id.clone()), |o| ObjectRef::Release(o.id.clone());
    Policy policy |id: &ReleaseId| ObjectRef::Policy(id.clone()), |o| ObjectRef::Policy(o.release.clone());
    Device device |product: &ProductId, key: &tidegate_model::DeviceKey| ObjectRef::Device(product.clone(), key.clone()),
        |o| ObjectRef::Device(o.product.clone(), o.key.clone());
    Hold hold |id: &tidegate_model::HoldId| ObjectRef::Hold(id.clone()), |o| ObjectRef::Hold(o.id.clone());
    Override override_of |id: &tidegate_model::OverrideId| ObjectRef::Override(id.clone()),
        |o| ObjectRef::Override(o.id.clone());
    Exclusion exclusion |id: &tidegate_model::ExclusionId| ObjectRef::Exclusion(id.clone()),
        |o| ObjectRef::Exclusion(o.id.clone());
    Attestation attestation
        |bundle: &tidegate_model::BundleId, kind: &tidegate_model::AttestationKind, by: &Principal|
            ObjectRef::Attestation(bundle.clone(), kind.clone(), by.clone()),
        |o| ObjectRef::Attestation(o.bundle.clone(), o.kind.clone(), o.by.clone());
}
