//! What a deployment chooses for its node, and the rules between the choices, checked before anything starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One node's settings. There is no default: identity, addresses and folder are a deployment's choice; use
/// [`Timing::production`] and [`Retention::production`] for the rest.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Identity of the cluster; calls of any other one are refused.
    pub cluster_id: u128,
    /// Epoch of the cluster, raised by restore and by quorum-loss recovery; calls of any other one are refused.
    pub epoch: u64,
    /// Consensus group; there is one today, and its number is in every file and call.
    pub group: u32,
    /// This node's id, never reused within the cluster.
    pub node: u64,
    /// Folder of the log and the snapshots; made if missing.
    pub data_dir: PathBuf,
    /// Where the peer listener binds.
    pub listen: SocketAddr,
    /// `host:port` under which the others reach the peer listener.
    pub peer_addr: String,
    /// `host:port` of this node's admin listener, recorded for the others.
    pub admin_addr: String,
    /// `host:port` of this node's device listener, recorded for the others.
    pub device_addr: String,
    /// Newest command kind that this build understands, told to the others in probes.
    pub supported_version: u32,
    /// Oldest snapshot that an update check may be answered from.
    pub max_staleness: Duration,
    /// Heartbeats, elections, probes.
    pub timing: Timing,
    /// Snapshots and the log behind them.
    pub retention: Retention,
}

/// Intervals of elections and probes; the same on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Interval of the leader's heartbeats.
    pub heartbeat: Duration,
    /// Shortest silence before a follower campaigns.
    pub election_min: Duration,
    /// Longest silence before a follower campaigns, and the leader's lease.
    pub election_max: Duration,
    /// How long a leader without a majority stays silent before it tries again.
    pub quorum_loss_probe: Duration,
    /// Interval of the freshness probe.
    pub probe: Duration,
}

impl Timing {
    /// What production runs with: heartbeat 100 ms, election 500 to 1,000 ms, probe 200 ms.
    #[must_use]
    pub const fn production() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            election_min: Duration::from_millis(500),
            election_max: Duration::from_millis(1_000),
            quorum_loss_probe: Duration::from_millis(2_500),
            probe: Duration::from_millis(200),
        }
    }
}

/// When snapshots are built and how much log stays behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Entries after which a new snapshot is built.
    pub snapshot_entries: u64,
    /// Entries kept in the log although a snapshot covers them, so that a node that was away briefly needs no snapshot.
    pub log_entries_kept: u64,
    /// Bytes of one log segment.
    pub segment_bytes: u64,
}

impl Retention {
    /// What production runs with: a snapshot every 50,000 entries, 20,000 entries kept, segments of 16 MiB.
    #[must_use]
    pub const fn production() -> Self {
        Self { snapshot_entries: 50_000, log_entries_kept: 20_000, segment_bytes: 16 * 1024 * 1024 }
    }
}

/// A rule between settings is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Node ids begin at 1.
    #[error("node id 0 must be >= 1")]
    NodeZero,
    /// Epochs begin at 1.
    #[error("epoch 0 must be >= 1")]
    EpochZero,
    /// Heartbeats have to be well below the election timeout.
    #[error("heartbeat {heartbeat:?} must be < half of election_min {election_min:?}")]
    HeartbeatTooLong {
        /// Heartbeat interval.
        heartbeat: Duration,
        /// Shortest election timeout.
        election_min: Duration,
    },
    /// The election range is empty.
    #[error("election_min {election_min:?} must be < election_max {election_max:?}")]
    ElectionRange {
        /// Shortest election timeout.
        election_min: Duration,
        /// Longest election timeout.
        election_max: Duration,
    },
    /// A leader without a majority has to stay silent long enough for the others to elect.
    #[error("quorum_loss_probe {probe:?} must be >= 2 x election_max {election_max:?}")]
    QuorumLossProbe {
        /// The setting.
        probe: Duration,
        /// Longest election timeout.
        election_max: Duration,
    },
    /// A change of leader alone must not make nodes stale.
    #[error("max_staleness {max_staleness:?} must be > 4 x election_max {election_max:?}")]
    StalenessTooShort {
        /// The setting.
        max_staleness: Duration,
        /// Longest election timeout.
        election_max: Duration,
    },
    /// Probes have to come often enough for the bound.
    #[error("probe interval {probe:?} must be between 20 ms and a quarter of max_staleness {max_staleness:?}")]
    ProbeInterval {
        /// The setting.
        probe: Duration,
        /// The staleness bound.
        max_staleness: Duration,
    },
    /// Snapshots need an interval.
    #[error("snapshot_entries 0 must be >= 1")]
    NoSnapshots,
}

impl Settings {
    /// Checks the rules between settings.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let t = &self.timing;
        if self.node == 0 {
            return Err(SettingsError::NodeZero);
        }
        if self.epoch == 0 {
            return Err(SettingsError::EpochZero);
        }
        if t.election_min >= t.election_max {
            return Err(SettingsError::ElectionRange { election_min: t.election_min, election_max: t.election_max });
        }
        if t.heartbeat.is_zero() || t.heartbeat * 2 >= t.election_min {
            return Err(SettingsError::HeartbeatTooLong { heartbeat: t.heartbeat, election_min: t.election_min });
        }
        if t.quorum_loss_probe < t.election_max * 2 {
            return Err(SettingsError::QuorumLossProbe { probe: t.quorum_loss_probe, election_max: t.election_max });
        }
        if self.max_staleness <= t.election_max * 4 {
            return Err(SettingsError::StalenessTooShort { max_staleness: self.max_staleness, election_max: t.election_max });
        }
        if t.probe < Duration::from_millis(20) || t.probe > self.max_staleness / 4 {
            return Err(SettingsError::ProbeInterval { probe: t.probe, max_staleness: self.max_staleness });
        }
        if self.retention.snapshot_entries == 0 {
            return Err(SettingsError::NoSnapshots);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            cluster_id: 1,
            epoch: 1,
            group: 0,
            node: 1,
            data_dir: PathBuf::from("data"),
            listen: "127.0.0.1:0".parse().unwrap(),
            peer_addr: "127.0.0.1:1".to_owned(),
            admin_addr: String::new(),
            device_addr: String::new(),
            supported_version: 1,
            max_staleness: Duration::from_secs(5),
            timing: Timing::production(),
            retention: Retention::production(),
        }
    }

    fn check(change: impl FnOnce(&mut Settings), message: &str) {
        let mut changed = settings();
        change(&mut changed);
        assert_eq!(changed.validate().unwrap_err().to_string(), message);
    }

    #[test]
    fn production_settings_hold_every_rule() {
        settings().validate().unwrap();
    }

    #[test]
    fn each_broken_rule_names_both_sides() {
        check(|s| s.node = 0, "node id 0 must be >= 1");
        check(|s| s.epoch = 0, "epoch 0 must be >= 1");
        check(|s| s.timing.election_min = s.timing.election_max, "election_min 1s must be < election_max 1s");
        check(|s| s.timing.heartbeat = Duration::from_millis(250), "heartbeat 250ms must be < half of election_min 500ms");
        check(
            |s| s.timing.quorum_loss_probe = Duration::from_millis(1_999),
            "quorum_loss_probe 1.999s must be >= 2 x election_max 1s",
        );
        check(|s| s.max_staleness = Duration::from_secs(4), "max_staleness 4s must be > 4 x election_max 1s");
        check(
            |s| s.timing.probe = Duration::from_millis(10),
            "probe interval 10ms must be between 20 ms and a quarter of max_staleness 5s",
        );
        check(|s| s.retention.snapshot_entries = 0, "snapshot_entries 0 must be >= 1");
    }
}
