//! What a registry says of one device, by name.

use std::fmt;

/// Texts by name, in the order of their names, each name once.
///
/// Records have few of them and there may be millions of records: a tree takes half a kilobyte for the first one, and is
/// copied with every change.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(String, String)>);

impl Attributes {
    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.place(name).ok().map(|at| self.0[at].1.as_str())
    }

    /// Sets the value of a name; returns the one that it had.
    pub fn insert(&mut self, name: String, value: String) -> Option<String> {
        match self.place(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

/// Of several values of one name, the last one stands.
impl FromIterator<(String, String)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut all: Vec<(String, String)> = pairs.into_iter().collect();
        // Stable, and the last of equal names first.
        all.reverse();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|later, first| later.0 == first.0);
        all.shrink_to_fit();
        Self(all)
    }
}

impl<const N: usize> From<[(String, String); N]> for Attributes {
    fn from(pairs: [(String, String); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_what_a_sorted_map_is(pairs in proptest::collection::vec(("[a-d]{0,2}", "[a-z]{0,2}"), 0..12), more in ("[a-d]{0,2}", "x")) {
            let mut map: BTreeMap<String, String> = pairs.iter().cloned().collect();
            let mut attributes: Attributes = pairs.into_iter().collect();
            prop_assert_eq!(attributes.insert(more.0.clone(), more.1.clone()), map.insert(more.0.clone(), more.1));
            let expected: Vec<(&str, &str)> = map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            prop_assert_eq!(attributes.iter().collect::<Vec<_>>(), expected);
            prop_assert_eq!((attributes.len(), attributes.is_empty()), (map.len(), false));
            prop_assert_eq!(attributes.get(&more.0), map.get(&more.0).map(String::as_str));
            prop_assert_eq!(attributes.get("zz"), None);
            prop_assert_eq!(format!("{attributes:?}"), format!("{map:?}"));
        }
    }
}
