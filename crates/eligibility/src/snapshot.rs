//! A compiled catalog: everything that a decision reads, frozen at one config version.

use std::sync::Arc;

use tidegate_model::{Catalog, Digest, Product};

use crate::compiled::ProductView;
use crate::table::Table;

/// Compiled products, by id.
pub(crate) type Products = Table<Arc<ProductView>>;

/// Which state a snapshot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Config version of the last entry that changed the catalog; 0: there was none yet.
    pub config_version: u64,
    /// Generation of the cluster; grows with a restore.
    pub epoch: u64,
    /// Index of the last applied log entry, whether it changed the catalog or not.
    pub applied_index: u64,
}

/// A compiled catalog. Cloning costs one reference count; versions share what did not change.
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

struct Inner {
    stamp: Stamp,
    digest: Digest,
    catalog: Catalog,
    // A function of the catalog; only the compiler writes it.
    products: Products,
}

impl Snapshot {
    /// The snapshot of an empty catalog, before the first log entry.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Catalog::default(), Products::default(), Stamp::default())
    }

    pub(crate) fn new(catalog: Catalog, products: Products, stamp: Stamp) -> Self {
        Self { inner: Arc::new(Inner { stamp, digest: catalog.digest(), catalog, products }) }
    }

    pub(crate) fn products(&self) -> &Products {
        &self.inner.products
    }

    /// The compiled form of a product that is known to devices, with the product itself.
    pub(crate) fn view(&self, id: &str) -> Option<(&ProductView, &Product)> {
        let view = self.inner.products.get(id)?;
        view.stored.as_ref().map(|stored| (&**view, &stored.body))
    }

    /// Which state this is.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.inner.stamp
    }

    /// Digest of the catalog: equal on every node at an equal config version.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }

    /// The catalog that this snapshot was compiled from.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// A product, by id: poll interval, staleness bound, whether answers are flattened. Allocates nothing.
    #[must_use]
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.view(id).map(|(_, product)| product)
    }

    /// Selectors of unlimited holds and of overrides of this product that no index serves; see
    /// [`crate::limits::SELECTORS_UNINDEXED_MAX`].
    #[must_use]
    pub fn unindexed_selectors(&self, product: &str) -> usize {
        self.inner.products.get(product).map_or(0, |view| view.holds.unlimited.unindexed() + view.overrides.unindexed())
    }
}
