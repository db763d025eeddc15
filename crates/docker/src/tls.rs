//! TLS to a daemon: its certificate must be signed by the configured CA, and it is shown a client certificate.
//!
//! Always holds: only the configured CA is trusted. bollard's own TLS client trusts every CA of the system besides, so that
//! anybody with a bought certificate could stand in for a daemon; and it fails where there are no system CAs at all.
//!
//! Certificates are read once, at the start: who renews them restarts fettle. No connection is kept, as everywhere, but
//! sessions are resumed, which spares most of a handshake.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::BollardRequest;
use bollard::errors::Error;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Where the certificates of a host are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Who signed the daemon's certificate; PEM, one or several.
    pub ca_file: PathBuf,
    /// Our certificate and what leads to its CA, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read, or holds nothing of that kind.
    #[error("no {what} to be read in {}", path.display())]
    File {
        /// What belongs there.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// They do not go together.
    #[error("the certificate {} cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// TLS that is ready for use; cheap to clone.
#[derive(Clone)]
pub struct Secured(Arc<ClientConfig>);

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secured")
    }
}

impl Secured {
    /// Reads the certificates.
    pub(super) fn read(tls: &Tls) -> Result<Self, TlsFault> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            |source| TlsFault::Unusable { path, source }
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&tls.ca_file)? {
            roots.add(certificate).map_err(unusable(&tls.ca_file))?;
        }
        let key = PrivateKeyDer::from_pem_file(&tls.key_file).map_err(fault("private key", &tls.key_file))?;
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(unusable(&tls.ca_file))?
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates(&tls.cert_file)?, key)
            .map_err(unusable(&tls.cert_file))?;
        Ok(Self(Arc::new(config)))
    }

    /// A client for one request. Opens nothing.
    pub(super) fn client(
        &self,
        address: &str,
        seconds: u64,
        api: &bollard::ClientVersion,
    ) -> Result<bollard::Docker, Error> {
        let connector: HttpsConnector<HttpConnector> =
            HttpsConnectorBuilder::new().with_tls_config((*self.0).clone()).https_only().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        let transport = move |request: BollardRequest| {
            let client = client.clone();
            Box::pin(async move { client.request(request).await.map_err(Error::from) })
        };
        bollard::Docker::connect_with_custom_transport(transport, Some(format!("https://{address}")), seconds, api)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(fault("certificate", path)(rustls::pki_types::pem::Error::NoItemsFound)),
        read => read.map_err(fault("certificate", path)),
    }
}

fn fault(what: &'static str, path: &Path) -> impl FnOnce(rustls::pki_types::pem::Error) -> TlsFault {
    let path = path.to_owned();
    move |source| TlsFault::File { what, path, source }
}
