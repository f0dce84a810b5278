//! Who is meant, indexed: from one device to the holds, overrides and cohort rules that concern it, without trying all.
//!
//! A selector is filed under one thing that it requires: a device key, else the attribute with the fewest accepted
//! values, else a tag. What asks for nothing of the kind is tried for every device.

use std::sync::Arc;

use tidegate_model::{CohortId, DeviceFacts, DeviceKey, Selector};

use crate::facts::Facts;
use crate::table::Table;

/// Whom something concerns.
pub(crate) enum Scope<'a> {
    Everybody,
    Cohort(&'a CohortId),
    Devices(Vec<&'a DeviceKey>),
    Selector(&'a Selector),
}

/// Something that concerns some devices.
pub(crate) trait Scoped: PartialEq {
    /// Unique among its kind; orders the lists, so that equal content has equal shape.
    fn id(&self) -> &str;
    /// Whom it concerns.
    fn scope(&self) -> Scope<'_>;
    /// The selector that must hold, besides what it is filed under.
    fn selector(&self) -> Option<&Selector>;
}

/// Short lists, replaced as a whole: a decision walks them without allocating.
type List<T> = Arc<[Filed<T>]>;

/// Something in a list.
#[derive(Debug, PartialEq)]
pub(crate) struct Filed<T> {
    item: Arc<T>,
    /// Whether its selector asks for more than what it is filed under.
    asks_for_more: bool,
}

impl<T> Clone for Filed<T> {
    fn clone(&self) -> Self {
        Self { item: self.item.clone(), asks_for_more: self.asks_for_more }
    }
}

/// Things by whom they concern.
#[derive(Debug, PartialEq)]
pub(crate) struct ScopeIndex<T> {
    everybody: List<T>,
    unindexed: List<T>,
    by_cohort: Table<List<T>>,
    by_device: Table<List<T>>,
    by_tag: Table<List<T>>,
    // Ordered by attribute name. Few names are in use, whatever the number of selectors.
    by_attribute: Vec<(Arc<str>, Table<List<T>>)>,
}

impl<T> Default for ScopeIndex<T> {
    fn default() -> Self {
        let none = || Arc::from(Vec::new());
        Self {
            everybody: none(),
            unindexed: none(),
            by_cohort: Table::default(),
            by_device: Table::default(),
            by_tag: Table::default(),
            by_attribute: Vec::new(),
        }
    }
}

impl<T> Clone for ScopeIndex<T> {
    fn clone(&self) -> Self {
        Self {
            everybody: self.everybody.clone(),
            unindexed: self.unindexed.clone(),
            by_cohort: self.by_cohort.clone(),
            by_device: self.by_device.clone(),
            by_tag: self.by_tag.clone(),
            by_attribute: self.by_attribute.clone(),
        }
    }
}

impl<T: Scoped> ScopeIndex<T> {
    /// True if it concerns nobody at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.everybody.is_empty()
            && self.unindexed.is_empty()
            && self.by_cohort.is_empty()
            && self.by_device.is_empty()
            && self.by_tag.is_empty()
            && self.by_attribute.is_empty()
    }

    /// Number of selectors that no index serves.
    pub(crate) fn unindexed(&self) -> usize {
        self.unindexed.len()
    }

    /// Files `item`, which must not be filed yet under its id.
    pub(crate) fn insert(&mut self, item: &Arc<T>) {
        self.edit(item, |list| with(list, item));
    }

    /// Takes `item` out.
    pub(crate) fn remove(&mut self, item: &Arc<T>) {
        self.edit(item, |list| without(list, item));
    }

    fn edit(&mut self, item: &Arc<T>, change: impl Fn(&[Filed<T>]) -> List<T>) {
        match item.scope() {
            Scope::Everybody => self.everybody = change(&self.everybody),
            Scope::Cohort(cohort) => edit_table(&mut self.by_cohort, cohort.as_str(), &change),
            Scope::Devices(keys) => {
                keys.into_iter().for_each(|key| edit_table(&mut self.by_device, key.as_str(), &change));
            }
            Scope::Selector(selector) => self.edit_selector(selector, &change),
        }
    }

    fn edit_selector(&mut self, selector: &Selector, change: &impl Fn(&[Filed<T>]) -> List<T>) {
        let fewest = selector.attributes.iter().min_by_key(|(_, values)| values.len());
        if !selector.devices.is_empty() {
            selector.devices.iter().for_each(|key| edit_table(&mut self.by_device, key.as_str(), change));
        } else if let Some((name, values)) = fewest {
            let at = match self.by_attribute.binary_search_by(|(found, _)| (**found).cmp(name)) {
                Ok(at) => at,
                Err(at) => {
                    self.by_attribute.insert(at, (Arc::from(name.as_str()), Table::default()));
                    at
                }
            };
            values.iter().for_each(|value| edit_table(&mut self.by_attribute[at].1, value, change));
            if self.by_attribute[at].1.is_empty() {
                self.by_attribute.remove(at);
            }
        } else if let Some(tag) = selector.tags_all_of.first() {
            edit_table(&mut self.by_tag, tag, change);
        } else if !selector.tags_any_of.is_empty() {
            selector.tags_any_of.iter().for_each(|tag| edit_table(&mut self.by_tag, tag, change));
        } else {
            self.unindexed = change(&self.unindexed);
        }
    }

    /// Calls `each` for everything that concerns the device, in no particular order; for some things more than once.
    pub(crate) fn visit<'s>(&'s self, facts: &Facts<'_>, mut each: impl FnMut(&'s Arc<T>)) {
        let mut try_list = |list: &'s List<T>| {
            let is_meant = |item: &T| item.selector().is_none_or(|selector| selector.matches(facts));
            let concerned = list.iter().filter(|filed| !filed.asks_for_more || is_meant(&filed.item));
            concerned.for_each(|filed| each(&filed.item));
        };
        try_list(&self.everybody);
        try_list(&self.unindexed);
        if let Some(list) = facts.cohort.and_then(|(cohort, hash)| self.by_cohort.get_hashed(hash, cohort.as_str())) {
            try_list(list);
        }
        if let Some(list) = facts.key.and_then(|(key, hash)| self.by_device.get_hashed(hash, key)) {
            try_list(list);
        }
        for (name, values) in &self.by_attribute {
            if let Some(list) = facts.attribute(name).and_then(|value| values.get(value)) {
                try_list(list);
            }
        }
        if !self.by_tag.is_empty() {
            facts.for_each_tag(|tag| self.by_tag.get(tag).into_iter().for_each(&mut try_list));
        }
    }
}

