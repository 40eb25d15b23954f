//! API clients as configuration variables.

use tjansteguiden_gateway::config::hash_of_key;

/// A configured API client, whose API key is its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ApiClient<'c> {
    pub(crate) name: &'c str,
    pub(crate) upstream: &'c str,
    /// Comma-separated.
    pub(crate) scopes: &'c str,
}

impl ApiClient<'_> {
    /// The configuration variables that define this client.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let Self { name, upstream, scopes } = self;
        let variable = |field: &str| format!("AUTH__CLIENTS__{}__{field}", name.to_uppercase());
        vec![
            ("AUTH__MODE".to_owned(), "api-key".to_owned()),
            (variable("KEY_SHA256"), api_key_hash(name)),
            (variable("UPSTREAM"), (*upstream).to_owned()),
            (variable("SCOPES"), (*scopes).to_owned()),
        ]
    }
}

/// The hash of an API key as the configuration stores it.
pub(crate) fn api_key_hash(key: &str) -> String {
    hex::encode(hash_of_key(key))
}

/// All scopes, comma-separated.
pub(crate) const ALL_SCOPES: &str = "orders:read,orders:write,customers:read,personal-data:read";

/// Variables in the form that [`super::Gateway::with`] takes.
pub(crate) fn borrowed(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
