//! Counts what devices are offered before and after a change.

use std::collections::BTreeMap;

use tidegate_client::eligibility::{Mode, Request, Snapshot, decide};
use tidegate_manifest::check::{CheckRequest, Mode as Asking};
use tidegate_model::Timestamp;

/// What tells one answer from another here: the release (or, for an override, the bundle) that is named, and the reason.
pub type Answer = (Option<String>, &'static str);

/// Counts of one comparison.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Devices that asked.
    pub devices: u64,
    /// Devices for each pair of answers before and after.
    pub moves: BTreeMap<(Answer, Answer), u64>,
}

impl Tally {
    /// Asks for one device in both snapshots at `now`.
    pub fn ask(&mut self, before: &Snapshot, after: &Snapshot, device: &CheckRequest, now: Timestamp) {
        let attributes: Vec<(&str, &str)> =
            device.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let tags: Vec<&str> = device.tags.iter().map(String::as_str).collect();
        let request = Request {
            product: &device.product,
            device: device.device.as_deref(),
            release: device.release.as_deref(),
            bundle: device.bundle.as_deref(),
            version: device.version.as_deref(),
            attributes: &attributes,
            tags: &tags,
            mode: match device.mode {
                Asking::Background => Mode::Background,
                Asking::Interactive => Mode::Interactive,
            },
            security_epoch: device.security_epoch,
            min_config_version: None,
            group: device.group,
            pending: None,
        };
        self.devices += 1;
        *self.moves.entry((answer(before, &request, now), answer(after, &request, now))).or_default() += 1;
    }

    /// For each answer, how many devices hear it before and after; what is offered comes first.
    pub fn rows(&self) -> Vec<(&Answer, u64, u64)> {
        let mut rows: BTreeMap<&Answer, (u64, u64)> = BTreeMap::new();
        for ((before, after), count) in &self.moves {
            rows.entry(before).or_default().0 += count;
            rows.entry(after).or_default().1 += count;
        }
        let mut rows: Vec<_> = rows.into_iter().map(|(answer, (before, after))| (answer, before, after)).collect();
        rows.sort_by_key(|(answer, ..)| answer.0.is_none());
        rows
    }

    /// Devices that are offered something else afterwards.
    pub fn changed(&self) -> u64 {
        self.moves.iter().filter(|((before, after), _)| before.0 != after.0).map(|(_, count)| count).sum()
    }
}

fn answer(snapshot: &Snapshot, request: &Request<'_>, now: Timestamp) -> Answer {
    let decision = decide(snapshot, request, now);
    let target = decision.target.filter(|_| decision.is_offer());
    let named = target.map(|target| target.release.map_or_else(|| target.bundle.id.to_string(), ToString::to_string));
    (named, decision.reason.as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up_on_both_sides() {
        let offer = |id: &str| (Some(id.to_owned()), "OFFER_LATEST");
        let none = (None, "UP_TO_DATE");
        let tally = Tally {
            devices: 10,
            moves: BTreeMap::from([
                ((none.clone(), offer("r1")), 7),
                ((none.clone(), none.clone()), 2),
                ((offer("r0"), offer("r1")), 1),
            ]),
        };
        let (r0, r1) = (offer("r0"), offer("r1"));
        assert_eq!(tally.rows(), [(&r0, 1, 0), (&r1, 0, 8), (&none, 9, 2)]);
        assert_eq!(tally.changed(), 8);
    }

    #[test]
    fn a_snapshot_compared_with_itself_changes_nobody() {
        let mut tally = Tally::default();
        let device = CheckRequest { product: "os".to_owned(), ..CheckRequest::default() };
        tally.ask(&Snapshot::empty(), &Snapshot::empty(), &device, Timestamp::from_secs(0));
        assert_eq!((tally.devices, tally.changed()), (1, 0));
        assert_eq!(tally.rows(), [(&(None, "UNKNOWN_PRODUCT"), 1, 1)]);
    }
}
