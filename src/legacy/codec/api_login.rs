//! `api_login`: exchanges a user and a key for a session hash.

use crate::legacy::query::{InvalidParams, QueryParams};
use crate::legacy::session::SessionHash;
use crate::legacy::xml::{Element, Writer};

pub(in crate::legacy) fn request(api_user: &str, api_key: &str) -> QueryParams {
    QueryParams::default().with("api_user", api_user).with("api_key", api_key)
}

/// The user and the key.
pub(in crate::legacy) fn read_request(params: &QueryParams) -> Result<(&str, &str), InvalidParams> {
    Ok((params.get("api_user")?, params.get("api_key")?))
}

/// Decodes the elements of an answer. `None` if they have no hash that a query string could carry.
pub(in crate::legacy) fn decode<'t>(mut elements: impl Iterator<Item = Element<'t>>) -> Option<SessionHash> {
    const MAX_LENGTH: usize = 256;
    let hash = elements.by_ref().find_map(Element::text)?;
    // Calls with the wrong one of two would be refused.
    let is_only = elements.filter_map(Element::text).all(|other| other == hash);
    let is_usable = is_only && hash.len() <= MAX_LENGTH && hash.bytes().all(|byte| byte.is_ascii_graphic());
    is_usable.then(|| SessionHash::new(&hash))
}

pub(in crate::legacy) fn encode(hash: &str, xml: &mut Writer) {
    xml.text("message", "API user logged in");
    xml.text("hash_key", hash);
}
