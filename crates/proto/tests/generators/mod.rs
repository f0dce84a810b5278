//! Arbitrary objects and commands: every variant, every optional part present and absent. They need not make sense.

#![allow(clippy::unwrap_used, dead_code, reason = "tests; not every test uses every generator")]

pub mod commands;
pub mod objects;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use proptest::prelude::*;
use tidegate_model::*;

pub fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9][a-zA-Z0-9._@:+~-]{0,8}"
}

pub fn words() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

macro_rules! ids {
    ($($function:ident $type:ident)*) => {$(
        pub fn $function() -> impl Strategy<Value = $type> {
            name().prop_map(|text| $type::new(&text).unwrap())
        }
    )*};
}

ids! {
    product_id ProductId cohort_id CohortId bundle_id BundleId release_id ReleaseId hold_id HoldId override_id OverrideId
    exclusion_id ExclusionId attestation_kind AttestationKind principal Principal request_id RequestId
    version_text VersionText
}

pub fn device_key() -> impl Strategy<Value = DeviceKey> {
    "\\PC{1,12}".prop_map(|text| DeviceKey::new(&text).unwrap())
}

pub fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

pub fn span() -> impl Strategy<Value = Span> {
    any::<u64>().prop_map(Span::from_millis)
}

pub fn ppm() -> impl Strategy<Value = Ppm> {
    (0..=1_000_000u32).prop_map(|ppm| Ppm::new(ppm).unwrap())
}

pub fn salt() -> impl Strategy<Value = Salt> {
    any::<[u8; 16]>().prop_map(Salt)
}

pub fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

pub fn dotted() -> impl Strategy<Value = DottedVersion> {
    proptest::collection::vec(any::<u64>(), 1..=16).prop_map(|parts| {
        let text: Vec<_> = parts.iter().map(u64::to_string).collect();
        DottedVersion::parse(&text.join(".")).unwrap()
    })
}

pub fn maybe<T: Clone + std::fmt::Debug + 'static>(value: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<T>> {
    proptest::option::of(value).boxed()
}

pub const FEW: RangeInclusive<usize> = 0..=3;

pub fn few<T: Clone + std::fmt::Debug + 'static>(value: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Vec<T>> {
    proptest::collection::vec(value, FEW).boxed()
}

pub fn set<T: Ord + Clone + std::fmt::Debug + 'static>(value: impl Strategy<Value = T> + 'static) -> BoxedStrategy<BTreeSet<T>> {
    proptest::collection::btree_set(value, FEW).boxed()
}
