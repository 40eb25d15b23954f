//! Clients with keys, as variables of the configuration.

use tjansteguiden_gateway::config::hash_of_key;

/// A client of the configuration; its key is its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'c> {
    pub(crate) name: &'c str,
    pub(crate) upstream: &'c str,
    /// With commas between them.
    pub(crate) scopes: &'c str,
}

impl Client<'_> {
    /// The variables that make it known.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let Self { name, upstream, scopes } = self;
        let variable = |field: &str| format!("AUTH__CLIENTS__{}__{field}", name.to_uppercase());
        vec![
            ("AUTH__MODE".to_owned(), "api-key".to_owned()),
            (variable("KEY_SHA256"), hash(name)),
            (variable("UPSTREAM"), (*upstream).to_owned()),
            (variable("SCOPES"), (*scopes).to_owned()),
        ]
    }
}

/// What the configuration knows of a key.
pub(crate) fn hash(key: &str) -> String {
    hex::encode(hash_of_key(key))
}

/// Everything that a caller may do.
pub(crate) const ALL_SCOPES: &str = "orders:read,orders:write,customers:read,personal-data:read";

/// Variables as tests give them to a gateway.
pub(crate) fn borrowed(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
