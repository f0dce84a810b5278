//! SHA-256 digests and the incremental hash tree of one product.
//!
//! The tree is a radix-16 trie over the hashes of object names. Its shape depends on the names alone: a branch stands
//! exactly where two or more names share a prefix. So its root is a function of the content, and one change costs one
//! hash per level.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The hash of `bytes` in a domain of its own.
    #[must_use]
    pub fn of(domain: &str, bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain.as_bytes());
        hasher.update([0]);
        hasher.update(bytes);
        Self(hasher.finalize().into())
    }

    fn nibble(&self, depth: usize) -> usize {
        let byte = self.0[depth / 2];
        usize::from(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone)]
enum Node {
    Leaf { key: Digest, value: Digest },
    Branch { children: Arc<[Option<Node>; 16]>, hash: Digest },
}

impl Node {
    fn hash(&self) -> Digest {
        match self {
            Self::Leaf { key, value } => Digest::of("leaf", &[key.0, value.0].concat()),
            Self::Branch { hash, .. } => *hash,
        }
    }

    fn branch(children: [Option<Self>; 16]) -> Self {
        let mut bytes = Vec::with_capacity(16 * 33);
        for child in &children {
            match child {
                None => bytes.push(0),
                Some(child) => {
                    bytes.push(1);
                    bytes.extend(child.hash().0);
                }
            }
        }
        Self::Branch { hash: Digest::of("branch", &bytes), children: Arc::new(children) }
    }

    fn insert(self, depth: usize, key: Digest, value: Digest) -> Self {
        match self {
            Self::Leaf { key: old, .. } if old == key => Self::Leaf { key, value },
            Self::Leaf { key: old, value: old_value } => {
                let mut children = [const { None }; 16];
                children[old.nibble(depth)] = Some(Self::Leaf { key: old, value: old_value });
                let slot = &mut children[key.nibble(depth)];
                *slot = Some(match slot.take() {
                    None => Self::Leaf { key, value },
                    Some(node) => node.insert(depth + 1, key, value),
                });
                Self::branch(children)
            }
            Self::Branch { children, .. } => {
                let mut children = Arc::unwrap_or_clone(children);
                let slot = &mut children[key.nibble(depth)];
                *slot = Some(match slot.take() {
                    None => Self::Leaf { key, value },
                    Some(node) => node.insert(depth + 1, key, value),
                });
                Self::branch(children)
            }
        }
    }

    fn remove(self, depth: usize, key: &Digest) -> Option<Self> {
        match self {
            Self::Leaf { key: old, .. } if old == *key => None,
            Self::Leaf { .. } => Some(self),
            Self::Branch { children, .. } => {
                let mut children = Arc::unwrap_or_clone(children);
                let slot = &mut children[key.nibble(depth)];
                *slot = slot.take().and_then(|node| node.remove(depth + 1, key));
                let mut left = children.iter().flatten();
                match (left.next(), left.next()) {
                    (None, _) => None,
                    (Some(Self::Leaf { key, value }), None) => Some(Self::Leaf { key: *key, value: *value }),
                    _ => Some(Self::branch(children)),
                }
            }
        }
    }
}

/// The hash tree of one product's objects. A clone shares everything.
#[derive(Clone, Default)]
pub struct HashTree(Option<Node>);

impl HashTree {
    /// True if nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Sets the value hash under a key hash.
    pub fn insert(&mut self, key: Digest, value: Digest) {
        self.0 = Some(match self.0.take() {
            None => Node::Leaf { key, value },
            Some(node) => node.insert(0, key, value),
        });
    }

    /// Forgets a key hash.
    pub fn remove(&mut self, key: &Digest) {
        self.0 = self.0.take().and_then(|node| node.remove(0, key));
    }

    /// The root hash; that of the empty tree is a constant.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.0.as_ref().map_or_else(|| Digest::of("empty", &[]), Node::hash)
    }
}
