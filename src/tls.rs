//! Certificates and keys, and what is made of them.
//!
//! Everything here is from bytes to a configuration of rustls, and knows neither files nor their keys. What does not fit is
//! told in a sentence that follows the key, as other faults of the configuration are. The cryptography is named wherever it
//! is used: a default for the whole process would be whatever some library has installed first.

use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// What is wrong with a file: a sentence that follows the key. Nothing of the file stands in it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// It is empty, or holds other things.
    #[error("names a file without a certificate")]
    NoCertificate,
    /// A certificate is cut off or is none.
    #[error("names a file with a certificate that cannot be read")]
    BadCertificate,
    /// It is empty, or holds other things.
    #[error("names a file without a private key")]
    NoKey,
    /// A private key is cut off, encrypted, or of a kind that nothing here can use.
    #[error("names a file with a private key that cannot be used")]
    BadKey,
    /// Key and certificate are each good.
    #[error("names a file with the key of another certificate")]
    OtherKey,
    /// The pieces do not make a whole; without authorities of its own, when this machine has none.
    #[error("cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// A certificate with those that lead to its authority.
#[derive(Debug, Clone)]
pub struct CertChain(Vec<CertificateDer<'static>>);

/// A private key.
#[derive(Debug, Clone)]
pub struct Key(Arc<dyn SigningKey>);

/// A certificate and its key: what somebody shows to be known by.
#[derive(Debug, Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

/// Those whose certificates are trusted.
#[derive(Debug, Clone)]
pub struct TrustStore(Arc<RootCertStore>);

/// The oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl CertChain {
    /// Reads the certificates of a PEM file, that of the holder first.
    ///
    /// # Errors
    /// When there is none, or one that cannot be read.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates(bytes)?;
        for certificate in &chain {
            ParsedCertificate::try_from(certificate).map_err(|_| TlsError::BadCertificate)?;
        }
        Ok(Self(chain))
    }
}

impl Key {
    /// Reads the private key of a PEM file: PKCS #8, PKCS #1 or SEC 1, without a passphrase.
    ///
    /// # Errors
    /// When there is none, or one that cannot be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(without_mark(bytes)).map_err(|error| match error {
            PemError::NoItemsFound => TlsError::NoKey,
            _ => TlsError::BadKey,
        })?;
        provider().key_provider.load_private_key(key).map(Self).map_err(|_| TlsError::BadKey)
    }
}

impl ClientIdentity {
    /// A certificate with its key.
    ///
    /// # Errors
    /// When the key is that of another certificate.
    pub fn try_new(chain: CertChain, key: Key) -> Result<Self, TlsError> {
        let identity = CertifiedKey::new(chain.0, key.0);
        identity.keys_match().map_err(|_| TlsError::OtherKey)?;
        Ok(Self(Arc::new(identity)))
    }

    fn resolver(self) -> Arc<SingleCertAndKey> {
        Arc::new(self.0.into())
    }
}

impl TrustStore {
    /// Reads the certificates of a PEM file, each of which is an authority.
    ///
    /// # Errors
    /// When there is none, or one that cannot be read.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for authority in certificates(bytes)? {
            store.add(authority).map_err(|_| TlsError::BadCertificate)?;
        }
        Ok(Self(Arc::new(store)))
    }
}

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static TLS13_ALONE: &[&SupportedProtocolVersion] = &[&TLS13];
        match self {
            Self::Tls12 => rustls::ALL_VERSIONS,
            Self::Tls13 => TLS13_ALONE,
        }
    }
}

/// What a server shows, and whose clients it serves: everybody, or those with a certificate of these authorities.
///
/// # Errors
/// When rustls does not take it.
pub fn server(identity: ClientIdentity, clients: Option<TrustStore>) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(MinVersion::default().versions())?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(TrustStore(store)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(store, provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| rustls::Error::General(error.to_string()))?)
        }
    };
    let mut config = builder.with_cert_resolver(identity.resolver());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Whom a client trusts, the authorities of this machine unless others are named, and what it shows when it is asked to.
