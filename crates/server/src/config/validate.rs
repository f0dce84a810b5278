//! From merged texts to a [`Config`] that holds every rule; all broken rules are reported together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tidegate_consensus::{Retention, SettingsError, Timing};
use tidegate_model::Digest;

use super::Problem;
use super::fragment::{Fragment, Raw};
use super::settings::Setting;
use super::value;

/// A node's settings, all rules checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Id of this node.
    pub node: u64,
    /// Folder of everything that it keeps.
    pub data_dir: PathBuf,
    /// Name of the cluster.
    pub cluster_name: String,
    /// Identity of the cluster, derived from its name.
    pub cluster_id: u128,
    /// Epoch of the cluster.
    pub epoch: u64,
    /// Peer addresses of the first voters; empty: wait to be initialised or joined.
    pub bootstrap: Vec<String>,
    /// Where it listens.
    pub listen: Listen,
    /// How others reach it, where that differs from where it listens.
    pub advertise: Advertised,
    /// Certificates per listener.
    pub tls: Tls,
    /// Whether listeners without TLS may stand on other addresses than loopback.
    pub insecure: bool,
    /// Oldest snapshot that a check may be answered from.
    pub max_staleness: Duration,
    /// Intervals of elections and probes.
    pub timing: Timing,
    /// Snapshots and log.
    pub retention: Retention,
    /// Bounds of this process.
    pub limits: Limits,
    /// What is logged, in the syntax of `tracing`'s filter.
    pub log_level: String,
    /// Form of a log line.
    pub log_format: LogFormat,
}

/// Addresses to bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Devices.
    pub device: SocketAddr,
    /// Operators and edges.
    pub admin: SocketAddr,
    /// Other nodes.
    pub peer: SocketAddr,
}

/// Addresses told to others; absent: the bound address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertised {
    /// Devices.
    pub device: Option<String>,
    /// Operators and edges.
    pub admin: Option<String>,
    /// Other nodes.
    pub peer: Option<String>,
}

/// Certificates per listener; absent: plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Devices.
    pub device: Option<TlsFiles>,
    /// Operators and edges.
    pub admin: Option<TlsFiles>,
    /// Other nodes.
    pub peer: Option<TlsFiles>,
}

/// PEM files of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Authorities of the other side's certificates.
    pub ca: Option<PathBuf>,
    /// Whether the other side has to show a certificate.
    pub is_client_required: bool,
}

/// Bounds of one process; see `limits.rs` for those that cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Checks that wait at once.
    pub device_in_flight: usize,
    /// Device connections at once.
    pub device_connections: usize,
    /// Admin calls worked on at once.
    pub admin_in_flight: usize,
    /// Admin connections at once.
    pub admin_connections: usize,
    /// Longest wait for a write.
    pub write_timeout: Duration,
    /// Longest wait for a linearizable read.
    pub read_timeout: Duration,
    /// Longest wait for running calls at shutdown.
    pub drain: Duration,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For humans.
    Text,
    /// One JSON object per line.
    Json,
}

/// All broken rules of a configuration, at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// The broken rules.
    pub problems: Vec<Problem>,
}

/// Highest node id for which ports follow from the id.
const DEFAULT_PORT_NODE_MAX: u64 = 99;

struct Validator<'a> {
    merged: &'a Fragment,
    problems: Vec<Problem>,
}

impl Config {
    /// Merges defaults and `fragments` (later ones win) and checks every rule. Returns the merged fragment as well, for
    /// printing.
    ///
    /// # Errors
    /// All broken rules.
    pub fn load(fragments: impl IntoIterator<Item = Fragment>) -> Result<(Self, Fragment), ConfigError> {
        let merged = fragments.into_iter().fold(Fragment::defaults(), Fragment::merge);
        let mut validator = Validator { merged: &merged, problems: Vec::new() };
        let config = validator.config();
        let problems = validator.problems;
        match config {
            Some(config) if problems.is_empty() => Ok((config, merged)),
            _ => Err(ConfigError { problems }),
        }
    }
}

