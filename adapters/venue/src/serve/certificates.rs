//! A certificate authority of the venue's own, and the certificate of its server.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::serve::ServeError;

/// Names under which the venue is reached.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What TLS needs.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    /// The authority, for clients.
    pub(crate) ca_pem: String,
    pub(crate) server: Arc<ServerConfig>,
}

impl Certificates {
    /// A new authority with a certificate for loopback.
    pub(crate) fn make() -> Result<Certificates, ServeError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tickwheel venue");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate()?;
        let ca = params.self_signed(&ca_key)?;
        let issuer = Issuer::new(params, ca_key);

        let names = NAMES.map(str::to_string).to_vec();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;

        let chain = vec![certificate.der().clone(), ca.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Certificates { ca_pem: ca.pem(), server: Arc::new(server) })
    }
}
