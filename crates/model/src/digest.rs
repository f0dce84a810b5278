//! SHA-256 digests and the incremental hash tree of one product.
//!
//! The tree is a radix-16 trie over the hashes of object names. Its shape depends on the names alone: a branch stands
//! exactly where two or more names share a prefix. So its root is a function of the content, and one change costs one
//! hash per level.

use std::fmt;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The hash of `bytes` in a domain of its own.
    #[must_use]
    pub fn of(domain: &str, bytes: &[u8]) -> Self {
        let mut hasher = Self::hasher(domain);
        hasher.update(bytes);
        Self(hasher.finalize().into())
    }

    fn hasher(domain: &str) -> Sha256 {
        let mut hasher = Sha256::new();
        hasher.update(domain.as_bytes());
        hasher.update([0]);
        hasher
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
    /// The hash is over key and value.
    Leaf { key: Digest, hash: Digest },
    /// Two or more below it.
    Branch(Arc<Branch>),
}

type Children = [Option<Node>; 16];

/// The hash is over the hashes of the children. It is worked out when somebody asks: many changes may come before that.
#[derive(Clone, Default)]
struct Branch {
    children: Children,
    hash: OnceLock<Digest>,
}

impl Branch {
    fn hash(&self) -> Digest {
        *self.hash.get_or_init(|| {
            let mut hasher = Digest::hasher("branch");
            for child in &self.children {
                match child {
                    None => hasher.update([0]),
                    Some(child) => {
                        hasher.update([1]);
                        hasher.update(child.hash().0);
                    }
                }
            }
            Digest(hasher.finalize().into())
        })
    }

    /// The children, to change one of them.
    fn edit(&mut self) -> &mut Children {
        self.hash = OnceLock::new();
        &mut self.children
    }
}

impl Node {
    fn leaf(key: Digest, value: Digest) -> Self {
        Self::Leaf { key, hash: Digest::of("leaf", &[key.0, value.0].concat()) }
    }

    fn hash(&self) -> Digest {
        match self {
            Self::Leaf { hash, .. } => *hash,
            Self::Branch(branch) => branch.hash(),
        }
    }

    /// Puts in a leaf.
    fn insert(self, depth: usize, key: Digest, leaf: Self) -> Self {
        let mut branch = match self {
            Self::Leaf { key: old, .. } if old == key => return leaf,
            Self::Leaf { key: old, .. } => {
                let mut branch = Branch::default();
                branch.children[old.nibble(depth)] = Some(self);
                Arc::new(branch)
            }
            Self::Branch(branch) => branch,
        };
        let slot = &mut Arc::make_mut(&mut branch).edit()[key.nibble(depth)];
        *slot = Some(match slot.take() {
            None => leaf,
            Some(node) => node.insert(depth + 1, key, leaf),
        });
        Self::Branch(branch)
    }

    fn remove(self, depth: usize, key: &Digest) -> Option<Self> {
        match self {
            Self::Leaf { key: old, .. } if old == *key => None,
            Self::Leaf { .. } => Some(self),
            Self::Branch(mut branch) => {
                let children = Arc::make_mut(&mut branch).edit();
                let slot = &mut children[key.nibble(depth)];
                *slot = slot.take().and_then(|node| node.remove(depth + 1, key));
                let mut left = children.iter().flatten();
                match (left.next(), left.next()) {
                    (None, _) => None,
                    (Some(leaf @ Self::Leaf { .. }), None) => Some(leaf.clone()),
                    _ => Some(Self::Branch(branch)),
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
        let leaf = Node::leaf(key, value);
        self.0 = Some(match self.0.take() {
            None => leaf,
            Some(node) => node.insert(0, key, leaf),
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
