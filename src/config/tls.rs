//! Certificates and keys, in sections `server.tls` and `upstreams.<name>`. All of them stand in files.
//!
//! What belongs together is read together, so that a certificate is never used with the key of another one, not even while
//! one file is swapped and the other is not yet.

use std::path::PathBuf;

use rustls::{ClientConfig, ServerConfig};

use super::reload::{ConfigErrors, Contents, Loaded, WatchedFile};
use super::settings::{ConfigError, Settings};
use crate::tls::{self, CertChain, ClientIdentity, Key, MinVersion, TlsError, TrustStore};

/// How the API is encrypted; `None` when nothing is said about it.
pub(super) fn server(settings: &mut Settings) -> Option<Loaded<ServerConfig>> {
    const CERTIFICATE: &str = "server.tls.cert_file";
    const CLIENTS: &str = "server.tls.client_ca_file";
    let pair = pair(settings, CERTIFICATE, "server.tls.key_file");
    let clients = file(settings, CLIENTS, Role::Authorities);
    if clients.is_some() && !settings.is_given(CERTIFICATE) {
        settings.fault(CLIENTS, &format!("needs {CERTIFICATE}: clients show no certificate to a server that has none"));
    }
    let files = pair?.into_iter().chain(clients).collect();
    read(settings, CERTIFICATE, files, |Parts { authorities, identity }| {
        tls::server(identity.ok_or(TlsError::NoCertificate)?, authorities)
    })
}

/// How it is made sure that an order system is the right one, and what it knows the gateway by. `None` when nothing is said
/// about it: then the authorities of this machine are trusted.
pub(super) fn client(settings: &mut Settings, section: &str, is_plain: bool) -> Option<Loaded<ClientConfig>> {
    let keys = ["ca_file", "client_cert_file", "client_key_file", "min_tls_version"];
    let keys = keys.map(|name| format!("{section}.{name}"));
    let [authorities, certificate, private, oldest] = &keys;
    let authorities = file(settings, authorities, Role::Authorities);
    let pair = pair(settings, certificate, private);
    let oldest = settings.optional(oldest, min_version).unwrap_or_default();
    let given: Vec<_> = keys.iter().filter(|key| settings.is_given(key)).collect();
    if is_plain {
        for key in given {
            settings.fault(key, "means nothing: the address is plain http");
        }
        return None;
    }
    let files = authorities.into_iter().chain(pair.into_iter().flatten()).collect();
    read(settings, given.first()?, files, move |Parts { authorities, identity }| tls::client(authorities, identity, oldest))
}

/// What a file is there for.
#[derive(Debug, Clone, Copy)]
enum Role {
    Certificate,
    Key,
    Authorities,
}

/// What stands in files.
#[derive(Debug, Default)]
struct Parts {
    authorities: Option<TrustStore>,
    identity: Option<ClientIdentity>,
}

impl Parts {
    fn parse<'a>(files: impl Iterator<Item = (&'a (Role, WatchedFile), &'a Contents)>) -> Result<Self, ConfigErrors> {
        let mut misfits = ConfigErrors::default();
        let (mut authorities, mut chain, mut key) = (None, None, None);
        for ((role, file), contents) in files {
            match role {
                Role::Certificate => chain = misfits.note(&file.key, CertChain::parse(contents)),
                Role::Key => key = misfits.note(&file.key, Key::parse(contents)).map(|key| (key, &file.key)),
                Role::Authorities => authorities = misfits.note(&file.key, TrustStore::parse(contents)),
            }
        }
        let pair = chain.zip(key);
        let identity = pair.and_then(|(chain, (key, name))| misfits.note(name, ClientIdentity::try_new(chain, key)));
        misfits.or(Self { authorities, identity })
    }
}

/// Makes a value of files, now and whenever they change. What is wrong with none of them alone is told by `key`.
fn read<T>(
    settings: &mut Settings,
    key: &str,
    files: Vec<(Role, WatchedFile)>,
    make: impl Fn(Parts) -> Result<T, TlsError> + Send + Sync + 'static,
) -> Option<Loaded<T>> {
    let named = files.iter().map(|(_, file)| file.clone()).collect();
    let name = key.to_owned();
    let loaded = Loaded::read_all(key, named, move |contents| {
        make(Parts::parse(files.iter().zip(contents))?).map_err(|fault| ConfigErrors::one(&name, fault.to_string()))
    });
    let tell = |misfits: ConfigErrors| misfits.into_faults().for_each(|(key, misfit)| settings.fault(&key, &misfit));
    loaded.map_err(tell).ok()
}

/// A certificate and its key: both or neither.
fn pair(settings: &mut Settings, certificate: &str, key: &str) -> Option<[(Role, WatchedFile); 2]> {
    match (settings.is_given(certificate), settings.is_given(key)) {
        (true, false) => settings.fault(key, &format!("is missing: the private key of the certificate in {certificate}")),
        (false, true) => settings.fault(certificate, &format!("is missing: the certificate of the key in {key}")),
        (true, true) | (false, false) => {}
    }
    let (certificate, key) = (file(settings, certificate, Role::Certificate), file(settings, key, Role::Key));
    certificate.zip(key).map(|(certificate, key)| [certificate, key])
}

fn file(settings: &mut Settings, key: &str, role: Role) -> Option<(Role, WatchedFile)> {
    let path = settings.optional(key, |path| Ok(PathBuf::from(path)))?;
    Some((role, WatchedFile { key: key.to_owned(), path }))
}

fn min_version(text: &str) -> Result<MinVersion, ConfigError> {
    match text {
        "1.2" => Ok(MinVersion::Tls12),
        "1.3" => Ok(MinVersion::Tls13),
        _ => Err("must be 1.2 or 1.3".to_owned()),
    }
}
