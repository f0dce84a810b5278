//! A persistent map from texts, found by hash: looking one up compares a few numbers and one text, whatever the size,
//! and allocates nothing. The hash is fixed, so equal content has equal shape on every node.

use std::sync::Arc;

use imbl::OrdMap;
use tidegate_model::Salt;

/// Hash of a key, computed once per request and used for every table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyHash(u64);

impl KeyHash {
    /// The hash of `key`.
    pub(crate) fn of(key: &str) -> Self {
        Self(Salt([0; 16]).position(key).0)
    }
}

/// Texts that share a hash stand together, ordered.
#[derive(Clone, Debug, PartialEq)]
enum Slot<V> {
    One(Arc<str>, V),
    Several(Arc<[(Arc<str>, V)]>),
}

/// A persistent map from text to `V`; a clone shares everything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table<V: Clone> {
    slots: OrdMap<u64, Slot<V>>,
}

impl<V: Clone> Default for Table<V> {
    fn default() -> Self {
        Self { slots: OrdMap::new() }
    }
}

impl<V: Clone> Table<V> {
    /// True if nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The value under `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        if self.is_empty() { None } else { self.get_hashed(KeyHash::of(key), key) }
    }

    /// The value under `key`, whose hash is known.
    pub(crate) fn get_hashed(&self, hash: KeyHash, key: &str) -> Option<&V> {
        match self.slots.get(&hash.0)? {
            Slot::One(found, value) => (**found == *key).then_some(value),
            Slot::Several(entries) => entries.iter().find(|(found, _)| **found == *key).map(|(_, value)| value),
        }
    }

    /// Sets the value under `key`.
    pub(crate) fn insert(&mut self, key: &str, value: V) {
        self.edit(KeyHash::of(key), key, Some(value));
    }

    /// Forgets `key`.
    pub(crate) fn remove(&mut self, key: &str) {
        self.edit(KeyHash::of(key), key, None);
    }

    fn edit(&mut self, hash: KeyHash, key: &str, value: Option<V>) {
        let mut entries: Vec<(Arc<str>, V)> = match self.slots.get(&hash.0) {
            None => Vec::new(),
            Some(Slot::One(key, value)) => vec![(key.clone(), value.clone())],
            Some(Slot::Several(entries)) => entries.to_vec(),
        };
        let place = entries.binary_search_by(|(found, _)| (**found).cmp(key));
        match (place, value) {
            (Ok(at), Some(value)) => entries[at].1 = value,
            (Err(at), Some(value)) => entries.insert(at, (Arc::from(key), value)),
            (Ok(at), None) => drop(entries.remove(at)),
            (Err(_), None) => return,
        }
        let slot = match entries.len() {
            0 => None,
            1 => entries.pop().map(|(key, value)| Slot::One(key, value)),
            _ => Some(Slot::Several(Arc::from(entries))),
        };
        match slot {
            Some(slot) => drop(self.slots.insert(hash.0, slot)),
            None => drop(self.slots.remove(&hash.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A table is a map, also where all hashes collide; and its shape is a function of its content.
        #[test]
        fn behaves_as_a_map(edits in proptest::collection::vec((0..12u8, proptest::option::of(0..4u8)), 0..60), collide: bool) {
            let hash = |key: &str| if collide { KeyHash(7) } else { KeyHash::of(key) };
            let (mut table, mut map) = (Table::default(), BTreeMap::new());
            for (key, value) in edits {
                let key = format!("k{key}");
                table.edit(hash(&key), &key, value);
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
            }
            let mut again = Table::default();
            for key in 0..12 {
                let key = format!("k{key}");
                prop_assert_eq!(table.get_hashed(hash(&key), &key), map.get(&key));
                if let Some(value) = map.get(&key) {
                    again.edit(hash(&key), &key, Some(*value));
                }
            }
            prop_assert_eq!(table.is_empty(), map.is_empty());
            prop_assert_eq!(table, again);
        }
    }
}
