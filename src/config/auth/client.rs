//! Sections `auth.clients.<name>`.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};

use crate::config::reload::{Contents, Loaded};
use crate::config::server::rate;
use crate::config::settings::{ConfigError, Settings};
use crate::model::{Scope, Scopes, StrEnum};

/// A client that is known by its key. The variables are those of a client `shop`.
#[derive(Debug, Clone)]
pub struct Client {
    /// SHA-256 of each key that is good, in hexadecimal digits; more than one while the client changes from one to another.
    /// Required; `GATEWAY__AUTH__CLIENTS__SHOP__KEY_SHA256` or `…_KEY_SHA256_FILE`, which has one a line.
    pub key_sha256: Loaded<Vec<KeyHash>>,
    /// The upstream that its requests are for. Default: the only one; `GATEWAY__AUTH__CLIENTS__SHOP__UPSTREAM`.
    pub upstream: String,
    /// What it may do: `orders:read`, `orders:write`, `customers:read`, `personal-data:read`. Required;
    /// `GATEWAY__AUTH__CLIENTS__SHOP__SCOPES`.
    pub scopes: Scopes,
    /// How many requests a second it may make; as many may come at once. Off by default;
    /// `GATEWAY__AUTH__CLIENTS__SHOP__RATE`.
    pub rate: Option<NonZeroU32>,
}

/// SHA-256 of a key.
pub type KeyHash = [u8; 32];

/// What stands in the configuration for a key.
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
                settings.fault(
                    &format!("auth.clients.{name}.key_sha256"),
                    &format!("has a key of {owner}: keys tell clients apart"),
                );
            }
        }
    }
    clients
}

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
    let (is_given, has_file) = (settings.is_pending(key), settings.is_pending(&file_key));
    let given = settings.list(key, &[]);
    let file = settings.optional(&file_key, |path| Ok(PathBuf::from(path)));
    let hashes = match (is_given, has_file) {
        (true, true) => Err(format!("and {file_key} are both given: give one")),
        (false, true) => Loaded::read(key, file.into_iter().collect(), |contents: &[Contents]| parse_lines(contents)),
        (true, false) => parse_all(given.iter().map(String::as_str)).map(|hashes| Loaded::given(key, hashes)),
        (false, false) => Err("is missing: SHA-256 of the client's key; keygen makes both".to_owned()),
    };
    hashes.map_err(|misfit| settings.fault(key, &misfit)).ok()
}

fn parse_lines(contents: &[Contents]) -> Result<Vec<KeyHash>, ConfigError> {
    let texts: Result<Vec<_>, _> = contents.iter().map(|bytes| std::str::from_utf8(bytes)).collect();
    let texts = texts.map_err(|_| "names a file that is no text".to_owned())?;
    parse_all(
        texts
            .iter()
            .flat_map(|text| text.trim_start_matches('\u{feff}').split([',', '\n']))
            .filter(|line| !line.trim().is_empty()),
    )
}

fn parse_all<'t>(texts: impl Iterator<Item = &'t str>) -> Result<Vec<KeyHash>, ConfigError> {
    let hashes: Option<Vec<_>> = texts.map(|text| parse_hash(text.trim())).collect();
    let hashes = hashes.filter(|hashes| !hashes.is_empty());
    hashes.ok_or_else(|| "must be SHA-256 in 64 hexadecimal digits, one for each key, and not that of nothing".to_owned())
}

fn parse_hash(text: &str) -> Option<KeyHash> {
    let hash: KeyHash = hex::decode(text).ok()?.try_into().ok()?;
    // What a tool writes that was given no key.
    (hash != hash_of_key("")).then_some(hash)
}

fn read_upstream(settings: &mut Settings, key: &str, upstreams: &BTreeSet<String>) -> Option<String> {
    match settings.optional(key, |name| Ok(name.trim().to_owned())) {
        Some(name) if upstreams.contains(&name) => Some(name),
        Some(_) => {
            settings.fault(key, "names no upstream of this configuration");
            None
        }
        None if upstreams.len() > 1 => {
            settings.fault(key, "is missing: there is more than one upstream, and every client belongs to one");
            None
        }
        // Without any upstream that is the fault which is told.
        None => upstreams.first().cloned(),
    }
}

fn read_scopes(settings: &mut Settings, key: &str) -> Option<Scopes> {
    let words = settings.list(key, &[]);
    let scopes: Option<Vec<_>> = words.iter().map(|word| Scope::parse(word)).collect();
    let scopes = scopes.filter(|scopes| !scopes.is_empty());
    if scopes.is_none() {
        settings.fault(key, "must be one or more of orders:read, orders:write, customers:read, personal-data:read");
    }
    scopes.map(|scopes| scopes.into_iter().collect())
}
