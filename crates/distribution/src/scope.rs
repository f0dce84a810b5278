//! Which products somebody follows, and what that leaves of a catalog and its changes.

use std::collections::BTreeSet;

use bytes::Bytes;
use tidegate_model::{Catalog, CatalogChange, Digest, Object, ProductId};
use tidegate_proto::edge::v1 as edge;

use crate::batch::Batch;
use crate::limits::PRODUCTS_MAX;
use crate::origin::Refused;
use crate::roots::Roots;

/// Which products are followed; none named: everything. Cluster-wide objects always are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(BTreeSet<ProductId>);

impl Scope {
    /// Reads the names of a request, and narrows them to what the sender itself has.
    ///
    /// # Errors
    /// Too many, one that is no id, or one that the sender does not have.
    pub fn read(names: &[String], own: &Self) -> Result<Self, Refused> {
        if names.len() > PRODUCTS_MAX {
            let rule = format!("must name <= {PRODUCTS_MAX} products");
            return Err(Refused::Field { field: "products", value: names.len().to_string(), rule });
        }
        let mut products = BTreeSet::new();
        for name in names {
            let refused = |rule| Refused::Field { field: "products", value: name.clone(), rule };
            let product = ProductId::new(name).map_err(|invalid| refused(invalid.rule.to_string()))?;
            if !own.admits(Some(&product)) {
                return Err(refused(format!("must be one of those followed here: {own}")));
            }
            products.insert(product);
        }
        if products.is_empty() && !own.is_all() {
            let rule = format!("must be named, for not all are followed here: {own}");
            return Err(Refused::Field { field: "products", value: String::new(), rule });
        }
        Ok(Self(products))
    }

    /// These products; none: everything.
    #[must_use]
    pub fn of(products: BTreeSet<ProductId>) -> Self {
        Self(products)
    }

    /// Whether everything is followed.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, as a request carries them.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether objects of this product (`None`: cluster-wide ones) belong to it.
    #[must_use]
    pub fn admits(&self, product: Option<&ProductId>) -> bool {
        self.is_all() || product.is_none_or(|product| self.0.contains(product))
    }

    /// The objects of a catalog that belong to it, in the catalog's order.
    pub(crate) fn objects<'c>(&'c self, catalog: &'c Catalog) -> impl Iterator<Item = Object> + 'c {
        catalog.objects().filter(|object| self.is_all() || self.admits(catalog.product_of(object).as_ref()))
    }

    /// The changes of a batch that belong to it. Where the product of one is not known, `now` is asked; one that is not
    /// known there either is passed on rather than missed.
    pub(crate) fn changes<'b>(&'b self, batch: &'b Batch, now: &'b Catalog) -> impl Iterator<Item = &'b CatalogChange> + 'b {
        let admits = move |change: &CatalogChange, known: Option<Option<&ProductId>>| match (known, change) {
            (Some(product), _) => self.admits(product),
            (None, CatalogChange::Put(object)) => self.admits(now.product_of(object).as_ref()),
            (None, CatalogChange::Remove(_)) => true,
        };
        batch.with_products().filter(move |(change, known)| admits(change, *known)).map(|(change, _)| change)
    }

    /// What a follower has to find: the digest if it follows everything, else the roots of what it follows.
    pub(crate) fn roots(&self, roots: &Roots) -> edge::Roots {
        if self.is_all() {
            return edge::Roots { digest: wire(&roots.digest()), products: Vec::new() };
        }
        let root = |product: Option<&ProductId>| edge::ProductRoot {
            product: product.map(ToString::to_string),
            root: wire(&roots.root(product)),
        };
        let products = std::iter::once(None).chain(self.0.iter().map(Some)).map(root).collect();
        edge::Roots { digest: Bytes::new(), products }
    }

    /// Whether a catalog with these roots is what `told` says, and nothing beyond the scope is in it.
    pub(crate) fn is_vouched(&self, roots: &Roots, told: &edge::Roots) -> bool {
        if self.is_all() {
            return told.digest[..] == roots.digest().0;
        }
        let is_told = |product: Option<&ProductId>| {
            let mut named = told.products.iter().filter(|root| root.product.as_deref() == product.map(ProductId::as_str));
            named.next().is_some_and(|root| root.root[..] == roots.root(product).0) && named.next().is_none()
        };
        let is_within = roots.products().all(|product| self.admits(product));
        is_within && is_told(None) && self.0.iter().all(|product| is_told(Some(product)))
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_all() { f.write_str("all products") } else { f.write_str(&self.names().join(", ")) }
    }
}

fn wire(digest: &Digest) -> Bytes {
    Bytes::copy_from_slice(&digest.0)
}