impl Validator<'_> {
    fn problem(&mut self, key: &str, rule: impl Into<String>) {
        let sourced = self.merged.get(key);
        let problem = Problem {
            origin: sourced.map(|s| s.origin.clone()),
            setting: key.to_owned(),
            value: sourced.map(|s| s.raw.to_string()),
            rule: rule.into(),
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The parsed value, if it is set and sound; a broken one is noted.
    fn get<T>(&mut self, key: &str, parse: impl FnOnce(&Raw) -> Result<T, String>) -> Option<T> {
        debug_assert!(Setting::find(key).is_some(), "{key} is not in the table");
        match parse(&self.merged.get(key)?.raw) {
            Ok(value) => Some(value),
            Err(rule) => {
                self.problem(key, rule);
                None
            }
        }
    }

    /// The same for a setting that has to be there.
    fn must<T>(&mut self, key: &str, parse: impl FnOnce(&Raw) -> Result<T, String>) -> Option<T> {
        if self.merged.get(key).is_none() {
            self.problem(key, "has to be set");
        }
        self.get(key, parse)
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.get(key, value::text).map(PathBuf::from)
    }

    fn bound(&mut self, key: &str, max: u64) -> Option<usize> {
        self.must(key, |raw| value::number(raw, 1, max)).map(|n| usize::try_from(n).expect("bounds fit usize"))
    }

    fn config(&mut self) -> Option<Config> {
        let node = self.must("node.id", |raw| value::number(raw, 1, u64::MAX));
        let data_dir = self.must("node.data_dir", value::text).map(PathBuf::from);
        let cluster_name = self.must("cluster.name", value::text);
        let epoch = self.must("cluster.epoch", |raw| value::number(raw, 1, u64::from(u32::MAX)));
        let insecure = self.must("insecure", value::switch);
        let tls = self.tls();
        let listen = self.listen(node);
        let limits = self.limits();
        let timing = self.timing();
        let retention = self.retention();
        let max_staleness = self.must("freshness.max_staleness", value::duration);
        let log_level = self.must("log.level", log_level);
        let log_format = self.must("log.format", |raw| value::word(raw, &["text", "json"]));
        let advertise = self.advertise(listen);
        let bootstrap = self.bootstrap(&advertise, listen);
        let cluster_name = cluster_name?;
        let config = Config {
            node: node?,
            data_dir: data_dir?,
            cluster_id: cluster_id(&cluster_name),
            cluster_name,
            epoch: epoch?,
            bootstrap,
            listen: listen?,
            advertise,
            tls,
            insecure: insecure?,
            max_staleness: max_staleness?,
            timing: timing?,
            retention: retention?,
            limits: limits?,
            log_level: log_level?,
            log_format: if log_format?.as_str() == "json" { LogFormat::Json } else { LogFormat::Text },
        };
        self.exposure(&config);
        self.intervals(&config);
        Some(config)
    }

    fn listen(&mut self, node: Option<u64>) -> Option<Listen> {
        let mut address = |key: &str, base: u64| -> Option<SocketAddr> {
            if self.merged.get(key).is_some() {
                return self.get(key, value::socket_address);
            }
            let node = node?;
            if node > DEFAULT_PORT_NODE_MAX {
                self.problem(key, format!("has to be set for node ids above {DEFAULT_PORT_NODE_MAX}"));
                return None;
            }
            let port = u16::try_from(base + node).expect("at most 7600 + 99");
            Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
        };
        let (device, admin, peer) =
            (address("listen.device", 7_400), address("listen.admin", 7_500), address("listen.peer", 7_600));
        let listen = Listen { device: device?, admin: admin?, peer: peer? };
        for (key, mine, other, others) in [
            ("listen.admin", listen.admin, "listen.device", listen.device),
            ("listen.peer", listen.peer, "listen.device", listen.device),
            ("listen.peer", listen.peer, "listen.admin", listen.admin),
        ] {
            if mine == others && mine.port() != 0 {
                self.problem(key, format!("{mine} must differ from {other} {others}"));
            }
        }
        Some(listen)
    }

    fn advertise(&mut self, listen: Option<Listen>) -> Advertised {
        let mut told = |key: &str, bound: Option<SocketAddr>, is_port_needed: bool| {
            let told = self.get(key, |raw| value::host_port(&value::text(raw)?));
            if let (None, None, Some(bound)) = (&told, self.merged.get(key), bound) {
                if bound.ip().is_unspecified() {
                    self.problem(key, format!("has to be set when listening on {bound}, which others cannot connect to"));
                } else if is_port_needed && bound.port() == 0 {
                    self.problem(key, format!("has to be set when listening on {bound}, whose port the system chooses"));
                }
            }
            told
        };
        Advertised {
            device: told("advertise.device", listen.map(|l| l.device), false),
            admin: told("advertise.admin", listen.map(|l| l.admin), false),
            peer: told("advertise.peer", listen.map(|l| l.peer), true),
        }
    }

    fn bootstrap(&mut self, advertise: &Advertised, listen: Option<Listen>) -> Vec<String> {
        let bootstrap = self.get("cluster.bootstrap", value::host_ports).unwrap_or_default();
        let own = advertise.peer.clone().or_else(|| listen.map(|l| l.peer.to_string()));
        if let Some(own) = own.filter(|own| !bootstrap.is_empty() && !bootstrap.contains(own)) {
            self.problem("cluster.bootstrap", format!("must name this node's own peer address {own}"));
        }
        bootstrap
    }

    fn tls(&mut self) -> Tls {
        Tls {
            device: self.tls_files("device", None),
            admin: self.tls_files("admin", Some("client_ca")),
            peer: self.tls_files("peer", Some("ca")),
        }
    }

    fn tls_files(&mut self, listener: &str, ca: Option<&str>) -> Option<TlsFiles> {
        let key_of = |name: &str| format!("tls.{listener}.{name}");
        let cert = self.path(&key_of("cert"));
        let key = self.path(&key_of("key"));
        let ca_path = ca.and_then(|ca| self.path(&key_of(ca)));
        let is_admin = listener == "admin";
        let is_client_required =
            if is_admin { self.get(&key_of("client_required"), value::switch).unwrap_or(false) } else { listener == "peer" };
        let (cert, key) = match (cert, key) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) => {
                if let Some(ca) = ca.filter(|_| ca_path.is_some()) {
                    self.problem(&key_of(ca), format!("needs {} and {}", key_of("cert"), key_of("key")));
                } else if is_admin && is_client_required {
                    self.problem(&key_of("client_required"), format!("needs {} and {}", key_of("cert"), key_of("key")));
                }
                return None;
            }
            (cert, _) => {
                let (has, lacks) = if cert.is_some() { ("cert", "key") } else { ("key", "cert") };
                self.problem(&key_of(has), format!("needs {} beside it", key_of(lacks)));
                return None;
            }
        };
        if is_client_required && ca_path.is_none() {
            let ca = key_of(ca.expect("only listeners with authorities ask for certificates"));
            self.problem(&ca, "has to be set: client certificates are required");
        }
        Some(TlsFiles { cert, key, ca: ca_path, is_client_required })
    }

    fn timing(&mut self) -> Option<Timing> {
        let heartbeat = self.must("raft.heartbeat", value::duration);
        let election_min = self.must("raft.election_min", value::duration);
        let election_max = self.must("raft.election_max", value::duration);
        let quorum_loss_probe = self.must("raft.quorum_loss_probe", value::duration);
        let probe = self.must("freshness.probe", value::duration);
        Some(Timing {
            heartbeat: heartbeat?,
            election_min: election_min?,
            election_max: election_max?,
            quorum_loss_probe: quorum_loss_probe?,
            probe: probe?,
        })
    }

    fn retention(&mut self) -> Option<Retention> {
        let snapshot_entries = self.must("storage.snapshot_entries", |raw| value::number(raw, 1, u64::MAX));
        let log_entries_kept = self.must("storage.log_entries_kept", |raw| value::number(raw, 0, u64::MAX));
        let segment_bytes = self.must("storage.segment_bytes", |raw| value::number(raw, 1 << 20, 1 << 30));
        Some(Retention {
            snapshot_entries: snapshot_entries?,
            log_entries_kept: log_entries_kept?,
            segment_bytes: segment_bytes?,
        })
    }

    fn limits(&mut self) -> Option<Limits> {
        let device_in_flight = self.bound("limits.device_in_flight", 1_000_000);
        let device_connections = self.bound("limits.device_connections", 1_000_000);
        let admin_in_flight = self.bound("limits.admin_in_flight", 100_000);
        let admin_connections = self.bound("limits.admin_connections", 100_000);
        let write_timeout = self.must("limits.write_timeout", value::duration);
        let read_timeout = self.must("limits.read_timeout", value::duration);
        let drain = self.must("limits.drain", value::duration);
        Some(Limits {
            device_in_flight: device_in_flight?,
            device_connections: device_connections?,
            admin_in_flight: admin_in_flight?,
            admin_connections: admin_connections?,
            write_timeout: write_timeout?,
            read_timeout: read_timeout?,
            drain: drain?,
        })
    }

    /// Nothing listens in plain text on a reachable address unless that was asked for by name.
    fn exposure(&mut self, config: &Config) {
        if config.insecure {
            return;
        }
        for (key, address, is_plain) in [
            ("listen.device", config.listen.device, config.tls.device.is_none()),
            ("listen.admin", config.listen.admin, config.tls.admin.is_none()),
            ("listen.peer", config.listen.peer, config.tls.peer.is_none()),
        ] {
            if is_plain && !address.ip().is_loopback() {
                self.problem(key, format!("{address} is not loopback: it needs TLS, or `insecure = true`"));
            }
        }
    }

    /// The rules between intervals, which consensus owns.
    fn intervals(&mut self, config: &Config) {
        if let Err(error) = config.consensus_settings(String::new(), String::new()).validate() {
            let key = match &error {
                SettingsError::NodeZero => "node.id",
                SettingsError::EpochZero => "cluster.epoch",
                SettingsError::HeartbeatTooLong { .. } => "raft.heartbeat",
                SettingsError::ElectionRange { .. } => "raft.election_min",
                SettingsError::QuorumLossProbe { .. } => "raft.quorum_loss_probe",
                SettingsError::StalenessTooShort { .. } => "freshness.max_staleness",
                SettingsError::ProbeInterval { .. } => "freshness.probe",
                SettingsError::NoSnapshots => "storage.snapshot_entries",
            };
            self.problem(key, error.to_string());
        }
    }
}

