//! `edge`.

use std::collections::BTreeSet;

use tidegate_client::{Endpoint, Options};
use tidegate_edge::{Config, Edge, StartFailure, TlsFiles};
use tidegate_model::ProductId;
use tidegate_platform::{OsRandom, Platform, Random as _};
use tidegate_server::config::LogFormat;

use super::serve::stop_signal;
use crate::cli::Global;
use crate::cli_edge;
use crate::connect;
use crate::exit::{Failure, Outcome};

/// Runs one edge until it is told to stop or fails.
pub async fn edge(global: &Global, arguments: &cli_edge::Edge) -> Outcome {
    let upstreams = Options::new(&arguments.upstream).map_err(Failure::usage)?;
    let network = connect::network(global, upstreams.is_tls())?;
    let config = config(global, arguments, &upstreams)?;
    let stop = stop_signal(arguments.stop_with_stdin)?;
    let format = if arguments.log_format == "json" { LogFormat::Json } else { LogFormat::Text };
    tidegate_server::logging::start_with(&arguments.log_level, format);
    let started = Edge::start(config, Platform::system(), network).await;
    let mut edge = started.map_err(|failure| match failure {
        StartFailure::Config(_) => Failure::usage(failure),
        other => Failure::Local(anyhow::Error::new(other)),
    })?;
    tokio::select! {
        failure = edge.failed() => {
            tracing::error!(%failure, "the edge cannot go on");
            Err(Failure::Local(anyhow::Error::new(failure)))
        }
        () = stop => {
            edge.shutdown().await;
            Ok(())
        }
    }
}

fn config(global: &Global, arguments: &cli_edge::Edge, upstreams: &Options) -> Outcome<Config> {
    let products: Result<BTreeSet<ProductId>, _> = arguments.product.iter().map(|id| ProductId::new(id)).collect();
    // A header of printable ASCII: the token was judged when it was read.
    let token = connect::token(global)?;
    let authorization = token.and_then(|token| token.header().to_str().map(str::to_owned).ok());
    let files = |cert: &Option<_>, key: &Option<_>, client_ca: &Option<_>| match (cert, key) {
        (Some(cert), Some(key)) => {
            Some(TlsFiles { cert: Clone::clone(cert), key: Clone::clone(key), client_ca: client_ca.clone() })
        }
        _ => None, // One without the other is refused where flags are read.
    };
    Ok(Config {
        name: arguments.name.clone().unwrap_or_else(|| format!("edge-{:04x}", OsRandom.u64() & 0xffff)),
        upstreams: upstreams.endpoints.iter().map(Endpoint::authority).map(str::to_owned).collect(),
        authorization,
        products: products.map_err(|invalid| Failure::usage(invalid.at("product")))?,
        data_dir: arguments.data_dir.clone(),
        listen_device: arguments.listen_device,
        listen_admin: arguments.listen_admin,
        tls_device: files(&arguments.tls_device_cert, &arguments.tls_device_key, &None),
        tls_admin: files(&arguments.tls_admin_cert, &arguments.tls_admin_key, &arguments.tls_admin_client_ca),
        is_insecure: arguments.insecure,
        max_staleness: arguments.max_staleness,
        probe_interval: arguments.probe,
        drain: arguments.drain,
    })
}
