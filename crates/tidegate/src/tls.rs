//! TLS of the command line's own connections.

use std::path::PathBuf;
use std::sync::Arc;

use tidegate_platform::tls::{ConnectTls, KeyPair, TlsError, TlsNetwork};
use tidegate_platform::{Network, Platform};

/// A network that trusts servers by `ca` and shows `identity` where one is asked for.
///
/// # Errors
/// A file cannot be read or holds no such PEM block.
pub fn client_network(ca: PathBuf, identity: Option<(PathBuf, PathBuf)>) -> Result<Arc<dyn Network>, TlsError> {
    let platform = Platform::system();
    let identity = identity.map(|(certificate, key)| KeyPair { certificate, key });
    let connect = ConnectTls { authority: ca, identity, protocols: vec!["h2".to_owned()] };
    let network = TlsNetwork::new(platform.network, platform.vfs, platform.clock, None, Some(connect))?;
    Ok(Arc::new(network))
}
