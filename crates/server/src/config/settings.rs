//! The table of everything that can be set on a node. File keys, environment variables and flags derive from it, so that
//! no setting can be reached in one way only.

/// What a setting's text has to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A path.
    Path,
    /// `ADDRESS:PORT` to bind.
    SocketAddress,
    /// `HOST:PORT` to connect to.
    HostPort,
    /// A whole number.
    Number,
    /// A length of time, such as `200ms`, `5s` or `1m30s`.
    Duration,
    /// `true` or `false`.
    Switch,
    /// A list of `HOST:PORT`; a comma-separated text outside of the file.
    HostPorts,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Dotted key in the file. Flag and environment variable derive from it.
    pub key: &'static str,
    /// What its text has to look like.
    pub kind: Kind,
    /// What applies when nobody sets it, as text; absent: see `help`, or it has to be set.
    pub default: Option<&'static str>,
    /// One line for humans.
    pub help: &'static str,
}

impl Setting {
    /// The environment variable: `TIDEGATE_` and the key in capitals with underscores.
    #[must_use]
    pub fn env(&self) -> String {
        format!("TIDEGATE_{}", self.key.to_uppercase().replace('.', "_"))
    }

    /// The flag, without its two dashes: the key with dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// The setting of this file key.
    #[must_use]
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

const fn setting(key: &'static str, kind: Kind, default: Option<&'static str>, help: &'static str) -> Setting {
    Setting { key, kind, default, help }
}

/// Everything that can be set on a node, in the order in which `config print` shows it.
pub const SETTINGS: &[Setting] = &[
    setting("node.id", Kind::Number, None, "id of this node, never reused within its cluster; has to be set"),
    setting("node.data_dir", Kind::Path, None, "folder of everything that this node keeps; has to be set"),
    setting("cluster.name", Kind::Text, Some("tidegate"), "name of the cluster; the same on all of its nodes"),
    setting("cluster.epoch", Kind::Number, Some("1"), "epoch of the cluster, raised by restore and by quorum-loss recovery"),
    setting(
        "cluster.bootstrap",
        Kind::HostPorts,
        None,
        "peer addresses of the first voters; the node named first starts the cluster, once; absent: wait for `cluster init` or `join`",
    ),
    setting("listen.device", Kind::SocketAddress, None, "where devices are served; default 127.0.0.1:7400 + node id"),
    setting("listen.admin", Kind::SocketAddress, None, "where operators and edges are served; default 127.0.0.1:7500 + node id"),
    setting("listen.peer", Kind::SocketAddress, None, "where other nodes are served; default 127.0.0.1:7600 + node id"),
    setting("advertise.device", Kind::HostPort, None, "how devices reach this node; default: where it listens"),
    setting("advertise.admin", Kind::HostPort, None, "how operators reach this node; default: where it listens"),
    setting("advertise.peer", Kind::HostPort, None, "how other nodes reach this node; default: where it listens"),
    setting("tls.device.cert", Kind::Path, None, "PEM certificate chain of the device listener"),
    setting("tls.device.key", Kind::Path, None, "PEM private key of the device listener"),
    setting("tls.admin.cert", Kind::Path, None, "PEM certificate chain of the admin listener"),
    setting("tls.admin.key", Kind::Path, None, "PEM private key of the admin listener"),
    setting("tls.admin.client_ca", Kind::Path, None, "PEM authorities of client certificates on the admin listener"),
    setting("tls.admin.client_required", Kind::Switch, Some("false"), "refuse admin clients without a certificate"),
    setting("tls.peer.cert", Kind::Path, None, "PEM certificate chain of this node among its peers, as server and as client"),
    setting("tls.peer.key", Kind::Path, None, "PEM private key of this node among its peers"),
    setting("tls.peer.ca", Kind::Path, None, "PEM authorities of the other nodes' certificates; peers have to show one"),
    setting("insecure", Kind::Switch, Some("false"), "allow listeners without TLS on addresses other than loopback"),
    setting("freshness.max_staleness", Kind::Duration, Some("5s"), "oldest snapshot that a check may be answered from"),
    setting("freshness.probe", Kind::Duration, Some("200ms"), "interval of the freshness probe"),
    setting("raft.heartbeat", Kind::Duration, Some("100ms"), "interval of the leader's heartbeats"),
    setting("raft.election_min", Kind::Duration, Some("500ms"), "shortest silence before a follower campaigns"),
    setting("raft.election_max", Kind::Duration, Some("1s"), "longest silence before a follower campaigns"),
    setting("raft.quorum_loss_probe", Kind::Duration, Some("2500ms"), "silence of a leader that lost its majority"),
    setting("storage.snapshot_entries", Kind::Number, Some("50000"), "log entries after which a snapshot is written"),
    setting("storage.log_entries_kept", Kind::Number, Some("20000"), "log entries kept behind a snapshot"),
    setting("storage.segment_bytes", Kind::Number, Some("16777216"), "bytes of one log segment"),
    setting("limits.device_in_flight", Kind::Number, Some("4096"), "checks that wait at once; more are shed"),
    setting("limits.device_connections", Kind::Number, Some("8192"), "device connections at once; more wait to be accepted"),
    setting("limits.admin_in_flight", Kind::Number, Some("1024"), "admin calls worked on at once; more are refused"),
    setting("limits.admin_connections", Kind::Number, Some("4096"), "admin connections at once; more wait to be accepted"),
    setting("limits.write_timeout", Kind::Duration, Some("10s"), "longest wait for a write before its outcome is unknown"),
    setting("limits.read_timeout", Kind::Duration, Some("5s"), "longest wait for a linearizable read"),
    setting("limits.drain", Kind::Duration, Some("10s"), "longest wait for running calls at shutdown"),
    setting(
        "log.level",
        Kind::Text,
        Some("info,openraft=warn,openraft::core::heartbeat=error"),
        "what is logged, such as `info` or `info,tidegate_server=debug`",
    ),
    setting("log.format", Kind::Word(&["text", "json"]), Some("text"), "form of a log line"),
];
