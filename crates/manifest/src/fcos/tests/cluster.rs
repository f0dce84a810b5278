//! One state machine with its snapshot: what a cluster does, without the cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidegate_eligibility::{Request, Snapshot, Stamp, compile, decide};
use tidegate_machine::{Genesis, State, apply};
use tidegate_model::{CohortId, Command, Entry, Object, Principal, ProductId, RequestId, RolloutState, Salt, Seed, Timestamp};

use super::super::{Known, Plan, import};
use super::rules::{Rules, Version, choose, version};

pub struct Cluster {
    pub state: State,
    snapshot: Snapshot,
    product: ProductId,
    cohort: CohortId,
    /// All versions that the stream has ever named.
    pub seen: BTreeSet<String>,
}

/// How a device tells what it runs.
#[derive(Clone, Copy, Debug)]
pub enum Tells {
    Version,
    Bundle,
    Release,
    All,
}

impl Tells {
    pub const ALL: [Self; 4] = [Self::Version, Self::Bundle, Self::Release, Self::All];
}

impl Cluster {
    pub fn new() -> Self {
        Self {
            state: State::new(Genesis { version_base: 0, epoch: 1, bare_signatures: false }),
            snapshot: Snapshot::empty(),
            product: ProductId::new("fcos").expect("an id"),
            cohort: CohortId::new("stable").expect("an id"),
            seen: BTreeSet::new(),
        }
    }

    /// Imports go into this cohort from now on.
    pub fn turn_to(&mut self, product: &str, cohort: &str) {
        self.product = ProductId::new(product).expect("an id");
        self.cohort = CohortId::new(cohort).expect("an id");
    }

    pub fn plan(&self, document: &Value) -> Result<Plan, String> {
        let objects: Vec<Object> = self.state.catalog().objects().collect();
        let known = Known::from_objects(&objects, &self.product, &self.cohort);
        import("stream.json", &document.to_string(), &self.product, &self.cohort, &known)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    pub fn run(&mut self, command: Command, at: Timestamp) -> Result<(), String> {
        let index = self.state.applied_index() + 1;
        let entry = Entry {
            proposed_at: at,
            principal: Principal::new("ops").expect("a name"),
            auth_epoch: 0,
            request_id: RequestId::new(&format!("import-{index}")).expect("an id"),
            seed: Seed([u8::try_from(index % 251).expect("below 251"); 32]),
            command,
        };
        let applied = apply(&mut self.state, index, &entry);
        applied.result.map_err(|rejection| rejection.to_string())?;
        let stamp = Stamp { config_version: self.state.config_version(), epoch: 1, applied_index: index };
        self.snapshot = compile(&self.snapshot, self.state.catalog(), &applied.changes, stamp);
        Ok(())
    }

    /// Imports a document, and again: the second time nothing is left to do.
    pub fn import(&mut self, document: &Value, at: Timestamp) -> Result<Plan, String> {
        let plan = self.plan(document)?;
        for release in document["releases"].as_array().expect("a list") {
            self.seen.insert(release["version"].as_str().expect("text").to_owned());
        }
        if !plan.commands.is_empty() {
            self.run(Command::Batch(plan.commands.clone()), at)
                .map_err(|rejection| format!("{rejection}\n{:#?}", plan.commands))?;
        }
        let again = self.plan(document)?;
        if !again.commands.is_empty() {
            return Err(format!("the second import of the same document still does: {:#?}", again.commands));
        }
        Ok(plan)
    }

    pub fn salts(&self) -> BTreeMap<String, Salt> {
        let releases = self.state.catalog().releases().values();
        releases.filter_map(|release| Some((release.body.id.to_string(), release.body.rollout.salt?))).collect()
    }

    /// The salt under which a throttled version is let out.
    fn ramp_salt(&self) -> Salt {
        let releases = self.state.catalog().releases().values();
        let mut ramped = releases.filter(|release| release.body.linked && release.body.next.is_none());
        ramped
            .find_map(|release| release.body.rollout.salt.filter(|_| release.body.rollout.state == RolloutState::Active))
            .unwrap_or(Salt([0; 16]))
    }

    /// Asks for every version seen, for each device and each way of telling, and counts comparisons.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(&self, rules: &Rules, now: Timestamp, devices: &[String]) -> Result<usize, String> {
        let salt = self.ramp_salt();
        let mut compared = 0;
        for own in &self.seen {
            let targets = rules.targets(&version(own), i128::from(now.as_millis()));
            let (first, bundle) = self.release_of(own);
            for device in devices {
                let expected = choose(&targets, salt.position(device).0);
                for tells in Tells::ALL {
                    let (has_version, has_bundle, has_release) = match tells {
                        Tells::Version => (true, false, false),
                        Tells::Bundle => (false, true, false),
                        Tells::Release => (false, false, true),
                        Tells::All => (true, true, true),
                    };
                    let request = Request {
                        product: "fcos",
                        device: Some(device),
                        version: has_version.then_some(own.as_str()),
                        bundle: bundle.as_deref().filter(|_| has_bundle),
                        release: first.as_deref().filter(|_| has_release),
                        ..Request::default()
                    };
                    // A version that has no release yet (it was never offered) can only be told as such.
                    if first.is_none() && !has_version {
                        continue;
                    }
                    let decision = decide(&self.snapshot, &request, now);
                    let got: Option<Version> = match (decision.is_offer(), &decision.target) {
                        (true, Some(target)) => target.version.map(|text| version(text.as_str())),
                        _ => None,
                    };
                    if got.as_ref() != expected {
                        return Err(format!(
                            "a device on {own} that tells {tells:?}, {device} at {} ms: expected {expected:?}, got {got:?} ({})",
                            now.as_millis(),
                            decision.reason.as_str()
                        ));
                    }
                    compared += 1;
                }
            }
        }
        Ok(compared)
    }

    /// The earliest release of a version, and its bundle.
    fn release_of(&self, own: &str) -> (Option<String>, Option<String>) {
        let releases = self.state.catalog().releases().values();
        let of_version = releases.filter(|release| release.body.version.as_ref().is_some_and(|text| text.as_str() == own));
        let first = of_version.min_by_key(|release| release.created);
        first.map(|release| (release.body.id.to_string(), release.body.bundle.to_string())).unzip()
    }
}
