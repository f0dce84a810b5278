//! From the flags to a client of the cluster.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tidegate_client::{Client, Options, Token};
use tidegate_model::RequestId;
use tidegate_platform::{Network, Platform, TcpNetwork};

use crate::cli::{self, Global};
use crate::exit::{Failure, Outcome};

/// A client for the endpoints and credentials of the flags. Nothing is connected yet.
pub fn client(global: &Global) -> Outcome<Client> {
    let mut options = Options::new(&global.endpoint).map_err(Failure::usage)?;
    options.deadline = Duration::from_secs(global.timeout.max(1));
    options.token = token(global)?;
    let network = network(global, options.is_tls())?;
    Ok(Client::new(options, &Platform::system(), network))
}

/// The bearer token of the flags.
pub fn token(global: &Global) -> Outcome<Option<Token>> {
    let Some(path) = &global.token_file else { return Ok(None) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(|error| Failure::Usage(format!("{error:#}")))?;
    Token::new(text.trim()).map(Some).map_err(Failure::usage)
}

/// The network of the flags; `is_tls` says what the endpoints ask for.
pub fn network(global: &Global, is_tls: bool) -> Outcome<Arc<dyn Network>> {
    if !is_tls {
        if global.ca.is_some() || global.cert.is_some() {
            return Err(Failure::usage("certificates go with https:// endpoints"));
        }
        return Ok(Arc::new(TcpNetwork));
    }
    let Some(ca) = &global.ca else {
        return Err(Failure::usage("https:// endpoints need --ca: the certificates that servers are trusted by"));
    };
    let identity = match (&global.cert, &global.key) {
        (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
        _ => None,
    };
    let tls = crate::tls::client_network(ca.clone(), identity).map_err(Failure::usage)?;
    Ok(tls)
}

/// The request id of a write: as given, or a fresh one.
pub fn request_id(client: &Client, given: &cli::RequestId) -> Outcome<RequestId> {
    match &given.request_id {
        Some(text) => RequestId::new(text).map_err(|error| Failure::usage(error.at("request_id"))),
        None => Ok(client.request_id()),
    }
}
