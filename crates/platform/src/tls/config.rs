//! PEM files to rustls configurations, read again when they change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use rustls::client::WantsClientCert;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{ClientCertificates, ConnectTls, KeyPair, ListenTls};
use crate::clock::{BootTime, Clock};
use crate::limits::{TLS_FILE_BYTES_MAX, TLS_RELOAD_INTERVAL};
use crate::vfs::{OpenMode, Vfs};

/// A certificate or key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is larger than any certificate file.
    #[error("{} has {bytes} bytes, must have <= {max}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// The file is not PEM, or holds nothing of the wanted kind.
    #[error("{} holds no {wanted} in PEM", path.display())]
    NoPem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// An authority in the file cannot be used.
    #[error("{} holds an unusable authority", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// The authorities do not make a verifier.
    #[error("{} cannot verify client certificates", path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
    /// Certificate and key do not belong together, or are of an unsupported kind.
    #[error("certificate {} and key {} cannot be used together", certificate.display(), key.display())]
    KeyPair {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// The library does not support its own defaults; never seen.
    #[error("no TLS version is supported")]
    Versions(#[source] rustls::Error),
}

/// The content of the files of one side, in a fixed order.
type Contents = Vec<Vec<u8>>;

/// Something that is made of files.
pub(super) trait FromFiles {
    type Config;
    /// Its files, in the order in which [`FromFiles::build`] gets their contents.
    fn files(&self) -> Vec<&Path>;
    fn build(&self, contents: &Contents) -> Result<Self::Config, TlsError>;
}

/// A configuration that follows its files.
pub(super) struct Reloaded<S: FromFiles> {
    source: S,
    vfs: Arc<dyn Vfs>,
    clock: Arc<dyn Clock>,
    config: ArcSwap<S::Config>,
    looked: Mutex<Looked>,
}

struct Looked {
    at: BootTime,
    contents: Contents,
}

impl<S: FromFiles> Reloaded<S> {
    pub(super) fn open(source: S, vfs: Arc<dyn Vfs>, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let contents = read_all(&*vfs, &source.files())?;
        let config = ArcSwap::from_pointee(source.build(&contents)?);
        let looked = Mutex::new(Looked { at: clock.boot(), contents });
        Ok(Self { source, vfs, clock, config, looked })
    }

    /// The configuration in force, after a look at the files if the last one was long enough ago.
    pub(super) fn current(&self) -> Arc<S::Config> {
        if let Err(error) = self.look() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "changed certificates cannot be used, the former ones stay"
            );
        }
        self.config.load_full()
    }

    fn look(&self) -> Result<(), TlsError> {
        let mut looked = self.looked.lock().expect("no panic happens under this lock");
        let now = self.clock.boot();
        if now.since(looked.at) < TLS_RELOAD_INTERVAL {
            return Ok(());
        }
        looked.at = now;
        let contents = read_all(&*self.vfs, &self.source.files())?;
        if contents == looked.contents {
            return Ok(());
        }
        // A certificate may be replaced before its key: the next look sees both.
        self.config.store(Arc::new(self.source.build(&contents)?));
        looked.contents = contents;
        tracing::info!(files = ?self.source.files(), "certificates reloaded");
        Ok(())
    }
}

/// What a listener shows and wants.
pub(super) struct ServerSide(pub(super) ListenTls);

/// What a connector trusts and shows.
pub(super) struct ClientSide(pub(super) ConnectTls);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn protocols(names: &[String]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.clone().into_bytes()).collect()
}

impl FromFiles for ServerSide {
    type Config = ServerConfig;

    fn files(&self) -> Vec<&Path> {
        let KeyPair { certificate, key } = &self.0.identity;
        let authority = match &self.0.clients {
            ClientCertificates::Ignored => None,
            ClientCertificates::Optional { authority } | ClientCertificates::Required { authority } => Some(authority),
        };
        [Some(certificate), Some(key), authority].into_iter().flatten().map(PathBuf::as_path).collect()
    }

    fn build(&self, contents: &Contents) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Versions)?;
        let verifier = |path: &Path| -> Result<_, TlsError> {
            let roots = Arc::new(authorities(path, &contents[2])?);
            Ok(WebPkiClientVerifier::builder_with_provider(roots, provider()))
        };
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::Verifier { path, source }
        };
        let builder = match &self.0.clients {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Optional { authority } => {
                let verifier = verifier(authority)?.allow_unauthenticated().build();
                builder.with_client_cert_verifier(verifier.map_err(unusable(authority))?)
            }
            ClientCertificates::Required { authority } => {
                builder.with_client_cert_verifier(verifier(authority)?.build().map_err(unusable(authority))?)
            }
        };
        let pair = &self.0.identity;
        let (chain, key) = key_pair(pair, &contents[0], &contents[1])?;
        let mut config = builder.with_single_cert(chain, key).map_err(|source| mismatch(pair, source))?;
        config.alpn_protocols = protocols(&self.0.protocols);
        Ok(config)
    }
}

impl FromFiles for ClientSide {
    type Config = ClientConfig;

    fn files(&self) -> Vec<&Path> {
        let identity = self.0.identity.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        std::iter::once(&self.0.authority).chain(identity).map(PathBuf::as_path).collect()
    }

    fn build(&self, contents: &Contents) -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Versions)?;
        let builder: ConfigBuilder<ClientConfig, WantsClientCert> =
            builder.with_root_certificates(authorities(&self.0.authority, &contents[0])?);
        let mut config = match &self.0.identity {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let (chain, key) = key_pair(pair, &contents[1], &contents[2])?;
                builder.with_client_auth_cert(chain, key).map_err(|source| mismatch(pair, source))?
            }
        };
        config.alpn_protocols = protocols(&self.0.protocols);
        Ok(config)
    }
}

fn read_all(vfs: &dyn Vfs, paths: &[&Path]) -> Result<Contents, TlsError> {
    paths.iter().map(|path| read(vfs, path)).collect()
}

fn read(vfs: &dyn Vfs, path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let file = vfs.open(path, OpenMode::Read).map_err(failed)?;
    let bytes = file.len().map_err(failed)?;
    if bytes > TLS_FILE_BYTES_MAX {
        return Err(TlsError::TooLarge { path: path.to_owned(), bytes, max: TLS_FILE_BYTES_MAX });
    }
    let mut content = vec![0; usize::try_from(bytes).expect("at most the bound above")];
    file.read_at(0, &mut content).map_err(failed)?;
    Ok(content)
}

fn certificates(path: &Path, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::NoPem { path: path.to_owned(), wanted: "certificate" };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(none)
}

fn authorities(path: &Path, content: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, content)? {
        roots.add(certificate).map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

fn key_pair(
    pair: &KeyPair,
    chain: &[u8],
    key: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(&pair.certificate, chain)?;
    let none = |_| TlsError::NoPem { path: pair.key.clone(), wanted: "private key" };
    Ok((chain, PrivateKeyDer::from_pem_slice(key).map_err(none)?))
}

fn mismatch(pair: &KeyPair, source: rustls::Error) -> TlsError {
    TlsError::KeyPair { certificate: pair.certificate.clone(), key: pair.key.clone(), source }
}
