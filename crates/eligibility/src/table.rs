//! A persistent map from texts, found by hash: looking one up reads one word for each factor of 32 in its size, compares one
//! text and allocates nothing. The hash is fixed and a text stands where its hash says, so equal content has equal shape
//! on every node, however it came about.

use std::sync::Arc;

use smol_str::SmolStr;

/// Hash of a key, computed once per request and used for every table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyHash(u64);

impl KeyHash {
    /// The hash of `key`: words of eight bytes, folded together by a wide multiplication, as wyhash and its kin do. A decision
    /// takes up to ten hashes, so it is made for speed; keys that are chosen to share one cost whoever stored them a longer
    /// list to compare, and nobody a wrong answer.
    pub(crate) fn of(key: &str) -> Self {
        let bytes = key.as_bytes();
        let mut hash = LENGTH.wrapping_mul(bytes.len() as u64 + 1);
        let mut rest = bytes;
        while let Some((words, after)) = rest.split_first_chunk::<16>().filter(|(_, after)| !after.is_empty()) {
            hash = fold(hash ^ word(words), FACTOR ^ word(&words[8..]));
            rest = after;
        }
        // One to sixteen bytes are left, or none at all: their first and their last word, which overlap.
        let (first, last) = match rest.len() {
            0 => (0, 0),
            // All of three bytes, and no two texts of one length alike.
            len @ 1..4 => (u64::from(rest[0]) << 16 | u64::from(rest[len / 2]) << 8 | u64::from(rest[len - 1]), 0),
            len @ 4..8 => (half(rest), half(&rest[len - 4..])),
            len => (word(rest), word(&rest[len - 8..])),
        };
        Self(fold(fold(hash ^ first, FACTOR ^ last) ^ LENGTH, FACTOR))
    }
}

/// Odd numbers with as many ones as zeros, well mixed: digits of the golden ratio and of pi.
const LENGTH: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u64 = 0x2d35_8dcc_aa6c_78a5;

/// The first eight bytes as a number; 0 if there are fewer.
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The first four bytes as a number; 0 if there are fewer.
fn half(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Bits of the hash that one level of the trie takes; a branch has up to 32 children.
const BITS: u32 = 5;

/// Children by the next bits of their hash: bit n of `map` says that there is a child for n, and they stand in order.
#[derive(Clone, Debug, PartialEq)]
struct Branch<V> {
    map: u32,
    children: Arc<[Child<V>]>,
}

#[derive(Clone, Debug, PartialEq)]
enum Child<V> {
    /// Texts of up to 23 bytes, as nearly all are, stand in the leaf itself: nothing else has to be read to compare them.
    Leaf(KeyHash, SmolStr, V),
    /// Texts that share a whole hash, ordered; at least two.
    Several(KeyHash, Arc<[(SmolStr, V)]>),
    /// At least two texts that share all bits so far and no whole hash.
    Branch(Branch<V>),
}

/// A persistent map from text to `V`: a trie over the hashes. A clone shares everything, and a change copies one branch a level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table<V: Clone> {
    root: Branch<V>,
}

impl<V: Clone> Default for Table<V> {
    fn default() -> Self {
        Self { root: Branch { map: 0, children: Arc::from(Vec::new()) } }
    }
}

impl<V: Clone> Table<V> {
    /// True if nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.map == 0
    }

    /// The value under `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        if self.is_empty() { None } else { self.get_hashed(KeyHash::of(key), key) }
    }

    /// The value under `key`, whose hash is known.
    pub(crate) fn get_hashed(&self, hash: KeyHash, key: &str) -> Option<&V> {
        let mut branch = &self.root;
        let mut rest = hash.0;
        loop {
            match branch.child(rest)? {
                Child::Branch(below) => branch = below,
                Child::Leaf(found, text, value) => return (*found == hash && text.as_str() == key).then_some(value),
                Child::Several(_, entries) => {
                    return entries.iter().find(|(text, _)| text.as_str() == key).map(|(_, value)| value);
                }
            }
            rest >>= BITS;
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
        match value {
            Some(value) => self.root.set(0, (hash, key), value),
            // Only what is there is taken out: nothing is copied for what is not.
            None if self.get_hashed(hash, key).is_some() => self.root.take(0, (hash, key)),
            None => {}
        }
    }
}

impl<V: Clone> Branch<V> {
    /// The child for the lowest bits of `rest`.
    fn child(&self, rest: u64) -> Option<&Child<V>> {
        let bit = bit_of(rest);
        if self.map & bit == 0 { None } else { self.children.get(self.place(bit)) }
    }

    fn place(&self, bit: u32) -> usize {
        (self.map & (bit - 1)).count_ones() as usize
    }

