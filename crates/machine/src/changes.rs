//! Which objects changed at which config version: what watchers and deltas are made from.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use thiserror::Error;
use tidegate_model::ObjectRef;

use crate::limits;

/// The config version asked for is older than what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("changes after config version {asked} are not kept, only those after {floor}")]
pub struct Compacted {
    /// The config version that was asked for.
    pub asked: u64,
    /// The oldest config version from which changes can be followed.
    pub floor: u64,
}

/// The changed objects of the latest config versions. The floor rises by log entries alone, so it is the same on every
/// node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeTable {
    rows: OrdMap<u64, Arc<[ObjectRef]>>,
    // Invariant: the number of names in `rows`, and below every key of it stands the floor.
    names: usize,
    floor: u64,
}

impl ChangeTable {
    /// Nothing has changed since `floor`.
    pub(crate) fn starting_at(floor: u64) -> Self {
        Self { rows: OrdMap::new(), names: 0, floor }
    }

    /// The oldest config version from which changes can be followed.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Number of object names that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names
    }

    /// True if nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names == 0
    }

    /// All that is kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Arc<[ObjectRef]>)> {
        self.rows.iter().map(|(config_version, names)| (*config_version, names))
    }

    /// The changes after `config_version`, oldest first, each config version whole. An object that the catalog no longer
    /// has was removed.
    ///
    /// # Errors
    /// [`Compacted`] if some of them are no longer kept.
    pub fn since(&self, config_version: u64) -> Result<impl Iterator<Item = (u64, &Arc<[ObjectRef]>)>, Compacted> {
        if config_version < self.floor {
            return Err(Compacted { asked: config_version, floor: self.floor });
        }
        let range = (Bound::Excluded(config_version), Bound::Unbounded);
        Ok(self.rows.range(range).map(|(config_version, names)| (*config_version, names)))
    }

    /// Adds the changes of a config version above all others; drops the oldest ones beyond the bound. The newest one is
    /// always kept whole.
    pub(crate) fn push(&mut self, config_version: u64, names: Vec<ObjectRef>) {
        self.names += names.len();
        if let Some(replaced) = self.rows.insert(config_version, names.into()) {
            self.names -= replaced.len();
        }
        while self.names > limits::CHANGES_MAX && self.rows.len() > 1 {
            let Some((oldest, names)) = self.rows.get_min().cloned() else { return };
            self.rows.remove(&oldest);
            self.names -= names.len();
            self.floor = oldest;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tidegate_model::ProductId;

    use super::*;

    fn names(count: usize) -> Vec<ObjectRef> {
        (0..count).map(|i| ObjectRef::Product(ProductId::new(&format!("p{i}")).unwrap())).collect()
    }

    fn config_versions(table: &ChangeTable, since: u64) -> Result<Vec<u64>, Compacted> {
        table.since(since).map(|rows| rows.map(|(config_version, _)| config_version).collect())
    }

    #[test]
    fn the_oldest_config_versions_are_dropped_whole() {
        let mut table = ChangeTable::starting_at(10);
        let third = limits::CHANGES_MAX / 3;
        for config_version in [12, 15, 16] {
            table.push(config_version, names(third));
        }
        assert_eq!(config_versions(&table, 10), Ok(vec![12, 15, 16]));
        assert_eq!(config_versions(&table, 9), Err(Compacted { asked: 9, floor: 10 }));
        table.push(20, names(2));
        assert_eq!(config_versions(&table, 12), Ok(vec![15, 16, 20]));
        assert_eq!(config_versions(&table, 11), Err(Compacted { asked: 11, floor: 12 }));
        assert_eq!(table.len(), 2 * third + 2);
        assert_eq!(config_versions(&table, 20), Ok(vec![]));
        assert_eq!(config_versions(&table, 99), Ok(vec![]));
    }

    #[test]
    fn a_config_version_larger_than_the_table_is_kept_whole() {
        let mut table = ChangeTable::starting_at(0);
        table.push(1, names(1));
        table.push(2, names(limits::CHANGES_MAX + 5));
        assert_eq!((table.floor(), table.len()), (1, limits::CHANGES_MAX + 5));
        table.push(3, names(1));
        assert_eq!((table.floor(), table.len()), (2, 1));
        table.push(3, Vec::new());
        assert!(table.is_empty());
    }
}
