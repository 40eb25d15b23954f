//! Section `auth.jwt`.

use std::collections::BTreeSet;

use http::Uri;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use rustls::ClientConfig;
use url::Url;

use crate::config::error::InvalidValue;
use crate::config::settings::Settings;
use crate::config::upstream::{is_loopback, proxy};
use crate::config::{Loaded, tls};

/// Tokens that authenticate clients.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// Token issuer, exactly as in the claim `iss`. Required; `GATEWAY__AUTH__JWT__ISSUER`.
    pub issuer: String,
    /// URL of the issuer's JWKS. Default: as in its `/.well-known/openid-configuration`; `GATEWAY__AUTH__JWT__JWKS_URL`.
    pub jwks_url: Option<Url>,
    /// Accepted audiences (`aud`): a token must have one of these. Required; `GATEWAY__AUTH__JWT__AUDIENCE`.
    pub audience: Vec<String>,
    /// Permitted signature algorithms. Default `RS256`, `ES256`; `GATEWAY__AUTH__JWT__ALGORITHMS`.
    pub algorithms: Vec<Algorithm>,
    /// The claim that names the upstream of a client. Required where there are several upstreams;
    /// `GATEWAY__AUTH__JWT__UPSTREAM_CLAIM`.
    pub upstream_claim: Option<String>,
    /// The claim with the scopes. Default `scope`; `GATEWAY__AUTH__JWT__SCOPE_CLAIM`.
    pub scope_claim: String,
    /// The URL that requests for keys begin at: `jwks_url`, or the issuer's.
    pub keys_from: Url,
    /// TLS of the connections there: `ca_file`, `client_cert_file`, `client_key_file` and `min_tls_version`, each as for
    /// upstreams; `GATEWAY__AUTH__JWT__CA_FILE` and so on.
    pub tls: Option<Loaded<ClientConfig>>,
    /// HTTP proxy for fetching the keys. Default: none; `GATEWAY__AUTH__JWT__PROXY`.
    pub proxy: Option<Uri>,
}

/// `None` when a setting is missing or not valid, which is reported.
pub(super) fn read(settings: &mut Settings, upstreams: &BTreeSet<String>) -> Option<Jwt> {
    let issuer = settings.required("auth.jwt.issuer", "the issuer of the tokens, as in their claim iss", |text| {
        url(text).map(|url| (text.trim().to_owned(), url))
    });
    let jwks_url = settings.optional("auth.jwt.jwks_url", url);
    let audience = settings.list("auth.jwt.audience", &[]);
    if audience.is_empty() {
        let what = "the audience of the tokens, as in their claim aud";
        settings.report("auth.jwt.audience", InvalidValue::Missing(what.into()));
    }
    let names = settings.list("auth.jwt.algorithms", &["RS256", "ES256"]);
    let algorithms = if names.is_empty() {
        Err(InvalidValue::expected("at least one algorithm: without one, no token is valid"))
    } else {
        names.iter().map(|name| algorithm(name)).collect::<Result<Vec<_>, _>>()
    };
    let algorithms = settings.ok_or_report("auth.jwt.algorithms", algorithms);
    let upstream_claim = settings.optional("auth.jwt.upstream_claim", claim);
    if upstream_claim.is_none() && upstreams.len() > 1 {
        let what = "there is more than one upstream, and a token must name one";
        settings.report("auth.jwt.upstream_claim", InvalidValue::Missing(what.into()));
    }
    let scope_claim = settings.or_default("auth.jwt.scope_claim", "scope".to_owned(), claim);
    let keys_from = jwks_url.clone().or_else(|| issuer.as_ref().map(|(_, url)| url.clone()));
    let is_plain_http = keys_from.as_ref().is_some_and(|url| url.scheme() == "http");
    let tls = tls::client(settings, "auth.jwt", is_plain_http);
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

/// An https URL: an attacker who can change the keys on their way can sign tokens.
fn url(text: &str) -> Result<Url, InvalidValue> {
    let url = Url::parse(text.trim()).ok().filter(Url::has_host);
    let url = url.filter(|url| url.scheme() == "https" || url.scheme() == "http" && is_loopback(url));
    let url = url.ok_or(InvalidValue::expected("a URL that begins with https://"))?;
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidValue::expected("a URL without a user and a fragment"));
    }
    Ok(url)
}

/// An asymmetric algorithm: with a shared secret, anyone who can verify tokens could sign them.
fn algorithm(name: &str) -> Result<Algorithm, InvalidValue> {
    let algorithm = name.parse().ok().filter(|algorithm: &Algorithm| algorithm.family() != AlgorithmFamily::Hmac);
    algorithm.ok_or(InvalidValue::expected("of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA"))
}

fn claim(text: &str) -> Result<String, InvalidValue> {
    let text = text.trim();
    if text.is_empty() { Err(InvalidValue::expected("the name of a claim")) } else { Ok(text.to_owned()) }
}
