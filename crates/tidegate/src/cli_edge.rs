//! The flags of `tidegate edge`. Credentials for the upstreams are those of every command: `--token-file`, `--ca`, `--cert`,
//! `--key`. Nothing here acts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tidegate_server::config::duration;

/// What an edge is told. Every flag has an environment variable.
#[derive(Debug, Args)]
pub struct Edge {
    /// Admin endpoints to follow: nodes of one cluster, or edges of it; any of them will do
    #[arg(long, required = true, value_delimiter = ',', env = "TIDEGATE_EDGE_UPSTREAM", value_name = "URL[,URL...]")]
    pub upstream: Vec<String>,
    /// Products to follow; none: all
    #[arg(long, value_delimiter = ',', env = "TIDEGATE_EDGE_PRODUCT", value_name = "ID[,ID...]")]
    pub product: Vec<String>,
    /// What answers call this process; default: `edge-` and four random hexadecimal digits
    #[arg(long, env = "TIDEGATE_EDGE_NAME", value_name = "NAME")]
    pub name: Option<String>,
    /// Folder of the disk copy
    #[arg(long, env = "TIDEGATE_EDGE_DATA_DIR", default_value = ".tidegate-edge", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where devices are served
    #[arg(long, env = "TIDEGATE_EDGE_LISTEN_DEVICE", default_value = "127.0.0.1:7400", value_name = "ADDRESS:PORT")]
    pub listen_device: SocketAddr,
    /// Where edges below are served
    #[arg(long, env = "TIDEGATE_EDGE_LISTEN_ADMIN", default_value = "127.0.0.1:7500", value_name = "ADDRESS:PORT")]
    pub listen_admin: SocketAddr,
    /// PEM certificate chain of the device listener
    #[arg(long, env = "TIDEGATE_EDGE_TLS_DEVICE_CERT", value_name = "FILE", requires = "tls_device_key")]
    pub tls_device_cert: Option<PathBuf>,
    /// PEM private key of the device listener
    #[arg(long, env = "TIDEGATE_EDGE_TLS_DEVICE_KEY", value_name = "FILE", requires = "tls_device_cert")]
    pub tls_device_key: Option<PathBuf>,
    /// PEM certificate chain of the admin listener
    #[arg(long, env = "TIDEGATE_EDGE_TLS_ADMIN_CERT", value_name = "FILE", requires = "tls_admin_key")]
    pub tls_admin_cert: Option<PathBuf>,
    /// PEM private key of the admin listener
    #[arg(long, env = "TIDEGATE_EDGE_TLS_ADMIN_KEY", value_name = "FILE", requires = "tls_admin_cert")]
    pub tls_admin_key: Option<PathBuf>,
    /// PEM authorities of client certificates on the admin listener; whoever shows none of theirs is refused
    #[arg(long, env = "TIDEGATE_EDGE_TLS_ADMIN_CLIENT_CA", value_name = "FILE", requires = "tls_admin_cert")]
    pub tls_admin_client_ca: Option<PathBuf>,
    /// Allow listeners without TLS on addresses other than loopback
    #[arg(long, env = "TIDEGATE_EDGE_INSECURE")]
    pub insecure: bool,
    /// Oldest snapshot that a check may be answered from
    #[arg(long, env = "TIDEGATE_EDGE_MAX_STALENESS", default_value = "5s", value_name = "TIME", value_parser = duration)]
    pub max_staleness: Duration,
    /// Interval of the freshness probe
    #[arg(long, env = "TIDEGATE_EDGE_PROBE", default_value = "200ms", value_name = "TIME", value_parser = duration)]
    pub probe: Duration,
    /// Longest wait for running calls at the stop
    #[arg(long, env = "TIDEGATE_EDGE_DRAIN", default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub drain: Duration,
    /// What is logged, such as `info` or `info,tidegate_distribution=debug`
    #[arg(long, env = "TIDEGATE_EDGE_LOG_LEVEL", default_value = "info", value_name = "FILTER")]
    pub log_level: String,
    /// Form of a log line
    #[arg(long, env = "TIDEGATE_EDGE_LOG_FORMAT", default_value = "text", value_name = "FORM", value_parser = ["text", "json"])]
    pub log_format: String,
    /// Stop when standard input ends, so that no edge outlives a test
    #[arg(long, hide = true)]
    pub stop_with_stdin: bool,
}
