//! What a catalog hashes to, product by product, kept beside it so that a change costs what it touches.

use std::sync::{Arc, OnceLock};

use imbl::OrdMap;
use tidegate_model::{Catalog, Digest, ProductId, canonical};

/// The roots of all products that have objects; cluster-wide objects stand under `None`. A clone shares everything.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    products: OrdMap<Option<ProductId>, Digest>,
    /// Worked out when somebody asks.
    digest: Arc<OnceLock<Digest>>,
}

impl Roots {
    /// The roots of `catalog`.
    #[must_use]
    pub fn of(catalog: &Catalog) -> Self {
        let products = catalog.roots().map(|(product, root)| (product.cloned(), root)).collect();
        Self { products, digest: Arc::default() }
    }

    /// Makes them those of `catalog`, which differs from the one that they belong to in objects of `touched` only.
    /// Costs a hash for each branch that changed since somebody asked last, so rather once for many changes.
    pub fn bring_to<'a>(&mut self, catalog: &Catalog, touched: impl IntoIterator<Item = &'a Option<ProductId>>) {
        let empty = Catalog::default().product_root(None);
        for product in touched {
            let root = Some(catalog.product_root(product.as_ref())).filter(|root| *root != empty);
            if self.products.get(product) == root.as_ref() {
                continue;
            }
            match root {
                Some(root) => drop(self.products.insert(product.clone(), root)),
                None => drop(self.products.remove(product)),
            }
            self.digest = Arc::default();
        }
    }

    /// The digest of the whole catalog.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let pairs = || self.products.iter().map(|(product, root)| (product.as_ref(), *root));
        *self.digest.get_or_init(|| canonical::roots_hash(pairs()))
    }

    /// The root of one product; that of nothing if it has no objects.
    #[must_use]
    pub fn root(&self, product: Option<&ProductId>) -> Digest {
        let root = self.products.get(&product.cloned()).copied();
        root.unwrap_or_else(|| Catalog::default().product_root(None))
    }

    /// Products that have objects.
    pub fn products(&self) -> impl Iterator<Item = Option<&ProductId>> {
        self.products.keys().map(Option::as_ref)
    }
}
