//! The client itself.

use serde::Deserialize;

use super::value::{Object, Text};
use crate::model::{Scope, Scopes, StrEnum};

#[derive(Debug, Deserialize)]
struct MeMembers<'a> {
    #[serde(borrow)]
    scopes: Vec<Text<'a>>,
}

/// What a client may do. Scopes that are not known permit nothing that is done here. `None` if the JSON does not say.
pub(in crate::rest) fn read_scopes(json: &[u8]) -> Option<Scopes> {
    let Object(MeMembers { scopes }) = serde_json::from_slice(json).ok()?;
    Some(scopes.iter().filter_map(|scope| Scope::parse(scope.trimmed()?)).collect())
}
