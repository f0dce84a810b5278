//! Requests against a generated catalog, sorted by what they hear: one class for every way that a decision can end.

use tidegate_eligibility::{Mode, Reason, Request, Snapshot, decide};

use crate::catalog::World;
use crate::dice::Dice;
use crate::objects::{self, NOW};

/// How a decision ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The latest release, by its ramp.
    Offer,
    /// The device has the latest release: what most checks hear.
    UpToDate,
    /// A hold keeps the device where it is.
    Held,
    /// Its turn in the ramp has not come.
    NotInPhase,
    /// The latest release is paused.
    Paused,
    /// An override gives it a bundle.
    Override,
    /// No record: what it reports puts it into a cohort.
    Unregistered,
}

impl Class {
    /// All classes, in the order of the tables.
    pub const ALL: [Self; 7] =
        [Self::Offer, Self::UpToDate, Self::Held, Self::NotInPhase, Self::Paused, Self::Override, Self::Unregistered];

    /// Its name in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::UpToDate => "nothing new",
            Self::Held => "held",
            Self::NotInPhase => "not in phase",
            Self::Paused => "paused",
            Self::Override => "override",
            Self::Unregistered => "unregistered",
        }
    }

    fn is_heard(self, reason: Reason) -> bool {
        match self {
            Self::Offer => reason == Reason::OfferLatest,
            Self::UpToDate => reason == Reason::UpToDate,
            Self::Held => matches!(reason, Reason::HoldOptedOut | Reason::HoldQuarantine | Reason::HoldBackoff),
            Self::NotInPhase => reason == Reason::NotInPhase,
            Self::Paused => reason == Reason::Paused,
            Self::Override => reason == Reason::OfferOverride,
            Self::Unregistered => matches!(reason, Reason::OfferLatest | Reason::OfferCandidate),
        }
    }
}

/// One request, owned.
#[derive(Clone, Debug)]
pub struct Ask {
    product: String,
    device: String,
    release: Option<String>,
    bundle: Option<String>,
    version: Option<String>,
    attributes: Vec<(&'static str, String)>,
}

/// Requests of one class.
#[derive(Clone, Debug)]
pub struct Asks {
    /// What all of them hear.
    pub class: Class,
    asks: Vec<Ask>,
}

/// How often a request may be drawn that ends in another class, for one that fits.
const DRAWS_MAX: usize = 200;

/// Draws `count` requests of each class that the catalog has; the same ones for the same seed. A class that the catalog
/// has nothing for (no override, no record) is left out.
#[must_use]
pub fn draw(world: &World, snapshot: &Snapshot, count: usize, seed: u64) -> Vec<Asks> {
    let of_class = |class: Class| {
        let dice = &mut Dice::new(seed ^ class as u64);
        let one = |dice: &mut Dice| {
            let mut tries = (0..DRAWS_MAX).filter_map(|_| ask(world, class, dice));
            tries.find(|ask| ask.with(|request| class.is_heard(decide(snapshot, request, NOW).reason)))
        };
        let asks = (0..count).map_while(|_| one(dice)).collect();
        Asks { class, asks }
    };
    Class::ALL.into_iter().map(of_class).filter(|asks| asks.asks.len() == count).collect()
}

/// A request that may end in this class; `None` if the catalog has nothing for it.
fn ask(world: &World, class: Class, dice: &mut Dice) -> Option<Ask> {
    let shape = &world.shape;
    let depth = shape.depth();
    let plain = |dice: &mut Dice| match world.plain_devices() {
        0 => shape.devices + shape.overrides + shape.holds + 10 + dice.below(1_000),
        plain => dice.below(plain),
    };
    let device = match class {
        Class::Override if shape.overrides == 0 => return None,
        Class::Override => world.overridden(dice.below(shape.overrides)),
        Class::Held if shape.holds == 0 => return None,
        Class::Held => world.held(dice.below(shape.holds)),
        // Beyond all that records, overrides and holds name.
        Class::Unregistered => shape.devices + shape.overrides + shape.holds + 10 + dice.below(1_000_000),
        Class::Offer | Class::UpToDate | Class::NotInPhase | Class::Paused => plain(dice),
    };
    let place = match class {
        Class::UpToDate => depth - 1,
        // Whoever is further behind hears of the release before it.
        Class::NotInPhase | Class::Paused => depth - 2,
        Class::Offer | Class::Held | Class::Override | Class::Unregistered => behind(depth, dice),
    };
    Some(Ask::of(device, device % shape.cohorts(), place, dice))
}

/// A place before the latest. Nine of ten devices of a fleet run one of the last dozen releases, the tenth any.
fn behind(depth: usize, dice: &mut Dice) -> usize {
    let reach = if dice.below(10) == 0 { depth - 1 } else { (depth - 1).min(12) };
    depth - 2 - dice.below(reach)
}

impl Ask {
    /// Three of five devices report the release that they are on, one its bundle, one a version only.
    fn of(device: usize, cohort: usize, place: usize, dice: &mut Dice) -> Self {
        let by = dice.below(5);
        Self {
            product: objects::product_id(0).to_string(),
            device: objects::device_key(device),
            release: (by < 3).then(|| objects::release_id(0, cohort, place).to_string()),
            bundle: (by == 3).then(|| objects::bundle_id(0, cohort, place).to_string()),
            version: (by == 4 || by == 0).then(|| objects::version(place)),
            attributes: vec![
                ("model", objects::model(device).to_owned()),
                ("os", "13.1".to_owned()),
                ("region", objects::region(device).to_owned()),
                ("channel", objects::channel(cohort)),
                ("customer", objects::customer(device)),
            ],
        }
    }

    fn attributes(&self) -> Vec<(&str, &str)> {
        self.attributes.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn request<'r>(&'r self, attributes: &'r [(&'r str, &'r str)]) -> Request<'r> {
        Request {
            product: &self.product,
            device: Some(&self.device),
            release: self.release.as_deref(),
            bundle: self.bundle.as_deref(),
            version: self.version.as_deref(),
            attributes,
            mode: Mode::Background,
            security_epoch: Some(1),
            ..Request::default()
        }
    }

    fn with<R>(&self, read: impl FnOnce(&Request<'_>) -> R) -> R {
        read(&self.request(&self.attributes()))
    }
}

impl Asks {
    /// Number of requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.asks.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    /// Calls `read` with the requests as `decide` takes them: borrowed once, outside of whatever is measured.
    pub fn with<R>(&self, read: impl FnOnce(&[Request<'_>]) -> R) -> R {
        let attributes: Vec<_> = self.asks.iter().map(Ask::attributes).collect();
        let requests: Vec<_> = self.asks.iter().zip(&attributes).map(|(ask, attributes)| ask.request(attributes)).collect();
        read(&requests)
    }
}
