//! The update rules of Fedora CoreOS, written from their description alone, as the judge of the import.
//!
//! Releases are ordered by age. Let P(x) be the nearest barrier strictly before x, or the oldest release. A release with
//! a rollout can be reached from everything in [P(x), x); a barrier without one from everything in [P(x), x); nothing
//! leaves a dead end; of what can be reached, a throttled release is hidden from a device whose wariness is above the
//! throttle; the device takes the newest that is left.

use serde::Deserialize;

/// One update document.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    /// Its releases.
    pub releases: Vec<Entry>,
}

/// One release of a document.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// Dotted version.
    pub version: String,
    /// What is said about it.
    pub metadata: Metadata,
}

/// What a document says about a release.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Metadata {
    /// Must be passed through.
    pub barrier: Option<Reason>,
    /// Nobody leaves it.
    pub deadend: Option<Reason>,
    /// Let out over time.
    pub rollout: Option<Rollout>,
}

/// For humans.
#[derive(Clone, Debug, Deserialize)]
pub struct Reason {
    /// Text.
    #[serde(rename = "reason")]
    pub _reason: String,
}

/// A throttle.
#[derive(Clone, Debug, Deserialize)]
pub struct Rollout {
    /// Unix seconds; absent: always has been.
    pub start_epoch: Option<i64>,
    /// A fraction, in spite of its name.
    pub start_percentage: f64,
    /// Until everybody; absent: stays at the start value.
    pub duration_minutes: Option<u64>,
}

/// Versions in the order of their age.
pub fn age(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().expect("stream versions are dotted numbers")).collect()
}

impl Rollout {
    /// Share of devices that see the release at `now` (Unix milliseconds). Elapsed time counts in whole minutes, which is
    /// the documented grain of linear ramps.
    pub fn throttle(&self, now_ms: i64) -> f64 {
        let since_ms = now_ms - self.start_epoch.unwrap_or(0) * 1_000;
        if since_ms < 0 {
            return 0.0;
        }
        let Some(minutes) = self.duration_minutes else { return self.start_percentage };
        let minutes = minutes.max(1) as f64;
        let elapsed = (since_ms / 60_000) as f64;
        if elapsed >= minutes { 1.0 } else { self.start_percentage + (1.0 - self.start_percentage) * elapsed / minutes }
    }

    /// True if it is never below everybody.
    pub fn is_full(&self) -> bool {
        self.start_epoch.is_none() && self.start_percentage >= 1.0
    }
}

/// The graph of one document over all versions known so far.
pub struct Graph<'d> {
    /// Known versions, oldest first, with what the document says.
    nodes: Vec<(&'d str, Option<&'d Metadata>)>,
}

/// One release that can be reached, with its throttle.
pub struct Target<'d> {
    /// Version.
    pub version: &'d str,
    /// Absent: not throttled.
    pub rollout: Option<&'d Rollout>,
}

impl<'d> Graph<'d> {
    /// The graph of `document` over the `known` versions.
    pub fn new(document: &'d Document, known: &'d [String]) -> Self {
        let nodes = known
            .iter()
            .map(|version| (version.as_str(), document.releases.iter().find(|e| e.version == *version).map(|e| &e.metadata)))
            .collect();
        Self { nodes }
    }

    fn is_barrier(&self, index: usize) -> bool {
        self.nodes[index].1.is_some_and(|metadata| metadata.barrier.is_some())
    }

    /// The nearest barrier strictly before `index`, or the oldest node.
    fn gate_before(&self, index: usize) -> usize {
        (0..index).rev().find(|i| self.is_barrier(*i)).unwrap_or(0)
    }

    /// What can be reached from the node at `from`, newest first.
    pub fn targets(&self, from: usize) -> Vec<Target<'d>> {
        if self.nodes[from].1.is_some_and(|metadata| metadata.deadend.is_some()) {
            return Vec::new();
        }
        (from + 1..self.nodes.len())
            .rev()
            .filter(|index| from >= self.gate_before(*index))
            .filter_map(|index| {
                let (version, metadata) = self.nodes[index];
                let metadata = metadata?;
                match &metadata.rollout {
                    Some(rollout) => Some(Target { version, rollout: Some(rollout) }),
                    None if metadata.barrier.is_some() => Some(Target { version, rollout: None }),
                    None => None,
                }
            })
            .collect()
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Version of the node at `index`.
    pub fn version(&self, index: usize) -> &'d str {
        self.nodes[index].0
    }
}

/// The version that a device takes: the newest target whose throttle is not below its wariness.
pub fn choose<'d>(targets: &[Target<'d>], now_ms: i64, wariness: impl Fn(&str) -> f64) -> Option<&'d str> {
    targets
        .iter()
        .find(|target| target.rollout.is_none_or(|rollout| wariness(target.version) <= rollout.throttle(now_ms)))
        .map(|target| target.version)
}

#[test]
fn the_rules_of_barriers_dead_ends_and_throttles() {
    let text = r#"{"stream":"s","releases":[
        {"version":"2","metadata":{"barrier":{"reason":"b"}}},
        {"version":"3","metadata":{"deadend":{"reason":"d"}}},
        {"version":"4","metadata":{"rollout":{"start_percentage":1.0}}},
        {"version":"5","metadata":{"rollout":{"start_epoch":0,"start_percentage":0.0,"duration_minutes":10}}}]}"#;
    let document: Document = serde_json::from_str(text).expect("a document");
    let known: Vec<String> = ["1", "2", "3", "4", "5"].map(str::to_owned).to_vec();
    let graph = Graph::new(&document, &known);
    let hears = |from: usize, wariness: f64| choose(&graph.targets(from), 5 * 60_000, |_| wariness);
    assert_eq!(hears(0, 0.1), Some("2"), "a barrier is passed through");
    assert_eq!(hears(1, 0.1), Some("5"));
    assert_eq!(hears(1, 0.6), Some("4"), "too wary for the newest at half time");
    assert_eq!(hears(2, 0.1), None, "nothing leaves a dead end");
    assert_eq!(hears(3, 0.6), None);
    assert_eq!(graph.len(), 5);
    assert_eq!(graph.version(4), "5");
}
