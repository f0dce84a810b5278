//! The canonical encoding of catalog objects: what the digest is taken over.
//!
//! It is written, never read: every field in declaration order, integers big-endian, texts and lists with their length,
//! variants with a tag. So two objects have equal bytes exactly if they are equal. A change of it is a new schema number,
//! which the cluster adopts together. It has nothing to do with how objects are stored or sent.

use std::collections::{BTreeMap, BTreeSet};

use crate::attributes::Attributes;
use crate::digest::Digest;
use crate::ids::ProductId;
use crate::object::{Object, ObjectRef};

// The macros name all fields and variants, so that a forgotten one does not compile.
macro_rules! record {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl Canonical for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.encode(out);)*
            }
        }
    )*};
}

macro_rules! text {
    ($($name:ident)*) => {$(
        impl Canonical for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                self.as_str().encode(out);
            }
        }
    )*};
}

macro_rules! variants {
    ($($name:ident { $($tag:literal $variant:ident $(($($item:ident),*))? $({$($field:ident),*})?),* $(,)? })*) => {$(
        impl Canonical for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($($item),*))? $({$($field),*})? => {
                        out.push($tag);
                        $($($item.encode(out);)*)?
                        $($($field.encode(out);)*)?
                    })*
                }
            }
        }
    )*};
}

mod commands;
mod objects;

/// Number of this encoding.
pub const SCHEMA: u32 = 1;

/// Something with a canonical encoding.
pub(crate) trait Canonical {
    fn encode(&self, out: &mut Vec<u8>);
}

/// Hash of an object's name.
pub(crate) fn reference_hash(reference: &ObjectRef) -> Digest {
    let mut out = Vec::new();
    reference.encode(&mut out);
    Digest::of("reference", &out)
}

/// Hash of an object with its compare-and-set number.
pub(crate) fn object_hash(object: &Object) -> Digest {
    let mut out = Vec::new();
    SCHEMA.encode(&mut out);
    object.encode(&mut out);
    Digest::of("object", &out)
}

/// Digest of a catalog: the hash over the sorted pairs of product and root, of products that have objects.
pub fn roots_hash<'a>(roots: impl Iterator<Item = (Option<&'a ProductId>, Digest)>) -> Digest {
    let mut out = Vec::new();
    for (product, root) in roots {
        product.map(ProductId::as_str).encode(&mut out);
        out.extend(root.0);
    }
    Digest::of("catalog", &out)
}

impl Canonical for u8 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
}

impl Canonical for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Canonical for u32 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }
}

impl Canonical for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }
}

impl Canonical for i64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }
}

fn length(len: usize, out: &mut Vec<u8>) {
    (len as u64).encode(out);
}

impl Canonical for str {
    fn encode(&self, out: &mut Vec<u8>) {
        length(self.len(), out);
        out.extend(self.as_bytes());
    }
}

impl Canonical for String {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl<T: Canonical + ?Sized> Canonical for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

impl<T: Canonical> Canonical for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
}

impl<T: Canonical> Canonical for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        length(self.len(), out);
        self.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Canonical> Canonical for BTreeSet<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        length(self.len(), out);
        self.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Canonical + Ord + Clone> Canonical for imbl::OrdSet<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        length(self.len(), out);
        self.iter().for_each(|item| item.encode(out));
    }
}

/// As a map of texts.
impl Canonical for Attributes {
    fn encode(&self, out: &mut Vec<u8>) {
        length(self.len(), out);
        for (name, value) in self.iter() {
            name.encode(out);
            value.encode(out);
        }
    }
}

impl<K: Canonical, V: Canonical> Canonical for BTreeMap<K, V> {
    fn encode(&self, out: &mut Vec<u8>) {
        length(self.len(), out);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Gate;

    /// What was stored before gates could fail on new problems keeps its digest, and no flag is taken for another.
    #[test]
    fn a_gate_without_later_flags_is_encoded_as_ever() {
        let bytes = |allow_empty, fail_on_new_problem| {
            let mut out = Vec::new();
            Gate { allow_empty, fail_on_new_problem, ..Gate::default() }.encode(&mut out);
            out
        };
        // Bake, sample, three limits that are absent, approvals, and the flags.
        let first = |flags: u8| [&[0; 8 + 4 + 3 + 4][..], &[flags]].concat();
        assert_eq!((bytes(false, false), bytes(true, false)), (first(0), first(1)));
        assert_eq!((bytes(false, true), bytes(true, true)), (first(16), first(17)));
    }

    #[test]
    fn neighbouring_texts_do_not_run_together() {
        let bytes = |parts: [&str; 2]| {
            let mut out = Vec::new();
            parts.iter().for_each(|part| part.encode(&mut out));
            out
        };
        assert_ne!(bytes(["ab", "c"]), bytes(["a", "bc"]));
    }
}
