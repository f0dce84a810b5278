//! `tests/compat/edge` holds a copy that was frozen when its format was made; it is readable for ever.

use std::collections::BTreeSet;

use tempfile::TempDir;
use tidegate_distribution::Roots;
use tidegate_eligibility::Stamp;
use tidegate_model::{
    Catalog, CatalogChange, Created, Exclusion, ExclusionId, ExclusionScope, Object, Product, ProductId, Stored, VersionScheme,
};
use tidegate_platform::StdVfs;

use super::*;

/// One product and one cluster-wide object.
fn held() -> Held {
    let created = Created { config_version: 2, seq: 0 };
    let product = Product {
        id: ProductId::new("app").unwrap(),
        version_scheme: VersionScheme::SemVer,
        allow_unregistered: true,
        default_cohort: None,
        max_staleness: None,
        required_attestations: BTreeSet::new(),
        poll_interval: None,
        trusted_keys: BTreeSet::new(),
        client_phased: false,
        active_window: Product::ACTIVE_WINDOW_DEFAULT,
        retry: None,
        flatten_reasons: false,
    };
    let exclusion = Exclusion {
        id: ExclusionId::new("e1").unwrap(),
        key: "region".to_owned(),
        groups: vec![["eu", "us"].map(str::to_owned).into()],
        scope: ExclusionScope::Global,
    };
    let mut catalog = Catalog::default();
    for object in [
        Object::Product(Arc::new(Stored { version: 1, created, body: product })),
        Object::Exclusion(Arc::new(Stored { version: 1, created, body: exclusion })),
    ] {
        catalog.apply(&CatalogChange::Put(object));
    }
    let stamp = Stamp { config_version: 2, epoch: 1, applied_index: 9 };
    Held { cluster_id: 7, stamp, roots: Roots::of(&catalog), catalog }
}

fn copy() -> (TempDir, Copy) {
    let folder = TempDir::new().unwrap();
    let copy = Copy::open(Arc::new(StdVfs), &folder.path().join("edge")).unwrap();
    (folder, copy)
}

fn of(products: &[&str]) -> Scope {
    Scope::of(products.iter().map(|id| ProductId::new(id).unwrap()).collect())
}

/// A folder whose copy has these bytes.
fn with(bytes: &[u8]) -> (TempDir, Copy) {
    let (folder, copy) = copy();
    std::fs::write(copy.folder.join(NAME), bytes).unwrap();
    (folder, copy)
}

#[test]
fn what_was_written_is_read() {
    for scope in [of(&[]), of(&["app"])] {
        let (_folder, copy) = copy();
        assert!(copy.load(&scope).unwrap().0.held().is_none(), "nothing was written yet");
        copy.write(&held(), &scope).unwrap();
        copy.write(&held(), &scope).unwrap();
        let (replica, unusable) = copy.load(&scope).unwrap();
        assert!(unusable.is_none(), "{unusable:?}");
        let read = replica.held().unwrap();
        assert_eq!((read.cluster_id, read.stamp, &read.catalog), (7, held().stamp, &held().catalog));
    }
}

#[test]
fn any_damaged_byte_is_found_and_the_copy_set_aside() {
    let (_folder, copy) = copy();
    copy.write(&held(), &of(&[])).unwrap();
    let whole = std::fs::read(copy.folder.join(NAME)).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let (_folder, copy) = with(&bytes);
        let (replica, unusable) = copy.load(&of(&[])).unwrap();
        assert!(replica.held().is_none(), "byte {at}");
        assert!(unusable.unwrap().to_string().contains(NAME), "byte {at}");
        assert!(copy.folder.join(ASIDE).exists() && !copy.folder.join(NAME).exists());
        assert!(copy.load(&of(&[])).unwrap().1.is_none(), "it is not met twice");
    }
}

#[test]
fn a_copy_that_is_cut_or_has_more_is_not_believed() {
    let (_folder, copy) = copy();
    copy.write(&held(), &of(&[])).unwrap();
    let whole = std::fs::read(copy.folder.join(NAME)).unwrap();
    for len in 0..whole.len() {
        let (_folder, copy) = with(&whole[..len]);
        assert!(copy.load(&of(&[])).unwrap().0.held().is_none(), "{len} bytes");
    }
    let (_folder, copy) = with(&[&whole[..], b"x"].concat());
    assert!(copy.load(&of(&[])).unwrap().1.is_some());
}

#[test]
fn a_copy_of_other_products_is_not_for_this_edge() {
    let (_folder, copy) = copy();
    copy.write(&held(), &of(&["app"])).unwrap();
    let (replica, unusable) = copy.load(&of(&["app", "os"])).unwrap();
    assert!(replica.held().is_none());
    assert!(matches!(unusable, Some(CopyError::Refused { .. })), "{unusable:?}");
}

#[test]
fn a_half_written_copy_leaves_the_one_before() {
    let (_folder, copy) = copy();
    copy.write(&held(), &of(&[])).unwrap();
    std::fs::write(copy.folder.join(TEMPORARY), b"half").unwrap();
    assert!(copy.load(&of(&[])).unwrap().0.held().is_some());
    copy.write(&held(), &of(&[])).unwrap();
    assert!(!copy.folder.join(TEMPORARY).exists());
}

/// `TIDEGATE_FREEZE=1` writes the sample where it is missing; it never changes one.
#[test]
fn the_frozen_copy_is_read_and_written_alike() {
    let frozen = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat/edge/copy-v1.bin");
    let (_folder, copy) = copy();
    copy.write(&held(), &of(&[])).unwrap();
    let written = std::fs::read(copy.folder.join(NAME)).unwrap();
    if std::env::var_os("TIDEGATE_FREEZE").is_some() && !frozen.exists() {
        std::fs::create_dir_all(frozen.parent().unwrap()).unwrap();
        std::fs::write(&frozen, &written).unwrap();
    }
    let bytes = std::fs::read(&frozen).unwrap();
    assert_eq!(written, bytes, "this build writes version 1 otherwise");
    let (_folder, copy) = with(&bytes);
    assert_eq!(copy.load(&of(&[])).unwrap().0.held().unwrap().catalog, held().catalog);
}