    fn set(&mut self, level: u32, (hash, key): (KeyHash, &str), value: V) {
        let bit = bit_of(hash.0 >> (level * BITS));
        let place = self.place(bit);
        if self.map & bit == 0 {
            let (before, after) = self.children.split_at(place);
            let leaf = Child::Leaf(hash, SmolStr::new(key), value);
            self.children = before.iter().cloned().chain(std::iter::once(leaf)).chain(after.iter().cloned()).collect();
            self.map |= bit;
            return;
        }
        let child = &mut self.owned()[place];
        match child {
            Child::Branch(below) => below.set(level + 1, (hash, key), value),
            Child::Leaf(found, text, old) if *found == hash && text.as_str() == key => *old = value,
            Child::Several(found, entries) if *found == hash => {
                let mut longer = entries.to_vec();
                match longer.binary_search_by(|(text, _)| text.as_str().cmp(key)) {
                    Ok(at) => longer[at].1 = value,
                    Err(at) => longer.insert(at, (SmolStr::new(key), value)),
                }
                *entries = Arc::from(longer);
            }
            Child::Leaf(found, text, old) if *found == hash => {
                let mut both = vec![(text.clone(), old.clone()), (SmolStr::new(key), value)];
                both.sort_by(|(a, _), (b, _)| a.cmp(b));
                *child = Child::Several(hash, Arc::from(both));
            }
            Child::Leaf(KeyHash(other), ..) | Child::Several(KeyHash(other), ..) => {
                // Two hashes that differ part at the thirteenth level at the latest.
                let map = bit_of(*other >> ((level + 1) * BITS));
                let mut below = Self { map, children: Arc::from(vec![child.clone()]) };
                below.set(level + 1, (hash, key), value);
                *child = Child::Branch(below);
            }
        }
    }

    /// Takes out what is there. What was one text's way before the other came is so again when it has gone.
    fn take(&mut self, level: u32, (hash, key): (KeyHash, &str)) {
        let bit = bit_of(hash.0 >> (level * BITS));
        let place = self.place(bit);
        match &mut self.owned()[place] {
            Child::Branch(below) => {
                below.take(level + 1, (hash, key));
                let alone = match &*below.children {
                    [only @ (Child::Leaf(..) | Child::Several(..))] => Some(only.clone()),
                    _ => None,
                };
                if let Some(alone) = alone {
                    self.owned()[place] = alone;
                }
            }
            Child::Several(_, entries) => {
                let left: Vec<_> = entries.iter().filter(|(text, _)| text.as_str() != key).cloned().collect();
                let child = match <[_; 1]>::try_from(left) {
                    Ok([(text, value)]) => Child::Leaf(hash, text, value),
                    Err(left) => Child::Several(hash, Arc::from(left)),
                };
                self.owned()[place] = child;
            }
            Child::Leaf(..) => {
                let (before, after) = self.children.split_at(place);
                self.children = before.iter().chain(&after[1..]).cloned().collect();
                self.map &= !bit;
            }
        }
    }

    /// The children, copied if another version of the table has them too.
    fn owned(&mut self) -> &mut [Child<V>] {
        Arc::make_mut(&mut self.children)
    }
}

/// The bit of a child for the lowest bits of `rest`.
fn bit_of(rest: u64) -> u32 {
    1 << (rest & ((1 << BITS) - 1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Texts of the kind that stands in catalogs, of all lengths, fall evenly and apart.
    #[test]
    fn hashes_of_like_texts_lie_apart() {
        let numbered = (0..20_000).map(|i| format!("SN{i:06}"));
        let lengths = (0..300).map(|length| "a".repeat(length));
        let short = (0..=255u8).filter(u8::is_ascii).map(|byte| char::from(byte).to_string());
        let hashes: Vec<_> = numbered.chain(lengths).chain(short).map(|key| (KeyHash::of(&key), key)).collect();
        let texts: std::collections::BTreeSet<_> = hashes.iter().map(|(_, key)| key).collect();
        let distinct: std::collections::BTreeSet<_> = hashes.iter().map(|(hash, _)| hash).collect();
        assert_eq!(distinct.len(), texts.len());
        for shift in (0..64).step_by(8) {
            let mut buckets = [0_u32; 256];
            hashes.iter().for_each(|(hash, _)| buckets[usize::from((hash.0 >> shift) as u8)] += 1);
            let expected = u32::try_from(hashes.len()).unwrap() / 256;
            assert!(buckets.iter().all(|count| (expected / 3..expected * 3).contains(count)), "bits from {shift}: {buckets:?}");
        }
    }

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
