//! Which cells open next, and which tokens stand in the way.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{Catalog, CellState, DomainOrder, Domains, Exclusion, ExclusionScope, ProductId, Release, RolloutState};

use crate::rolling::Rolling;

/// The domain values that are open, over all rollouts.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// Product, key, value.
    taken: BTreeSet<(ProductId, String, String)>,
}

impl Tokens {
    /// The tokens that are taken now. A pause keeps them.
    pub(crate) fn of(catalog: &Catalog) -> Self {
        let mut tokens = Self::default();
        for stored in catalog.releases().values() {
            let release: &Release = &stored.body;
            let is_out = matches!(release.rollout.state, RolloutState::Active | RolloutState::Paused);
            if !is_out || release.rollout.cells.is_empty() {
                continue;
            }
            let rolling = Rolling::of(catalog, stored);
            let Some(domains) = rolling.stage().and_then(|stage| stage.domains.as_ref()) else { continue };
            for (value, _) in release.rollout.cells.iter().filter(|(_, cell)| cell.holds_token()) {
                tokens.take(&release.product, &domains.key, value);
            }
        }
        tokens
    }

    /// Notes that a value opens.
    pub(crate) fn take(&mut self, product: &ProductId, key: &str, value: &str) {
        self.taken.insert((product.clone(), key.to_owned(), value.to_owned()));
    }

    /// True if no other value of its group is open. Several rollouts may be open in one value.
    pub(crate) fn let_open(&self, catalog: &Catalog, product: &ProductId, key: &str, value: &str) -> bool {
        let about = catalog.exclusions().values().map(|stored| &stored.body).filter(|exclusion| exclusion.key == key);
        !about.into_iter().any(|exclusion: &Exclusion| {
            let others = exclusion.groups.iter().filter(|group| group.contains(value)).flatten().filter(|other| *other != value);
            others.into_iter().any(|other| self.is_taken(exclusion.scope, product, key, other))
        })
    }

    fn is_taken(&self, scope: ExclusionScope, product: &ProductId, key: &str, value: &str) -> bool {
        match scope {
            ExclusionScope::Product => self.taken.contains(&(product.clone(), key.to_owned(), value.to_owned())),
            ExclusionScope::Global => self.taken.iter().any(|(_, of, open)| of == key && open == value),
        }
    }
}

/// The cells that open now, in their order; each of them takes its token. One that its exclusion keeps closed does not
/// hold up the ones after it: its turn comes when the token is free.
pub(crate) fn to_open(
    catalog: &Catalog,
    tokens: &mut Tokens,
    rolling: &Rolling<'_>,
    devices: &BTreeMap<String, u64>,
) -> BTreeSet<String> {
    let mut opening = BTreeSet::new();
    let Some(domains) = rolling.stage().and_then(|stage| stage.domains.as_ref()) else { return opening };
    let cells = &rolling.rollout().cells;
    let product = &rolling.release().product;
    let open = cells.values().filter(|cell| cell.holds_token()).count();
    let mut room = usize::try_from(domains.parallel).unwrap_or(usize::MAX).saturating_sub(open);
    for value in in_order(rolling, domains, devices) {
        if room == 0 {
            break;
        }
        let is_closed = cells.get(value).is_none_or(|cell| cell.state == CellState::Closed);
        if is_closed && tokens.let_open(catalog, product, &domains.key, value) {
            tokens.take(product, &domains.key, value);
            opening.insert(value.clone());
            room -= 1;
        }
    }
    opening
}

fn in_order<'d>(rolling: &Rolling<'_>, domains: &'d Domains, devices: &BTreeMap<String, u64>) -> Vec<&'d String> {
    let mut values: Vec<_> = domains.values.iter().collect();
    match domains.order {
        DomainOrder::Listed => {}
        // Of equally many, the one that is listed first: the sort keeps their order.
        DomainOrder::SmallestFirst => values.sort_by_key(|value| devices.get(*value).copied().unwrap_or(0)),
        DomainOrder::ByPosition => values.sort_by_key(|value| rolling.rollout().salt.map(|salt| salt.position(value))),
    }
    values
}