fn edit_table<T>(table: &mut Table<List<T>>, key: &str, change: &impl Fn(&[Filed<T>]) -> List<T>) {
    let list = change(table.get(key).map_or(&[][..], |list| list));
    if list.is_empty() { table.remove(key) } else { table.insert(key, list) }
}

fn with<T: Scoped>(list: &[Filed<T>], item: &Arc<T>) -> List<T> {
    let at = list.partition_point(|filed| filed.item.id() < item.id());
    let mut longer = list.to_vec();
    longer.insert(at, Filed { item: item.clone(), asks_for_more: item.selector().is_some_and(asks_for_more) });
    Arc::from(longer)
}

fn without<T: Scoped>(list: &[Filed<T>], item: &Arc<T>) -> List<T> {
    list.iter().filter(|filed| filed.item.id() != item.id()).cloned().collect()
}

/// False for a selector that asks for one attribute alone, which it is filed under.
fn asks_for_more(selector: &Selector) -> bool {
    let Selector { attributes, tags_any_of, tags_all_of, tags_none_of, devices } = selector;
    let is_one_attribute = attributes.len() == 1
        && tags_any_of.is_empty()
        && tags_all_of.is_empty()
        && tags_none_of.is_empty()
        && devices.is_empty();
    !is_one_attribute
}
