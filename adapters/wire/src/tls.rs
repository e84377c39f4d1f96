//! TLS settings of clients and servers: rustls with ring, versions 1.2 and 1.3.
//!
//! **Invariant:** nothing here turns a check off; a peer without a valid certificate is an error.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Whom a client believes.
#[derive(Clone, Copy, Debug)]
pub enum TlsRoots<'a> {
    /// The public authorities that browsers believe.
    WebPki,
    /// The authorities in this PEM text and nobody else.
    Pem(&'a [u8]),
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The PEM text cannot be read.
    #[error("the {what} is no PEM text: {detail}")]
    Pem {
        /// Which text.
        what: &'static str,
        /// What is wrong with it. Never its content.
        detail: String,
    },
    /// The PEM text holds no certificate.
    #[error("the {what} holds no certificate")]
    Empty {
        /// Which text.
        what: &'static str,
    },
    /// rustls refuses the certificates or the key.
    #[error("the {what} is refused: {source}")]
    Refused {
        /// Which text.
        what: &'static str,
        /// Why.
        source: rustls::Error,
    },
}

/// Settings of clients that believe `roots`.
pub fn client_config(roots: TlsRoots<'_>) -> Result<Arc<ClientConfig>, TlsError> {
    const WHAT: &str = "list of authorities";
    let mut store = RootCertStore::empty();
    match roots {
        TlsRoots::WebPki => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        TlsRoots::Pem(text) => {
            for certificate in certificates(WHAT, text)? {
                store
                    .add(certificate)
                    .map_err(|source| TlsError::Refused { what: WHAT, source })?;
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Refused { what: WHAT, source })?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Settings of a server with its certificate chain, leaf first, and the private key of the leaf.
pub fn server_config(chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    const WHAT: &str = "certificate chain";
    let chain = certificates(WHAT, chain)?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| TlsError::Pem { what: "private key", detail: "no key in it".to_string() })?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Refused { what: WHAT, source })?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Refused { what: WHAT, source })?;
    Ok(Arc::new(config))
}

fn certificates(what: &'static str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem { what, detail: error.to_string() })?;
    if found.is_empty() {
        return Err(TlsError::Empty { what });
    }
    Ok(found)
}
