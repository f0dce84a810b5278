//! What an edge is told at its start. Nothing here reads flags, files or the environment.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tidegate_model::ProductId;

use crate::limits;

/// Certificate, key and, for the admin listener, whose client certificates count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM certificate chain.
    pub cert: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
    /// PEM authorities of client certificates; whoever shows none of theirs is refused. Absent: nobody is asked.
    pub client_ca: Option<PathBuf>,
}

/// Everything that an edge is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// What answers call this process.
    pub name: String,
    /// Admin listeners to follow, `host:port`: nodes of one cluster, or edges of it.
    pub upstreams: Vec<String>,
    /// The `authorization` that is shown upstream, and that edges below have to show here; absent: none.
    pub authorization: Option<String>,
    /// Products to follow; none: all.
    pub products: BTreeSet<ProductId>,
    /// Folder of the disk copy.
    pub data_dir: PathBuf,
    /// Where devices are served.
    pub listen_device: SocketAddr,
    /// Where edges below are served.
    pub listen_admin: SocketAddr,
    /// TLS of the device listener.
    pub tls_device: Option<TlsFiles>,
    /// TLS of the admin listener.
    pub tls_admin: Option<TlsFiles>,
    /// Whether listeners without TLS may be on other addresses than loopback.
    pub is_insecure: bool,
    /// Oldest snapshot that a check may be answered from.
    pub max_staleness: Duration,
    /// Interval of the freshness probe.
    pub probe_interval: Duration,
    /// Longest wait for running calls at the stop.
    pub drain: Duration,
}

/// A setting that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} = {value:?}: {rule}")]
pub struct Problem {
    /// Its flag, without dashes.
    pub setting: &'static str,
    /// As given.
    pub value: String,
    /// The rule.
    pub rule: String,
}

impl Config {
    /// All rules that are broken.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut rule = |is_kept: bool, setting, value: String, rule: String| {
            if !is_kept {
                problems.push(Problem { setting, value, rule });
            }
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
        let is_name = (1..=limits::NAME_BYTES_MAX).contains(&self.name.len()) && self.name.chars().all(is_plain);
        let name_rule = format!("must be 1 to {} letters, digits, dots, dashes and underscores", limits::NAME_BYTES_MAX);
        rule(is_name, "name", self.name.clone(), name_rule);
        let (count, most) = (self.upstreams.len(), limits::UPSTREAMS_MAX);
        rule((1..=most).contains(&count), "upstream", count.to_string(), format!("must name 1 to {most} upstreams"));
        let (count, most) = (self.products.len(), limits::PRODUCTS_MAX);
        rule(count <= most, "product", count.to_string(), format!("must name <= {most} products; none means all"));
        let is_distinct = self.listen_device != self.listen_admin || self.listen_device.port() == 0;
        let distinct_rule = format!("must differ from listen-device {}", self.listen_device);
        rule(is_distinct, "listen-admin", self.listen_admin.to_string(), distinct_rule);
        let listeners =
            [("listen-device", self.listen_device, &self.tls_device), ("listen-admin", self.listen_admin, &self.tls_admin)];
        for (setting, address, tls) in listeners {
            let is_safe = tls.is_some() || address.ip().is_loopback() || self.is_insecure;
            let told = "must be a loopback address, or have TLS, or be allowed by insecure".to_owned();
            rule(is_safe, setting, address.to_string(), told);
        }
        let (bound, probe) = (self.max_staleness, self.probe_interval);
        let (least, most) = (limits::PROBE_MIN, limits::STALENESS_MAX);
        rule(probe >= least, "probe", format!("{probe:?}"), format!("must be >= {least:?}"));
        rule(bound <= most, "max-staleness", format!("{bound:?}"), format!("must be <= {most:?}"));
        rule(probe * 2 < bound, "probe", format!("{probe:?}"), format!("must be below half of max-staleness {bound:?}"));
        problems
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn good() -> Config {
        Config {
            name: "edge-1".to_owned(),
            upstreams: vec!["127.0.0.1:7501".to_owned()],
            authorization: None,
            products: BTreeSet::new(),
            data_dir: PathBuf::from("data"),
            listen_device: "127.0.0.1:7400".parse().unwrap(),
            listen_admin: "127.0.0.1:7500".parse().unwrap(),
            tls_device: None,
            tls_admin: None,
            is_insecure: false,
            max_staleness: Duration::from_secs(5),
            probe_interval: Duration::from_millis(200),
            drain: Duration::from_secs(10),
        }
    }

    /// The settings that are found at fault, in the order of the report.
    fn at_fault(edit: impl FnOnce(&mut Config)) -> Vec<&'static str> {
        let mut config = good();
        edit(&mut config);
        config.problems().iter().map(|problem| problem.setting).collect()
    }

    #[test]
    fn each_broken_rule_is_named() {
        assert!(at_fault(|_| ()).is_empty());
        assert_eq!(at_fault(|c| c.name = "a b".to_owned()), ["name"]);
        assert_eq!(at_fault(|c| c.upstreams.clear()), ["upstream"]);
        assert_eq!(at_fault(|c| c.listen_admin = c.listen_device), ["listen-admin"]);
        assert_eq!(at_fault(|c| c.probe_interval = Duration::from_secs(3)), ["probe"]);
        assert_eq!(at_fault(|c| c.max_staleness = Duration::from_secs(7_200)), ["max-staleness"]);
        assert_eq!(
            at_fault(|c| (c.name, c.probe_interval) = (String::new(), Duration::ZERO)),
            ["name", "probe"],
            "all of them at once"
        );
    }

    #[test]
    fn the_open_world_is_served_with_tls_or_by_consent() {
        let world = "0.0.0.0:7400".parse().unwrap();
        assert_eq!(at_fault(|c| c.listen_device = world), ["listen-device"]);
        assert!(at_fault(|c| (c.listen_device, c.is_insecure) = (world, true)).is_empty());
        let files = TlsFiles { cert: PathBuf::from("c"), key: PathBuf::from("k"), client_ca: None };
        assert!(at_fault(|c| (c.listen_device, c.tls_device) = (world, Some(files))).is_empty());
    }
}
