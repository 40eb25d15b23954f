//! `api_login`: a hash for a user and a key.

use crate::legacy::query::{BadRequest, QueryParams};
use crate::legacy::session::SessionHash;
use crate::legacy::xml::{Element, Writer};

pub(in crate::legacy) fn request(api_user: &str, api_key: &str) -> QueryParams {
    QueryParams::default().with("api_user", api_user).with("api_key", api_key)
}

/// The user and the key.
pub(in crate::legacy) fn read_request(request: &QueryParams) -> Result<(&str, &str), BadRequest> {
    Ok((request.get("api_user")?, request.get("api_key")?))
}

/// Reads the parts of an answer; `None` when there is no hash in them that a request could carry.
pub(in crate::legacy) fn decode<'t>(parts: impl Iterator<Item = Element<'t>>) -> Option<SessionHash> {
    const MAX_LENGTH: usize = 256;
    let mut hashes = parts.filter_map(Element::trimmed);
    let hash = hashes.next()?;
    let is_usable = hash.len() <= MAX_LENGTH && hash.bytes().all(|byte| byte.is_ascii_graphic());
    is_usable.then(|| SessionHash::new(hash))
}

pub(in crate::legacy) fn encode(hash: &str, xml: &mut Writer) {
    xml.text("message", "API user logged in");
    xml.text("hash_key", hash);
}
