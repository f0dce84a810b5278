//! How large a catalog is, and the catalogs that are measured: the typical one, and one axis after the other away from it.

/// Counts of what a catalog holds. Every cohort has one graph of `releases / cohorts()` releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Products; all of one build, only the first has device records, overrides and holds.
    pub products: usize,
    /// Rollouts under way in the first product, each the latest release of a cohort of its own. For every five of them, or
    /// part of five, there is one more cohort whose latest release is paused.
    pub rollouts: usize,
    /// Releases of the first product, at least two for every cohort.
    pub releases: usize,
    /// Device records.
    pub devices: usize,
    /// Overrides: nine of ten name one device, the tenth a customer.
    pub overrides: usize,
    /// Holds: of devices, of customers, of cohorts, of models; also those that are limited to one bundle.
    pub holds: usize,
}

/// A shape with the name under which its figures stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// What grows, and how far: `releases 100000`.
    pub name: &'static str,
    /// The counts.
    pub shape: Shape,
}

/// What an organisation with a fleet of its own has. Ten products, since an operating system, its boot loader, its modems
/// and a handful of applications are released apart. Five channels with a rollout under way and one that is paused, as
/// with stable, beta, early access, long-term support, an enterprise customer, and one that went wrong. Thirty-odd
/// releases are what such channels keep linked (Fedora CoreOS keeps about as many per stream and year). A thousand records, since most
/// devices of a public fleet are in no registry: laboratory, staff, demonstrators and customers with agreements are.
/// Forty holds and twenty overrides are what support has pinned.
pub const TYPICAL: Named =
    Named { name: "typical", shape: Shape { products: 10, rollouts: 5, releases: 36, devices: 1_000, overrides: 20, holds: 40 } };

/// That of the bar for large catalogs: as the typical one, with 100,000 releases and a million records.
pub const LARGE: Named = Named { name: "large", shape: Shape { releases: 100_000, devices: 1_000_000, ..TYPICAL.shape } };

/// Everything at the far end of its axis at once, in 12,000 cohorts: what no one has, to see what gives.
pub const LARGEST: Named = Named {
    name: "largest",
    shape: Shape { products: 10, rollouts: 10_000, releases: 100_000, devices: 1_000_000, overrides: 100_000, holds: 100_000 },
};

const fn of(name: &'static str, shape: Shape) -> Named {
    Named { name, shape }
}

/// One axis: the same catalog with more and more of one thing.
pub type Axis = (&'static str, &'static [Named]);

const T: Shape = TYPICAL.shape;

/// Releases of six cohorts: the deep end, up to 16,666 releases in one graph.
pub const RELEASES: &[Named] = &[
    of("releases 12", Shape { releases: 12, ..T }),
    of("releases 100", Shape { releases: 100, ..T }),
    of("releases 1000", Shape { releases: 1_000, ..T }),
    of("releases 10000", Shape { releases: 10_000, ..T }),
    of("releases 100000", Shape { releases: 100_000, ..T }),
];

/// Rollouts under way, each in a cohort of its own: the wide end.
pub const ROLLOUTS: &[Named] = &[
    of("rollouts 1", Shape { rollouts: 1, releases: 12, ..T }),
    of("rollouts 10", Shape { rollouts: 10, releases: 72, ..T }),
    of("rollouts 100", Shape { rollouts: 100, releases: 750, ..T }),
    of("rollouts 1000", Shape { rollouts: 1_000, releases: 7_500, ..T }),
    of("rollouts 10000", Shape { rollouts: 10_000, releases: 75_000, ..T }),
];

/// Device records.
pub const DEVICES: &[Named] = &[
    of("devices 0", Shape { devices: 0, ..T }),
    of("devices 1000", Shape { devices: 1_000, ..T }),
    of("devices 10000", Shape { devices: 10_000, ..T }),
    of("devices 100000", Shape { devices: 100_000, ..T }),
    of("devices 1000000", Shape { devices: 1_000_000, ..T }),
];

/// Overrides.
pub const OVERRIDES: &[Named] = &[
    of("overrides 0", Shape { overrides: 0, ..T }),
    of("overrides 1000", Shape { overrides: 1_000, ..T }),
    of("overrides 10000", Shape { overrides: 10_000, ..T }),
    of("overrides 100000", Shape { overrides: 100_000, ..T }),
    of("overrides 1000000", Shape { overrides: 1_000_000, ..T }),
];

/// Holds.
pub const HOLDS: &[Named] = &[
    of("holds 0", Shape { holds: 0, ..T }),
    of("holds 1000", Shape { holds: 1_000, ..T }),
    of("holds 10000", Shape { holds: 10_000, ..T }),
    of("holds 100000", Shape { holds: 100_000, ..T }),
    of("holds 1000000", Shape { holds: 1_000_000, ..T }),
];

/// Products: a decision meets one, the digest all of them.
pub const PRODUCTS: &[Named] = &[
    of("products 1", Shape { products: 1, ..T }),
    of("products 10", Shape { products: 10, ..T }),
    of("products 100", Shape { products: 100, ..T }),
    of("products 1000", Shape { products: 1_000, ..T }),
];

/// All axes.
pub const AXES: &[Axis] = &[
    ("releases in 6 cohorts", RELEASES),
    ("rollouts under way, one to a cohort", ROLLOUTS),
    ("device records", DEVICES),
    ("overrides", OVERRIDES),
    ("holds", HOLDS),
    ("products", PRODUCTS),
];

impl Shape {
    /// Cohorts of each product.
    #[must_use]
    pub const fn cohorts(&self) -> usize {
        self.rollouts + self.rollouts.div_ceil(5)
    }

    /// Releases of each cohort of the first product.
    #[must_use]
    pub const fn depth(&self) -> usize {
        let depth = self.releases / self.cohorts();
        if depth < 2 { 2 } else { depth }
    }
}

/// The catalog of this name.
#[must_use]
pub fn find(name: &str) -> Option<Named> {
    let all = AXES.iter().flat_map(|(_, axis)| axis.iter()).chain([&TYPICAL, &LARGE, &LARGEST]);
    all.copied().find(|named| named.name == name)
}
