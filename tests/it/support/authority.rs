//! Certificates that are made for a test, and what others than the gateway make of them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// Somebody who issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each has a name of its own, so that they are told apart before signatures are looked at.
        params.distinguished_name.push(DnType::CommonName, format!("{:x?}", &key.public_key_raw()[1..9]));
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this machine.
    pub(crate) fn identity(&self) -> Identity {
        self.issue("127.0.0.1", 4096)
    }

    /// A certificate for somebody, to the end of that year.
    pub(crate) fn issue(&self, name: &str, last_year: i32) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// A client that trusts this authority, and shows this when it is asked to.
    pub(crate) fn client(&self, shows: Option<&Identity>) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(rustls::ALL_VERSIONS);
        let builder = builder.expect("versions").with_root_certificates(self.store());
        match shows {
            Some(identity) => builder.with_client_auth_cert(identity.chain(), identity.private()).expect("a pair"),
            None => builder.with_no_client_auth(),
        }
    }

    /// A client that trusts this authority and speaks these versions.
    pub(crate) fn client_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).expect("versions");
        builder.with_root_certificates(self.store()).with_no_client_auth()
    }

    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add(self.0.der().clone()).expect("an authority");
        store
    }
}

impl Identity {
    /// A server that shows this to everybody.
    pub(crate) fn server(&self) -> ServerConfig {
        self.server_of(rustls::ALL_VERSIONS, None)
    }

    /// A server that speaks these versions, and wants a certificate of this authority where one is named.
    pub(crate) fn server_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&Authority>,
    ) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authority.store()), provider());
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        builder.with_single_cert(self.chain(), self.private()).expect("a pair")
    }

    /// The certificate as it is seen in a handshake.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.der()]
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key")
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
