//! Section `auth.jwt`.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Uri;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use rustls::ClientConfig;
use url::Url;

use crate::config::error::InvalidValue;
use crate::config::settings::{Settings, any_duration, boolean};
use crate::config::transport::{is_loopback, is_loopback_proxy, proxy};
use crate::config::{Loaded, Resolver, tls};

/// Tokens that authenticate clients.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// Token issuer, exactly as in the claim `iss`. Required; `GATEWAY__AUTH__JWT__ISSUER`.
    pub issuer: String,
    /// URL of the issuer's JWKS. Default: as in its `/.well-known/openid-configuration`; `GATEWAY__AUTH__JWT__JWKS_URL`.
    pub jwks_url: Option<Url>,
    /// Permits fetching the keys over plain HTTP from another machine. Default false; `GATEWAY__AUTH__JWT__ALLOW_HTTP`.
    pub allow_http: bool,
    /// Accepted audiences (`aud`): a token must have one of these. Required; `GATEWAY__AUTH__JWT__AUDIENCE`.
    pub audience: Vec<String>,
    /// Permitted signature algorithms. Default `RS256`, `ES256`; `GATEWAY__AUTH__JWT__ALGORITHMS`.
    pub algorithms: Vec<Algorithm>,
    /// Permitted clock skew between the issuer and the gateway, at most 10 minutes. Default 5s; `GATEWAY__AUTH__JWT__LEEWAY`.
    pub leeway: Duration,
    /// The claim that names the upstream of a client: its name, or a dotted path. Required where there are several upstreams;
    /// `GATEWAY__AUTH__JWT__UPSTREAM_CLAIM`.
    pub upstream_claim: Option<String>,
    /// The claims with the scopes, each a name or a dotted path. Default `scope`; `GATEWAY__AUTH__JWT__SCOPE_CLAIMS`, or its
    /// older name `GATEWAY__AUTH__JWT__SCOPE_CLAIM`.
    pub scope_claims: Vec<String>,
    /// What precedes each scope in these claims; scopes without it are ignored. Default: nothing;
    /// `GATEWAY__AUTH__JWT__SCOPE_PREFIX`.
    pub scope_prefix: String,
    /// The URL that requests for keys begin at: `jwks_url`, or the issuer's.
    pub keys_from: Url,
    /// TLS of the connections there: `ca_file`, `client_cert_file`, `client_key_file` and `min_tls_version`, each as for
    /// upstreams; `GATEWAY__AUTH__JWT__CA_FILE` and so on.
    pub tls: Option<Loaded<ClientConfig>>,
    /// HTTP proxy for fetching the keys. Default: none; `GATEWAY__AUTH__JWT__PROXY`.
    pub proxy: Option<Uri>,
    /// How the issuer's name and that of the proxy are looked up.
    pub resolver: Resolver,
}

const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);
const MAX_LEEWAY: Duration = Duration::from_mins(10);

/// `None` when a setting is missing or not valid, which is reported.
pub(super) fn read(settings: &mut Settings, upstreams: &BTreeSet<String>) -> Option<Jwt> {
    let has_jwks_url = settings.is_given("auth.jwt.jwks_url");
    let issuer = settings.required("auth.jwt.issuer", "the issuer of the tokens, as in their claim iss", text);
    let jwks_url = settings.optional("auth.jwt.jwks_url", url);
    // The issuer is only a name, and need not be a URL, where its keys are fetched from another one.
    let issuer_url = issuer.as_deref().filter(|_| !has_jwks_url).map(url);
    let issuer_url = issuer_url.and_then(|url| settings.ok_or_report("auth.jwt.issuer", url));
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
    let leeway = settings.or_default("auth.jwt.leeway", DEFAULT_LEEWAY, leeway);
    let upstream_claim = settings.optional("auth.jwt.upstream_claim", text);
    if upstream_claim.is_none() && upstreams.len() > 1 {
        let what = "there is more than one upstream, and a token must name one";
        settings.report("auth.jwt.upstream_claim", InvalidValue::Missing(what.into()));
    }
    let scope_claims = scope_claims(settings);
    let scope_prefix = settings.optional("auth.jwt.scope_prefix", |text| Ok(text.trim().to_owned())).unwrap_or_default();

    let keys_from = jwks_url.clone().or(issuer_url);
    let is_plain_http = keys_from.as_ref().is_some_and(|url| url.scheme() == "http");
    let tls = tls::client(settings, "auth.jwt", keys_from.as_ref());
    let proxy = settings.optional("auth.jwt.proxy", proxy);
    let allow_http = settings.or_default("auth.jwt.allow_http", false, boolean);
    let leaves_the_machine = keys_from.as_ref().is_some_and(|url| !is_loopback(url))
        || proxy.as_ref().is_some_and(|proxy| !is_loopback_proxy(proxy));
    if is_plain_http && !allow_http && leaves_the_machine {
        let key = if jwks_url.is_some() { "auth.jwt.jwks_url" } else { "auth.jwt.issuer" };
        let reason = "is plain http to another machine, where an attacker who can change the keys on their way can sign tokens: \
                      use https, or set auth.jwt.allow_http = true inside a trusted network";
        settings.report(key, InvalidValue::Conflict(reason.into()));
    }
    Some(Jwt {
        issuer: issuer?,
        jwks_url,
        allow_http,
        audience,
        algorithms: algorithms?,
        leeway,
        upstream_claim,
        scope_claims,
        scope_prefix,
        keys_from: keys_from?,
        tls,
        proxy,
        resolver: Resolver::default(),
    })
}

/// `scope_claim` is the older name of `scope_claims`.
fn scope_claims(settings: &mut Settings) -> Vec<String> {
    const KEYS: [&str; 2] = ["auth.jwt.scope_claims", "auth.jwt.scope_claim"];
    let [key, alias] = KEYS;
    if settings.is_given(key) && settings.is_given(alias) {
        settings.list(alias, &[]);
        settings
            .report(alias, InvalidValue::Conflict(format!("is the older name of {key}, and both are given: give one").into()));
    }
    let given = KEYS.into_iter().find(|key| settings.is_given(key)).unwrap_or(key);
    let claims = settings.list(given, &["scope"]);
    if claims.is_empty() {
        settings.report(given, InvalidValue::expected("the name of at least one claim"));
    }
    claims
}

fn url(text: &str) -> Result<Url, InvalidValue> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
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

fn leeway(text: &str) -> Result<Duration, InvalidValue> {
    let leeway = any_duration(text)?;
    if leeway > MAX_LEEWAY { Err(InvalidValue::expected("at most 10m")) } else { Ok(leeway) }
}

fn text(text: &str) -> Result<String, InvalidValue> {
    let text = text.trim();
    if text.is_empty() { Err(InvalidValue::expected("a text that is not empty")) } else { Ok(text.to_owned()) }
}