impl Config {
    /// What consensus is told; the advertised addresses of the admin and device listeners are known once those are bound.
    #[must_use]
    pub fn consensus_settings(&self, admin_addr: String, device_addr: String) -> tidegate_consensus::Settings {
        tidegate_consensus::Settings {
            cluster_id: self.cluster_id,
            epoch: self.epoch,
            group: 0,
            node: self.node,
            data_dir: self.data_dir.clone(),
            listen: self.listen.peer,
            peer_addr: self.peer_addr(),
            admin_addr,
            device_addr,
            supported_version: crate::SUPPORTED_VERSION,
            max_staleness: self.max_staleness,
            timing: self.timing,
            retention: self.retention,
        }
    }

    /// How other nodes reach this one.
    #[must_use]
    pub fn peer_addr(&self) -> String {
        self.advertise.peer.clone().unwrap_or_else(|| self.listen.peer.to_string())
    }
}

fn cluster_id(name: &str) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Digest::of("cluster-id", name.as_bytes()).0[..16]);
    u128::from_be_bytes(bytes)
}

fn log_level(raw: &Raw) -> Result<String, String> {
    let text = value::text(raw)?;
    match tracing_subscriber::EnvFilter::try_new(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("must be a log filter such as `info` or `info,tidegate_server=debug`: {error}")),
    }
}
