//! Codes of failures: which were told of a release, when first, and by whom in which stage.
//!
//! A problem is new if its code was told of this release before it was told of any other one of the product. It stays new
//! when another release shows it later, so that the answer does not depend on when somebody asks.

use imbl::{OrdMap, OrdSet};
use tidegate_model::{DeviceKey, ProductId, ReleaseId};

use crate::health::Health;
use crate::health::trial::{Baseline, Moment};
use crate::limits;

/// What was told of one code of one release.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    /// How often.
    pub(crate) count: u64,
    /// When it was taken in for the first time, whether or not a stage was open.
    first: Moment,
    /// Who told it while a stage was open, by stage.
    reporters: OrdMap<u32, OrdSet<DeviceKey>>,
}

impl Reports {
    /// A code that is told for the first time now, and is not counted yet.
    pub(super) fn new(first: Moment) -> Self {
        Self { count: 0, first, reporters: OrdMap::new() }
    }

    /// A device tells it while `stage` is open.
    pub(super) fn take_in(&mut self, device: &DeviceKey, stage: Option<u32>) {
        self.count += 1;
        let Some(stage) = stage else { return };
        let reporters = self.reporters.entry(stage).or_default();
        if reporters.len() < limits::REPORTERS_MAX {
            reporters.insert(device.clone());
        }
    }

    /// Devices that told it while this stage was open: nobody exactly if it was not told then.
    pub(crate) fn reporters_in(&self, stage: u32) -> impl Iterator<Item = &DeviceKey> {
        self.reporters.get(&stage).into_iter().flatten()
    }

    /// True if the acknowledgement of a failed gate made it a false positive.
    pub(crate) fn is_acknowledged(&self, baseline: Option<Baseline>) -> bool {
        baseline.is_some_and(|baseline| baseline.covers(self.first))
    }
}

impl Health {
    /// New problems of a release, in the order of their codes.
    pub(crate) fn new_codes<'a>(&'a self, release: &'a ReleaseId) -> impl Iterator<Item = (&'a str, &'a Reports)> {
        let codes = self.trials(release).into_iter().flat_map(|own| own.codes.iter().map(move |(code, told)| (own, code, told)));
        let is_new = move |product: &ProductId, code: &String, told: &Reports| {
            let others = self.trials.iter().filter(|(other, trials)| *other != release && trials.product == *product);
            let earlier = |reports: &Reports| reports.first.arrival < told.first.arrival;
            !others.filter_map(|(_, trials)| trials.codes.get(code)).any(earlier)
        };
        codes.filter(move |(own, code, told)| is_new(&own.product, code, told)).map(|(_, code, told)| (code.as_str(), told))
    }
}
