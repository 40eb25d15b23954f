//! Certificates and private keys, in sections `server.tls`, `upstreams.<name>` and `auth.jwt`. All of them are in files.
//!
//! The files of one section are loaded and reloaded together, so that a certificate is never used with the key of another
//! one, even while one file has been replaced and the other has not yet.

use std::path::PathBuf;

use rustls::{ClientConfig, ServerConfig};
use url::Url;

use super::error::{ConfigErrors, InvalidValue};
use super::file::Contents;
use super::reload::{Loaded, WatchedFile};
use super::settings::Settings;
use crate::tls::{self, CertChain, ClientIdentity, Key, MinVersion, TlsError, TrustStore};

/// TLS of the API. `None` when it is not configured.
pub(super) fn server(settings: &mut Settings) -> Option<Loaded<ServerConfig>> {
    const CERTIFICATE: &str = "server.tls.cert_file";
    const CLIENT_CAS: &str = "server.tls.client_ca_file";
    let pair = pair(settings, CERTIFICATE, "server.tls.key_file");
    let client_cas = file(settings, CLIENT_CAS, Role::Cas);
    if client_cas.is_some() && !settings.is_given(CERTIFICATE) {
        let reason = format!("needs {CERTIFICATE}: client certificates require TLS");
        settings.report(CLIENT_CAS, InvalidValue::Conflict(reason.into()));
    }
    let files = pair?.into_iter().chain(client_cas).collect();
    read(settings, CERTIFICATE, files, None, |TlsFiles { cas, identity }| {
        tls::server(identity.ok_or(TlsError::NoCertificate)?, cas)
    })
}

/// TLS of connections to the server of a URL: whom they trust and how they identify themselves. `None` when it is not
/// configured; then they trust the system trust store.
pub(super) fn client(settings: &mut Settings, section: &str, url: Option<&Url>) -> Option<Loaded<ClientConfig>> {
    let keys = ["ca_file", "client_cert_file", "client_key_file", "min_tls_version"];
    let keys = keys.map(|name| format!("{section}.{name}"));
    let [cas, certificate, private_key, min_version] = &keys;
    let cas = file(settings, cas, Role::Cas);
    let pair = pair(settings, certificate, private_key);
    let min_version = settings.or_default(min_version, MinVersion::default(), parse_min_version);
    let given: Vec<_> = keys.iter().filter(|key| settings.is_given(key)).collect();
    if url.is_some_and(|url| url.scheme() == "http") {
        for key in given {
            settings.report(key, InvalidValue::Conflict("has no effect: the URL is plain http".into()));
        }
        return None;
    }
    let ca_file = cas.as_ref().map(|(_, watched)| watched.file.clone());
    let host = url.and_then(Url::host_str).map(|host| host.trim_matches(['[', ']']).to_owned());
    let files = cas.into_iter().chain(pair.into_iter().flatten()).collect();
    let make = move |TlsFiles { cas, identity }| tls::client(cas, identity, min_version);
    let loaded = read(settings, given.first()?, files, host, make)?;
    let bytes = ca_file.and_then(|file| file.read().ok());
    for position in bytes.map(|bytes| TrustStore::expired(&bytes)).unwrap_or_default() {
        settings.warn(format!("{section}.ca_file names a file whose certificate {position} has expired"));
    }
    Some(loaded)
}

/// What a file contains.
#[derive(Debug, Clone, Copy)]
enum Role {
    Certificate,
    Key,
    Cas,
}

/// The parsed contents of the files of one section.
#[derive(Debug, Default)]
struct TlsFiles {
    cas: Option<TrustStore>,
    identity: Option<ClientIdentity>,
}

impl TlsFiles {
    /// CA certificates are those for connections to `host`; without one, for connections from clients.
    fn parse<'a>(
        files: impl Iterator<Item = (&'a (Role, WatchedFile), &'a Contents)>,
        host: Option<&str>,
    ) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let (mut cas, mut chain, mut key) = (None, None, None);
        for ((role, file), contents) in files {
            match role {
                Role::Certificate => chain = errors.ok_or_report(&file.key, CertChain::parse(contents)),
                Role::Key => key = errors.ok_or_report(&file.key, Key::parse(contents)).map(|key| (key, &file.key)),
                Role::Cas => {
                    let parsed = match host {
                        Some(host) => TrustStore::parse_for_host(contents, host),
                        None => TrustStore::parse(contents),
                    };
                    cas = errors.ok_or_report(&file.key, parsed);
                }
            }
        }
        let pair = chain.zip(key);
        let identity = pair.and_then(|(chain, (key, name))| errors.ok_or_report(name, ClientIdentity::try_new(chain, key)));
        errors.into_result(Self { cas, identity })
    }
}

/// Makes a value of files, now and whenever they change. An error that concerns no single file is reported for `key`.
fn read<T>(
    settings: &mut Settings,
    key: &str,
    files: Vec<(Role, WatchedFile)>,
    host: Option<String>,
    make: impl Fn(TlsFiles) -> Result<T, TlsError> + Send + Sync + 'static,
) -> Option<Loaded<T>> {
    let watched = files.iter().map(|(_, file)| file.clone()).collect();
    let name = key.to_owned();
    let loaded = Loaded::read_all(key, watched, move |contents| {
        make(TlsFiles::parse(files.iter().zip(contents), host.as_deref())?).map_err(|error| ConfigErrors::one(&name, error))
    });
    settings.ok_or_report_all(loaded)
}

/// A certificate and its private key: both or neither.
fn pair(settings: &mut Settings, certificate: &str, key: &str) -> Option<[(Role, WatchedFile); 2]> {
    match (settings.is_given(certificate), settings.is_given(key)) {
        (true, false) => {
            settings.report(key, InvalidValue::Missing(format!("the private key of the certificate in {certificate}").into()));
        }
        (false, true) => {
            settings.report(certificate, InvalidValue::Missing(format!("the certificate of the key in {key}").into()));
        }
        (true, true) | (false, false) => {}
    }
    let (certificate, key) = (file(settings, certificate, Role::Certificate), file(settings, key, Role::Key));
    certificate.zip(key).map(|(certificate, key)| [certificate, key])
}

fn file(settings: &mut Settings, key: &str, role: Role) -> Option<(Role, WatchedFile)> {
    let path = settings.optional(key, |path| Ok(PathBuf::from(path)))?;
    Some((role, WatchedFile::new(key, path)))
}

fn parse_min_version(text: &str) -> Result<MinVersion, InvalidValue> {
    match text {
        "1.2" => Ok(MinVersion::Tls12),
        "1.3" => Ok(MinVersion::Tls13),
        _ => Err(InvalidValue::expected("1.2 or 1.3")),
    }
}
