//! What a client of a run writes: the life of one cohort, release after release, with everything that operators do to
//! rollouts. Each client has a cohort of its own, so it knows what its releases were told; the product is shared.

use prost::Message as _;
use tidegate_proto::types::v1 as types;
use tidegate_proto::types::v1::document::Spec;
use tidegate_proto::types::v1::transition::Verb;

use crate::seams::Dice;

/// The one product of a run.
pub const PRODUCT: &str = "os";
/// Devices that check, per cohort.
pub const DEVICES: u64 = 40;

/// The cohort of a client.
pub fn cohort(client: u64) -> String {
    format!("c{client}")
}

/// A release of a client's cohort.
pub fn release(client: u64, number: u64) -> String {
    format!("r{client}-{number}")
}

/// A device of a client's cohort.
pub fn device(client: u64, number: u64) -> String {
    format!("d{client}-{number}")
}

/// What an order does to the offers of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Once acknowledged, the release is not offered any more.
    Stops(String),
    /// From now on it may be offered again.
    GoesOn(String),
    /// Neither.
    Other,
}

/// A command under its request id.
#[derive(Clone, Debug)]
pub struct Order {
    pub request_id: String,
    /// A `types.v1.Command`.
    pub command: Vec<u8>,
    pub meaning: Meaning,
    /// Nothing later makes sense without it.
    pub is_vital: bool,
}

/// The orders of one client.
pub struct Script {
    client: u64,
    dice: Dice,
    orders: u64,
    /// Number of the newest release.
    pub release: u64,
    next: Next,
}

enum Next {
    Found,
    Draft,
    Publish,
    Move { left: u64 },
}

impl Script {
    pub fn new(client: u64, dice: Dice) -> Self {
        Self { client, dice, orders: 0, release: 0, next: Next::Found }
    }

    pub fn next(&mut self) -> Order {
        self.orders += 1;
        let (op, meaning) = match self.next {
            Next::Found => {
                self.next = Next::Draft;
                (apply(self.founding()), Meaning::Other)
            }
            Next::Draft => {
                self.next = Next::Publish;
                self.release += 1;
                (apply(self.draft()), Meaning::Other)
            }
            Next::Publish => {
                self.next = Next::Move { left: 2 + self.dice.below(6) };
                let verb = Verb::Publish(types::Publish { supersede: true, insert_unphased: false });
                (self.transition(verb), Meaning::GoesOn(self.current()))
            }
            Next::Move { left } => {
                self.next = if left > 1 { Next::Move { left: left - 1 } } else { Next::Draft };
                self.some_move()
            }
        };
        let command = types::Command { op: Some(op) }.encode_to_vec();
        let request_id = format!("w{}-{}", self.client, self.orders);
        Order { request_id, command, meaning, is_vital: self.orders == 1 }
    }

    fn current(&self) -> String {
        release(self.client, self.release)
    }

    fn transition(&self, verb: Verb) -> types::command::Op {
        let transition = types::Transition { release: self.current(), verb: Some(verb), ..types::Transition::default() };
        types::command::Op::Transition(transition)
    }

    fn some_move(&mut self) -> (types::command::Op, Meaning) {
        let (stops, goes_on) = (Meaning::Stops(self.current()), Meaning::GoesOn(self.current()));
        match self.dice.below(16) {
            0..4 => (self.transition(Verb::Pause(types::Unit {})), stops),
            4..7 => (self.transition(Verb::Resume(types::Resume { acknowledge: true })), goes_on),
            7..9 => (self.transition(Verb::Advance(types::Advance::default())), Meaning::Other),
            9 => (self.transition(Verb::Disable(types::Unit {})), stops),
            10 => (self.transition(Verb::Enable(types::Unit {})), goes_on),
            11 => (self.transition(Verb::Withdraw(types::Withdraw::default())), stops),
            12 => (self.transition(Verb::Complete(types::Unit {})), Meaning::Other),
            // Payloads of very different sizes meet rotation, byte bounds and split packets.
            13 => (apply(self.registered(200)), Meaning::Other),
            _ => (apply(self.registered(1)), Meaning::Other),
        }
    }

    /// Product, cohort and a first release that everybody has.
    fn founding(&self) -> Vec<Spec> {
        let product = types::Product {
            id: PRODUCT.into(),
            version_scheme: types::VersionScheme::Semver.into(),
            allow_unregistered: true,
            ..types::Product::default()
        };
        let cohort = types::Cohort { id: cohort(self.client), product: PRODUCT.into(), ..types::Cohort::default() };
        let mut specs = vec![Spec::Product(product), Spec::Cohort(cohort)];
        specs.extend(self.release_of(0));
        specs
    }

    fn release_of(&self, number: u64) -> [Spec; 2] {
        let (bundle, version) = (format!("b{}-{number}", self.client), Some(format!("1.{number}.0")));
        let notes = "n".repeat(usize::try_from(self.dice.below(2_000)).expect("small"));
        [
            Spec::Bundle(types::Bundle {
                id: bundle.clone(),
                product: PRODUCT.into(),
                version: version.clone(),
                ..types::Bundle::default()
            }),
            Spec::Release(types::ReleaseSpec {
                id: release(self.client, number),
                product: PRODUCT.into(),
                cohort: cohort(self.client),
                bundle,
                version,
                notes,
                adopt: number == 0,
                ..types::ReleaseSpec::default()
            }),
        ]
    }

    /// The next release with stages of its own.
    fn draft(&self) -> Vec<Spec> {
        let stage = |name: &str, share_ppm: u32| {
            let share = types::Percent { share_ppm, basis: types::Basis::Hash.into() };
            let exposure = types::Exposure { kind: Some(types::exposure::Kind::Percent(share)) };
            types::Stage { name: name.into(), exposure: Some(exposure), ..types::Stage::default() }
        };
        let first = u32::try_from(self.dice.below(900_000)).expect("below a million");
        let mut stages = vec![stage("some", first), stage("all", 1_000_000)];
        // As often as not the controller leads the release on.
        let is_steered = self.dice.below(2) == 0;
        if is_steered {
            let bake_ms = 200 + self.dice.below(1_500);
            stages[0].gate = Some(types::Gate { bake_ms, allow_empty: true, ..types::Gate::default() });
        }
        let policy = types::Policy { release: self.current(), stages, auto_complete: is_steered, ..types::Policy::default() };
        self.release_of(self.release).into_iter().chain([Spec::Policy(policy)]).collect()
    }

    fn registered(&self, count: u64) -> Vec<Spec> {
        let device = |number| {
            Spec::Device(types::Device {
                key: device(self.client, number),
                product: PRODUCT.into(),
                cohort: Some(cohort(self.client)),
                security_epoch: self.dice.below(2),
                ..types::Device::default()
            })
        };
        let first = self.dice.below(DEVICES);
        (first..first + count).map(device).collect()
    }
}

fn apply(specs: Vec<Spec>) -> types::command::Op {
    let documents = specs.into_iter().map(|spec| types::Document { expected_version: None, spec: Some(spec) }).collect();
    types::command::Op::Apply(types::Apply { documents })
}
