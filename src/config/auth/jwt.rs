//! Section `auth.jwt`.

use std::collections::BTreeSet;

use http::Uri;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use rustls::ClientConfig;
use url::Url;

use crate::config::settings::{ConfigError, Settings};
use crate::config::upstream::{is_loopback, proxy};
use crate::config::{Loaded, tls};

/// Tokens by which callers are known.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// Who signs them, exactly as their `iss` says. Required; `GATEWAY__AUTH__JWT__ISSUER`.
    pub issuer: String,
    /// Where the issuer's keys are. Default: what its `/.well-known/openid-configuration` says;
    /// `GATEWAY__AUTH__JWT__JWKS_URL`.
    pub jwks_url: Option<Url>,
    /// Whom they must be for: their `aud` must be or have one of these. Required; `GATEWAY__AUTH__JWT__AUDIENCE`.
    pub audience: Vec<String>,
    /// How they may be signed. Default `RS256`, `ES256`; `GATEWAY__AUTH__JWT__ALGORITHMS`.
    pub algorithms: Vec<Algorithm>,
    /// The claim that names the upstream a caller belongs to. Required where there is more than one;
    /// `GATEWAY__AUTH__JWT__UPSTREAM_CLAIM`.
    pub upstream_claim: Option<String>,
    /// The claim that has the scopes. Default `scope`; `GATEWAY__AUTH__JWT__SCOPE_CLAIM`.
    pub scope_claim: String,
    /// The address that is asked first: `jwks_url`, or else the issuer's.
    pub keys_from: Url,
    /// Whom https connections there trust and how they are made: `ca_file`, `client_cert_file`, `client_key_file`,
    /// `min_tls_version`, each as for upstreams; `GATEWAY__AUTH__JWT__CA_FILE` and so on.
    pub tls: Option<Loaded<ClientConfig>>,
    /// The http proxy that the keys are fetched through. None by default; `GATEWAY__AUTH__JWT__PROXY`.
    pub proxy: Option<Uri>,
}

pub(super) fn read(settings: &mut Settings, upstreams: &BTreeSet<String>) -> Option<Jwt> {
    let issuer = settings.required("auth.jwt.issuer", "who signs the tokens, as their iss says", |text| {
        url(text).map(|url| (text.trim().to_owned(), url))
    });
    let jwks_url = settings.optional("auth.jwt.jwks_url", url);
    let audience = settings.list("auth.jwt.audience", &[]);
    if audience.is_empty() {
        settings.fault("auth.jwt.audience", "is missing: whom the tokens must be for, as their aud says");
    }
    let algorithms = settings.list("auth.jwt.algorithms", &["RS256", "ES256"]);
    let algorithms = if algorithms.is_empty() {
        Err("must not be empty: no token would be good".to_owned())
    } else {
        algorithms.iter().map(|name| algorithm(name)).collect::<Result<Vec<_>, _>>()
    };
    let algorithms = algorithms.map_err(|misfit| settings.fault("auth.jwt.algorithms", &misfit)).ok();
    let upstream_claim = settings.optional("auth.jwt.upstream_claim", claim);
    if upstream_claim.is_none() && upstreams.len() > 1 {
        settings.fault("auth.jwt.upstream_claim", "is missing: there is more than one upstream, and a token must say which");
    }
    let scope_claim = settings.or_default("auth.jwt.scope_claim", "scope".to_owned(), claim);
    let keys_from = jwks_url.clone().or_else(|| issuer.as_ref().map(|(_, url)| url.clone()));
    let is_plain = keys_from.as_ref().is_some_and(|url| url.scheme() == "http");
    let tls = tls::client(settings, "auth.jwt", is_plain);
    let proxy = settings.optional("auth.jwt.proxy", proxy);
    let (issuer, _) = issuer?;
    Some(Jwt {
        issuer,
        jwks_url,
        audience,
        algorithms: algorithms?,
        upstream_claim,
        scope_claim,
        keys_from: keys_from?,
        tls,
        proxy,
    })
}

/// Whoever can change the keys on the way can sign tokens, so they come by https.
fn url(text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text.trim()).ok().filter(Url::has_host);
    let url = url.filter(|url| url.scheme() == "https" || url.scheme() == "http" && is_loopback(url));
    let url = url.ok_or("must be an address that begins with https://")?;
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("must have no user and no fragment".to_owned());
    }
    Ok(url)
}

/// A token that is signed with a secret could be made by everybody who can check it.
fn algorithm(name: &str) -> Result<Algorithm, ConfigError> {
    let algorithm = name.parse().ok().filter(|algorithm: &Algorithm| algorithm.family() != AlgorithmFamily::Hmac);
    algorithm.ok_or_else(|| "must be of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA".to_owned())
}

fn claim(text: &str) -> Result<String, ConfigError> {
    let text = text.trim();
    if text.is_empty() { Err("must be the name of a claim".to_owned()) } else { Ok(text.to_owned()) }
}
