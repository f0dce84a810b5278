//! The stream's own rules, evaluated naively from the JSON document: nothing of the importer is used here.
//!
//! Nodes are ordered by age. A release with a rollout is offered to everybody from the nearest barrier before it on; a
//! barrier without a rollout likewise; dead ends let nobody go; a throttled release is hidden from whoever stands beyond its
//! throttle. The device takes the newest that it is offered.

use std::collections::BTreeMap;

use serde_json::Value;

/// A version as numbers.
pub type Version = Vec<u64>;

pub fn version(text: &str) -> Version {
    text.split('.').map(|part| part.parse().expect("dotted numbers")).collect()
}

/// One entry.
#[derive(Debug)]
struct Entry {
    is_barrier: bool,
    is_dead_end: bool,
    rollout: Option<Rollout>,
}

#[derive(Debug)]
struct Rollout {
    start_ppm: u128,
    start_ms: i128,
    minutes: Option<u128>,
}

/// A document, evaluated.
#[derive(Debug)]
pub struct Rules {
    entries: BTreeMap<Version, Entry>,
}

/// How the throttle stands: admitted is a position below `part / whole` of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    part: u128,
    whole: u128,
}

impl Throttle {
    const FULL: Self = Self { part: 1, whole: 1 };

    fn admits(self, position: u64) -> bool {
        // position / 2^64 < part / whole
        self.part >= self.whole || u128::from(position) < (self.part << 64) / self.whole
    }
}

impl Rules {
    pub fn of(document: &Value) -> Self {
        let mut entries = BTreeMap::new();
        for release in document["releases"].as_array().expect("a list") {
            let metadata = &release["metadata"];
            let rollout = metadata.get("rollout").map(|rollout| Rollout {
                start_ppm: (rollout["start_percentage"].as_f64().unwrap_or(0.0) * 1e6).round() as u128,
                start_ms: i128::from(rollout["start_epoch"].as_i64().unwrap_or(0)) * 1_000,
                minutes: rollout["duration_minutes"].as_u64().map(u128::from),
            });
            let entry =
                Entry { is_barrier: metadata.get("barrier").is_some(), is_dead_end: metadata.get("deadend").is_some(), rollout };
            entries.insert(version(release["version"].as_str().expect("text")), entry);
        }
        Self { entries }
    }

    /// Hides what is throttled without being the newest offered: the one thing that a cohort cannot say. `full_by` is the
    /// time of the document, by which a ramp may have ended. Returns the versions hidden.
    pub fn hide_older_throttled(&mut self, full_by: i128) -> Vec<Version> {
        let is_offered = |entry: &Entry| !entry.is_dead_end && (entry.rollout.is_some() || entry.is_barrier);
        let newest = self.entries.iter().rfind(|(_, entry)| is_offered(entry)).map(|(version, _)| version.clone());
        let mut hidden = Vec::new();
        for (version, entry) in &mut self.entries {
            let Some(rollout) = &mut entry.rollout else { continue };
            if Some(version) != newest.as_ref() && !rollout.throttle(full_by).admits(u64::MAX) {
                (rollout.start_ppm, rollout.minutes, rollout.start_ms) = (0, None, 0);
                hidden.push(version.clone());
            }
        }
        hidden
    }

    /// Where a device at `own` may go at `now`, newest first, each with its throttle.
    pub fn targets(&self, own: &Version, now_ms: i128) -> Vec<(Version, Throttle)> {
        if self.entries.get(own).is_some_and(|entry| entry.is_dead_end) {
            return Vec::new();
        }
        let mut targets = Vec::new();
        for (version, entry) in self.entries.range(own.clone()..) {
            if version == own {
                continue;
            }
            match &entry.rollout {
                Some(rollout) if !entry.is_dead_end => targets.push((version.clone(), rollout.throttle(now_ms))),
                None if entry.is_barrier => targets.push((version.clone(), Throttle::FULL)),
                _ => {}
            }
            if entry.is_barrier {
                break;
            }
        }
        targets.reverse();
        targets
    }
}

/// The newest target that admits the position.
pub fn choose(targets: &[(Version, Throttle)], position: u64) -> Option<&Version> {
    targets.iter().find(|(_, throttle)| throttle.admits(position)).map(|(version, _)| version)
}

impl Rollout {
    fn throttle(&self, now_ms: i128) -> Throttle {
        const WHOLE: u128 = 1_000_000;
        let Ok(gone) = u128::try_from(now_ms - self.start_ms) else { return Throttle { part: 0, whole: WHOLE } };
        match self.minutes {
            None => Throttle { part: self.start_ppm, whole: WHOLE },
            Some(minutes) if gone >= minutes * 60_000 => Throttle::FULL,
            Some(minutes) => {
                let length = minutes * 60_000;
                Throttle { part: self.start_ppm * length + (WHOLE - self.start_ppm) * gone, whole: WHOLE * length }
            }
        }
    }
}
