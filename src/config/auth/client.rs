//! Sections `auth.clients.<name>`.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};

use crate::config::error::InvalidValue;
use crate::config::reload::Loaded;
use crate::config::server::rate;
use crate::config::settings::Settings;
use crate::model::{Scope, Scopes, StrEnum};

/// A client that authenticates with an API key. The variables are those of a client `shop`.
#[derive(Debug, Clone)]
pub struct Client {
    /// SHA-256 hashes of its keys in hexadecimal digits, more than one while it rotates keys. Required;
    /// `GATEWAY__AUTH__CLIENTS__SHOP__KEY_SHA256`, or `…_KEY_SHA256_FILE` with one hash per line.
    pub key_sha256: Loaded<Vec<KeyHash>>,
    /// Name of the upstream that its requests go to. Default: the only one; `GATEWAY__AUTH__CLIENTS__SHOP__UPSTREAM`.
    pub upstream: String,
    /// Its scopes: `orders:read`, `orders:write`, `customers:read`, `personal-data:read`. Required;
    /// `GATEWAY__AUTH__CLIENTS__SHOP__SCOPES`.
    pub scopes: Scopes,
    /// Rate limit in requests per second, which is the burst size too. Off by default;
    /// `GATEWAY__AUTH__CLIENTS__SHOP__RATE`.
    pub rate: Option<NonZeroU32>,
}

/// SHA-256 of an API key.
pub type KeyHash = [u8; 32];

/// The hash that the configuration has of an API key.
#[must_use]
pub fn hash_of_key(key: &str) -> KeyHash {
    let mut hash = KeyHash::default();
    hash.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    hash
}

pub(super) fn read_all(settings: &mut Settings, upstreams: &BTreeSet<String>) -> BTreeMap<String, Client> {
    let mut clients = BTreeMap::new();
    for name in settings.names_below("auth.clients") {
        if let Some(client) = read(settings, &name, upstreams) {
            clients.insert(name, client);
        }
    }
    let mut owners: BTreeMap<KeyHash, &str> = BTreeMap::new();
    for (name, client) in &clients {
        for hash in &*client.key_sha256.get() {
            if let Some(owner) = owners.insert(*hash, name).filter(|owner| owner != name) {
                let reason = format!("has a key of {owner}: keys distinguish clients");
                settings.report(&format!("auth.clients.{name}.key_sha256"), InvalidValue::Conflict(reason.into()));
            }
        }
    }
    clients
}

/// `None` when a setting is missing or not valid, which is reported.
fn read(settings: &mut Settings, name: &str, upstreams: &BTreeSet<String>) -> Option<Client> {
    let key = |field: &str| format!("auth.clients.{name}.{field}");
    let hashes = read_hashes(settings, &key("key_sha256"));
    let upstream = read_upstream(settings, &key("upstream"), upstreams);
    let scopes = read_scopes(settings, &key("scopes"));
    let rate = settings.optional(&key("rate"), rate);
    Some(Client { key_sha256: hashes?, upstream: upstream?, scopes: scopes?, rate })
}

fn read_hashes(settings: &mut Settings, key: &str) -> Option<Loaded<Vec<KeyHash>>> {
    let file_key = format!("{key}_file");
    let (has_value, has_file) = (settings.is_pending(key), settings.is_pending(&file_key));
    let texts = settings.list(key, &[]);
    let file = settings.optional(&file_key, |path| Ok(PathBuf::from(path)));
    match (has_value, file) {
        (true, Some(_)) => {
            settings.report(key, InvalidValue::Conflict(format!("and {file_key} are both given: give one").into()));
            None
        }
        (false, Some(path)) => settings.ok_or_report_all(Loaded::read(key, path, parse_lines)),
        (true, None) => {
            let hashes = parse_all(texts.iter().map(String::as_str)).map(|hashes| Loaded::given(key, hashes));
            settings.ok_or_report(key, hashes)
        }
        (false, None) if has_file => None,
        (false, None) => {
            settings.report(key, InvalidValue::Missing("SHA-256 of the client's key; keygen prints both".into()));
            None
        }
    }
}

fn parse_lines(text: &str) -> Result<Vec<KeyHash>, InvalidValue> {
    parse_all(text.trim_start_matches('\u{feff}').split([',', '\n']).filter(|line| !line.trim().is_empty()))
}

fn parse_all<'t>(texts: impl Iterator<Item = &'t str>) -> Result<Vec<KeyHash>, InvalidValue> {
    let hashes: Option<Vec<_>> = texts.map(|text| parse_hash(text.trim())).collect();
    hashes.filter(|hashes| !hashes.is_empty()).ok_or(InvalidValue::expected(
        "SHA-256 hashes of 64 hexadecimal digits, one for each key, and not the hash of an empty key",
    ))
}

fn parse_hash(text: &str) -> Option<KeyHash> {
    let hash: KeyHash = hex::decode(text).ok()?.try_into().ok()?;
    // A script that lost its key still prints this hash.
    (hash != hash_of_key("")).then_some(hash)
}

fn read_upstream(settings: &mut Settings, key: &str, upstreams: &BTreeSet<String>) -> Option<String> {
    match settings.optional(key, |name| Ok(name.trim().to_owned())) {
        Some(name) if upstreams.contains(&name) => Some(name),
        Some(_) => {
            settings.report(key, InvalidValue::expected("the name of an upstream of this configuration"));
            None
        }
        None if upstreams.len() > 1 => {
            let reason = "there is more than one upstream, and a client belongs to one";
            settings.report(key, InvalidValue::Missing(reason.into()));
            None
        }
        // Without any upstream, the missing upstream is reported instead.
        None => upstreams.first().cloned(),
    }
}

fn read_scopes(settings: &mut Settings, key: &str) -> Option<Scopes> {
    let names = settings.list(key, &[]);
    let scopes: Option<Vec<_>> = names.iter().map(|name| Scope::parse(name)).collect();
    let scopes = scopes
        .filter(|scopes| !scopes.is_empty())
        .ok_or(InvalidValue::expected("one or more of orders:read, orders:write, customers:read, personal-data:read"));
    settings.ok_or_report(key, scopes).map(|scopes| scopes.into_iter().collect())
}