///
/// # Errors
/// When those of this machine are needed and there are none.
pub fn client(
    authorities: Option<TrustStore>,
    identity: Option<ClientIdentity>,
    oldest: MinVersion,
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(oldest.versions())?;
    let builder = match authorities {
        Some(TrustStore(store)) => builder.with_root_certificates(store),
        None => builder.try_with_platform_verifier()?,
    };
    Ok(match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        None => builder.with_no_client_auth(),
    })
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(without_mark(bytes)).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(TlsError::NoCertificate),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(TlsError::BadCertificate),
    }
}

/// Editors leave a byte order mark before a text, and it would hide the first block.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};

    use super::*;

    fn certificate(key: &KeyPair) -> String {
        CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(key).unwrap().pem()
    }

    fn identity(certificate: &str, key: &str) -> Result<ClientIdentity, TlsError> {
        ClientIdentity::try_new(CertChain::parse(certificate.as_bytes())?, Key::parse(key.as_bytes())?)
    }

    fn pem(label: &str, der: &[u8]) -> String {
        pem::encode(&pem::Pem::new(label, der))
    }

    /// What stands in the wrapping of PKCS #8: the old forms of the same keys.
    fn unwrapped(key: &KeyPair, wrapping: usize) -> Vec<u8> {
        key.serialized_der()[wrapping..].to_vec()
    }

    #[test]
    fn keys_are_read_in_their_three_forms() {
        let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        identity(&certificate(&rsa), &rsa.serialize_pem()).unwrap();
        identity(&certificate(&rsa), &pem("RSA PRIVATE KEY", &unwrapped(&rsa, 26))).unwrap();
        identity(&certificate(&ecdsa), &ecdsa.serialize_pem()).unwrap();
        identity(&certificate(&ecdsa), &pem("EC PRIVATE KEY", &unwrapped(&ecdsa, 29))).unwrap();
        assert_eq!(identity(&certificate(&rsa), &ecdsa.serialize_pem()).unwrap_err(), TlsError::OtherKey);
    }

    #[test]
    fn what_does_not_fit_is_told_by_what_it_is() {
        let key = KeyPair::generate().unwrap();
        let (good, key) = (certificate(&key), key.serialize_pem());
        let cut = &good[..good.len() - 40];
        let no_der = pem("CERTIFICATE", b"no DER");
        for (certificates, fault) in [
            ("", TlsError::NoCertificate),
            (&*key, TlsError::NoCertificate),
            (cut, TlsError::BadCertificate),
            (&no_der, TlsError::BadCertificate),
            (&(good.clone() + cut), TlsError::BadCertificate),
            (&(good.clone() + &no_der), TlsError::BadCertificate),
        ] {
            assert_eq!(CertChain::parse(certificates.as_bytes()).unwrap_err(), fault);
            assert_eq!(TrustStore::parse(certificates.as_bytes()).unwrap_err(), fault);
        }
        for (keys, fault) in [
            ("", TlsError::NoKey),
            (&*good, TlsError::NoKey),
            (&key[..key.len() - 40], TlsError::BadKey),
            (&pem("ENCRYPTED PRIVATE KEY", b"..."), TlsError::NoKey),
            (&pem("PRIVATE KEY", b"no DER"), TlsError::BadKey),
        ] {
            assert_eq!(identity(&good, keys).unwrap_err(), fault, "{keys}");
        }
    }

    proptest! {
        #[test]
        fn a_half_written_file_is_never_taken_for_a_whole_one(place: prop::sample::Index) {
            let key = KeyPair::generate().unwrap();
            let (whole, key) = (certificate(&key), key.serialize_pem());
            // The line end at the end may be missing.
            let cut = |text: &str| text[..place.index(text.trim_end().len())].to_owned();
            prop_assert!(identity(&cut(&whole), &key).is_err());
            prop_assert!(identity(&whole, &cut(&key)).is_err());
            prop_assert!(TrustStore::parse(cut(&whole).as_bytes()).is_err());
        }
    }

    #[test]
    fn a_byte_order_mark_hides_nothing() {
        let key = KeyPair::generate().unwrap();
        let two = certificate(&key) + &certificate(&KeyPair::generate().unwrap());
        assert_eq!(certificates(format!("\u{feff}{two}").as_bytes()).map(|all| all.len()).ok(), Some(2));
        assert!(Key::parse(format!("\u{feff}{}", key.serialize_pem()).as_bytes()).is_ok());
    }
}
