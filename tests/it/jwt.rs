//! Authentication by JWT: the issuer's tokens are accepted, and every kind of invalid token is rejected.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::issuer::{AUDIENCE, Issuer, jwks, keys, sign, sign_parts};
use crate::support::log::audit_lines;
use crate::support::{Answer, Gateway, Upstream};

async fn gateway(upstream: &Upstream, issuer: &Issuer, more: &[(&str, &str)]) -> Gateway {
    let issuer_url = issuer.url();
    let settings = [("AUTH__MODE", "jwt"), ("AUTH__JWT__ISSUER", &issuer_url), ("AUTH__JWT__AUDIENCE", AUDIENCE)];
    Gateway::with(upstream, &[&settings[..], more].concat()).await
}

async fn get(gateway: &Gateway, target: &str, token: &str) -> Answer {
    gateway.send(gateway.request(Method::GET, target).bearer_auth(token)).await
}

/// The encoding of the parts of a token.
fn base64url(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

#[tokio::test]
async fn served_document_has_bearer_tokens_only() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;

    let document = gateway.get("/openapi.json").await.ok();

    assert_eq!(document["paths"]["/orders"]["get"]["security"], json!([{"bearer": []}]));
    let schemes = document["components"]["securitySchemes"].as_object().expect("schemes");
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["bearer"]);
    assert_eq!(schemes["bearer"]["description"], "A JWT access token of the configured issuer.");
}

#[tokio::test]
async fn valid_tokens_grant_their_scopes() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;
    let token = |changes: Value| issuer.token(&changes);

    for token in [
        token(json!({})),
        sign("ec", Algorithm::ES256, &keys().ec, &issuer.claims(&json!({}))),
        token(json!({"aud": ["other", AUDIENCE]})),
        token(json!({"nbf": null})),
        token(json!({"exp": "now -3", "nbf": "now 3"})),
        token(json!({"scope": ["orders:read", "customers:read"]})),
        token(json!({"scope": "orders:read,\tcustomers:read"})),
        token(json!({"nbf": 1.7e9, "iat": 1.7e9, "exp": 3.2e10})),
        token(json!({"exp": 32_503_680_000.5})),
        encode(&Header::new(Algorithm::ES256), &issuer.claims(&json!({})), &keys().ec).expect("a token"),
    ] {
        get(&gateway, "/orders/20417", &token).await.ok();
    }

    let answer = get(&gateway, "/customers/18020", &token(json!({}))).await;
    assert_eq!(answer.ok()["personalIdentityNumber"], "19121212-****");

    let answer = get(&gateway, "/customers/18020", &token(json!({"scope": "customers:read personal-data:read"}))).await;
    assert_eq!(answer.ok()["personalIdentityNumber"], "191212121212");

    for scope in [json!(null), json!(""), json!("orders:write"), json!("ORDERS:READ"), json!("x/orders:read"), json!(7)] {
        get(&gateway, "/orders/20417", &token(json!({"scope": scope}))).await.problem(403, "forbidden");
    }

    let key = gateway.request(Method::GET, "/orders/20417").header("x-api-key", token(json!({})));
    gateway.send(key).await.problem(401, "unauthenticated");
    assert_eq!(issuer.fetches(), 1);
}

/// Invalid tokens: the fault of each, and the token.
fn forged(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let valid = issuer.token(&json!({}));
    let [header, claims, signature]: [&str; 3] = valid.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let token = |changes: Value| issuer.token(&changes);
    let claims_json = issuer.claims(&json!({}));
    let signed = |header: Header| encode(&header, &claims_json, &keys().rsa).expect("a token");
    let header_of = |id: &str| Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::RS256) };
    let unsigned = |name: &str| format!("{}.{claims}.", base64url(json!({"alg": name, "kid": "rsa"}).to_string().as_bytes()));
    let modulus = jwks()["keys"][1]["n"].as_str().expect("a modulus").to_owned();
    let secret = EncodingKey::from_base64_secret(&modulus).unwrap_or_else(|_| EncodingKey::from_secret(modulus.as_bytes()));
    let more_scopes = base64url(issuer.claims(&json!({"scope": "orders:read orders:write"})).to_string().as_bytes());
    let header_with = |name: &str, value: Value| {
        let mut header = json!({"alg": "RS256", "kid": "foreign"});
        header[name] = value;
        let message = format!("{}.{claims}", base64url(header.to_string().as_bytes()));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &keys().foreign, Algorithm::RS256).expect("a signature");
        format!("{message}.{signature}")
    };
    vec![
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("alg NONE with a signature", format!("{}{signature}", unsigned("NONE"))),
        ("HS256 with the modulus", sign("rsa", Algorithm::HS256, &secret, &claims_json)),
        (
            "HS256 with the set",
            sign("rsa", Algorithm::HS256, &EncodingKey::from_secret(jwks().to_string().as_bytes()), &claims_json),
        ),
        ("HS256 with nothing", sign("rsa", Algorithm::HS256, &EncodingKey::from_secret(b""), &claims_json)),
        ("expired", token(json!({"exp": "now -6"}))),
        ("expired long ago", token(json!({"exp": 1}))),
        ("not yet valid", token(json!({"nbf": "now 60"}))),
        ("nbf is not a number", token(json!({"nbf": "soon"}))),
        ("another issuer", token(json!({"iss": "http://127.0.0.1:1/realm"}))),
        ("an issuer with a slash", token(json!({"iss": format!("{}/", issuer.url())}))),
        ("a list of issuers", token(json!({"iss": [issuer.url(), "x"]}))),
        ("no issuer", token(json!({"iss": null}))),
        ("another audience", token(json!({"aud": "orders-api-2"}))),
        ("an empty audience", token(json!({"aud": []}))),
        ("no audience", token(json!({"aud": null}))),
        ("no expiry", token(json!({"exp": null}))),
        ("expiry is not a number", token(json!({"exp": "32503680000"}))),
        ("negative expiry", token(json!({"exp": -1}))),
        ("no subject", token(json!({"sub": null}))),
        ("an empty subject", token(json!({"sub": " "}))),
        ("a subject that is not a string", token(json!({"sub": 7}))),
        ("a long subject", token(json!({"sub": "s".repeat(256)}))),
        ("signed with another key", sign("rsa", Algorithm::RS256, &keys().foreign, &claims_json)),
        ("an unknown key", signed(header_of("foreign"))),
        ("a key for encryption", signed(header_of("enc"))),
        ("a key of another type", signed(header_of("ec"))),
        ("an algorithm that is not allowed", sign("rsa", Algorithm::RS384, &keys().rsa, &claims_json)),
        ("a padding that is not allowed", sign("rsa", Algorithm::PS256, &keys().rsa, &claims_json)),
        ("critical extensions", signed(Header { crit: Some(vec!["exp".to_owned()]), ..header_of("rsa") })),
        ("an embedded key", header_with("jwk", jwks()["keys"][1].clone())),
        ("a certificate", header_with("x5c", json!(["MIIB"]))),
        ("a URL of a certificate", header_with("x5u", json!("http://127.0.0.1:1/certificate"))),
        ("a URL of keys", header_with("jku", json!("http://127.0.0.1:1/keys"))),
        ("other claims", format!("{header}.{more_scopes}.{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        ("half a signature", format!("{header}.{claims}.{}", &signature[..100])),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{valid}.{signature}")),
        ("not base64", format!("{header}.{{}}.{signature}")),
        ("not JSON", format!("{}.{claims}.{signature}", base64url(b"hello"))),
        ("empty parts", "..".to_owned()),
        ("too long", token(json!({"more": "m".repeat(8_000)}))),
    ]
}

/// Tokens that are signed with the right key, but have a header or claims that no valid token has; and some that a careless
/// verifier accepts.
fn ill_formed(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let valid = issuer.token(&json!({}));
    let claims = valid.split('.').nth(1).expect("claims");
    let token = |changes: Value| issuer.token(&changes);
    let claims_json = issuer.claims(&json!({}));
    let text = claims_json.to_string();
    let with_header = |members: &str| sign_parts(&format!(r#"{{"alg":"RS256","kid":"rsa"{members}}}"#), &text);
    let with_claims = |claims: &str| sign_parts(r#"{"alg":"RS256","kid":"rsa"}"#, claims);
    let with_kid = |kid: &str| sign(kid, Algorithm::RS256, &keys().foreign, &claims_json);
    let no_curve_point = format!("{}.{}", signed_part("ES256", "ec", claims), base64url(&[0; 64]));
    let other_last_bits = {
        // 256 bytes are 342 characters, of which the last has 4 unused bits.
        let (most, last) = valid.split_at(valid.len() - 1);
        format!("{most}{}", char::from(last.as_bytes()[0] + 1))
    };
    vec![
        ("null as critical extensions", with_header(r#","crit":null"#)),
        ("no critical extensions", with_header(r#","crit":[]"#)),
        ("a payload that is not encoded", with_header(r#","b64":false,"crit":["b64"]"#)),
        ("a payload that is encoded, as an extension", with_header(r#","b64":true"#)),
        ("compression", with_header(r#","zip":"DEF""#)),
        ("null as compression", with_header(r#","zip":null"#)),
        ("encryption", with_header(r#","enc":"A128GCM""#)),
        ("a logout token", with_header(r#","typ":"logout+jwt""#)),
        ("a logout token by its media type", with_header(r#","typ":"application/Logout+JWT""#)),
        ("a type that is not a text", with_header(r#","typ":7"#)),
        ("two algorithms", with_header(r#","alg":"none""#)),
        ("two equal algorithms", with_header(r#","alg":"RS256""#)),
        ("two key ids", with_header(r#","kid":"ec""#)),
        ("an algorithm in lower case", sign_parts(r#"{"alg":"rs256","kid":"rsa"}"#, &text)),
        ("an algorithm that is not a text", sign_parts(r#"{"alg":["RS256"],"kid":"rsa"}"#, &text)),
        ("no algorithm", sign_parts(r#"{"kid":"rsa"}"#, &text)),
        ("a key id that is not a text", sign_parts(r#"{"alg":"RS256","kid":{"rsa":1}}"#, &text)),
        ("a header that is a list", sign_parts(r#"[{"alg":"RS256","kid":"rsa"}]"#, &text)),
        ("more after the header", sign_parts(r#"{"alg":"RS256","kid":"rsa"}{}"#, &text)),
        ("a key id that is a path", with_kid("../../../../dev/null")),
        ("a key id that is a query", with_kid("rsa' OR '1'='1")),
        ("a key id that is a URL", with_kid("http://127.0.0.1:1/keys")),
        ("an empty key id", with_kid("")),
        ("two scopes", with_claims(&text.replacen('{', r#"{"scope":"orders:write","#, 1))),
        ("two expiries", with_claims(&text.replacen('{', r#"{"exp":1,"#, 1))),
        ("claims that are a list", with_claims(&format!("[{text}]"))),
        ("a nested token", with_claims(&valid)),
        ("an expiry without bounds", with_claims(&text.replacen(r#""exp":"#, r#""exp":1e400,"x":"#, 1))),
        ("expiry is true", token(json!({"exp": true}))),
        ("expiry is a list", token(json!({"exp": [32_503_680_000_u64]}))),
        ("an audience that is an object", token(json!({"aud": {AUDIENCE: true}}))),
        ("a list of audiences with a number", token(json!({"aud": [AUDIENCE, 7]}))),
        ("an issuer that is a number", token(json!({"iss": 7}))),
        ("a subject that is a list", token(json!({"sub": ["shop"]}))),
        ("ECDSA with zeros", no_curve_point),
        ("another encoding of the signature", other_last_bits),
        ("padding", format!("{valid}==")),
        ("a blank inside", valid.replacen('.', ". ", 1)),
    ]
}

/// Header and claims, ready to be signed.
fn signed_part(algorithm: &str, id: &str, claims: &str) -> String {
    format!("{}.{claims}", base64url(json!({"alg": algorithm, "kid": id}).to_string().as_bytes()))
}

#[tokio::test]
async fn header_members_that_are_not_used_are_ignored() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;
    let claims = issuer.claims(&json!({})).to_string();

    for members in [
        "",
        r#","typ":"JWT""#,
        r#","typ":"jwt""#,
        r#","typ":"at+jwt""#,
        r#","typ":"application/at+JWT""#,
        r#","typ":"JOSE""#,
        r#","typ":null"#,
        r#","cty":"JWT""#,
        r#","x5c":"a certificate","x5t":7,"jwk":"x","jku":[],"nonce":1,"url":{}"#,
    ] {
        let token = sign_parts(&format!(r#"{{"alg":"RS256","kid":"rsa"{members}}}"#), &claims);
        let answer = get(&gateway, "/orders/20417", &token).await;
        assert_eq!(answer.status, 200, "{members}: {}", answer.body);
    }
}

#[tokio::test]
async fn refusals_name_the_claim() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;
    let slash = format!("{}/", issuer.url());

    for (changes, detail) in [
        (json!({"exp": null}), "The token lacks the claim exp."),
        (json!({"exp": "1.7e9"}), "The token's exp is not a number."),
        (json!({"nbf": "soon"}), "The token's nbf is not a number."),
        (json!({"iss": null}), "The token lacks the claim iss."),
        (json!({"iss": slash}), "The token's iss is not the configured issuer: only one of them ends with a slash."),
        (json!({"iss": "https://other.example"}), "The token is from another issuer."),
        (json!({"aud": null}), "The token lacks the claim aud."),
        (json!({"aud": 7}), "The token's aud is neither a text nor a list of texts."),
        (json!({"aud": []}), "The token is for another audience."),
        (json!({"sub": null}), "The token lacks the claim sub."),
        (json!({"sub": ""}), "The token's sub is not a text, or is empty or too long."),
    ] {
        let problem = get(&gateway, "/orders/20417", &issuer.token(&changes)).await.problem(401, "unauthenticated");
        assert_eq!(problem["detail"], detail, "{changes}");
    }
}

#[tokio::test]
async fn leeway_is_configurable() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    for (leeway, expired, premature, status) in [("0s", -2, 0, 401), ("0s", 60, 60, 401), ("2m", -60, 60, 200)] {
        let gateway = gateway(&upstream, &issuer, &[("AUTH__JWT__LEEWAY", leeway)]).await;
        let token = issuer.token(&json!({"exp": format!("now {expired}"), "nbf": format!("now {premature}")}));

        assert_eq!(get(&gateway, "/orders/20417", &token).await.status, status, "{leeway} {expired} {premature}");
    }
}

#[tokio::test]
async fn forged_and_expired_tokens_are_rejected() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;

    get(&gateway, "/orders/20417", &issuer.token(&json!({}))).await.ok();
    let queries_before = upstream.queries().len();
    for (fault, token) in forged(&issuer).into_iter().chain(ill_formed(&issuer)) {
        let answer = get(&gateway, "/orders/20417", &token).await;

        assert_eq!(answer.status, 401, "{fault}: {}", answer.body);
        answer.problem(401, "unauthenticated");
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{fault}");
        assert!(token.len() < 10 || !answer.body.contains(&token), "{fault}");
    }

    assert_eq!(upstream.queries().len(), queries_before);

    get(&gateway, "/orders/20417", &issuer.token(&json!({}))).await.ok();
}

#[tokio::test]
async fn tokens_over_8192_bytes_are_rejected() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;
    // Base64url turns three bytes into four, so not every token length exists: take the longest within the limit.
    let longest_within = |length: usize| {
        let tokens = (0..7_000).rev().map(|more| issuer.token(&json!({"more": "m".repeat(more)})));
        tokens.take(2_000).find(|token| token.len() <= length).expect("a token")
    };
    let longest = longest_within(8_192);

    assert!((8_189..=8_192).contains(&longest.len()), "{}", longest.len());

    get(&gateway, "/orders/20417", &longest).await.ok();
    let padded = format!("{longest}{}", "x".repeat(8_193 - longest.len()));
    let problem = get(&gateway, "/orders/20417", &padded).await.problem(401, "unauthenticated");
    assert_eq!(problem["detail"], "The token has more than 8192 bytes.");
}

#[tokio::test]
async fn unknown_key_ids_do_not_cause_jwks_storms() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;

    get(&gateway, "/orders/20417", &issuer.token(&json!({}))).await.ok();
    let claims = issuer.claims(&json!({}));
    let header = Header { kid: Some("0".to_owned()), ..Header::new(Algorithm::RS256) };
    let foreign = encode(&header, &claims, &keys().foreign).expect("a token");
    let rest = foreign.split_once('.').expect("parts").1;
    for number in 0..1_000 {
        let header = base64url(json!({"alg": "RS256", "kid": format!("made up {number}")}).to_string().as_bytes());
        get(&gateway, "/orders/20417", &format!("{header}.{rest}")).await.problem(401, "unauthenticated");
    }

    assert_eq!(issuer.fetches(), 1);
    assert_eq!(gateway.metric("jwks_fetches_total{outcome=\"fetched\"}").await, 1);
}

#[tokio::test]
async fn unreachable_issuer_is_503_not_401() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let unreachable = [("AUTH__JWT__JWKS_URL", "http://127.0.0.1:1/keys")];
    let gateway = gateway(&upstream, &issuer, &unreachable).await;

    let answer = get(&gateway, "/orders/20417", &issuer.token(&json!({}))).await;

    answer.problem(503, "authentication-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(upstream.queries().is_empty());
}

#[tokio::test]
async fn personal_number_subject_is_hashed_in_logs() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[("SERVER__SECRET", "0123456789abcdef")]).await;
    let mut labels = Vec::new();

    for subject in ["191212121212", "209912121212", "anna@example.com", "bo@example.com", "webshop"] {
        let id = format!("audit-label-{}", labels.len());
        let token = issuer.token(&json!({"sub": subject, "scope": "orders:read personal-data:read"}));
        let request = gateway.request(Method::GET, "/orders/20417").bearer_auth(token).header("x-request-id", &id);

        gateway.send(request).await.ok();
        labels.push(audit_lines(&id, 1).await[0]["client"].as_str().expect("a label").to_owned());
    }

    assert!(labels.iter().take(4).all(|label| label.starts_with("****#") && label.len() == 17), "{labels:?}");
    assert_eq!(labels[4], "webshop");

    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), 5);
}

#[tokio::test]
async fn upstream_claim_selects_the_upstream() {
    const ABSENT: &str = "The token has no claim that names an upstream of this gateway.";
    const UNKNOWN: &str = "The token names an upstream that this gateway does not have.";
    const SEVERAL: &str = "The token names several upstreams, and a request is for one.";
    const NOT_TEXT: &str = "The token's claim that names an upstream is not a text.";
    let (upstream, other, issuer) = (Upstream::with_fixtures().await, Upstream::with_fixtures().await, Issuer::start().await);
    let url = other.url();
    let more = [
        ("UPSTREAMS__SECOND__URL", url.as_str()),
        ("UPSTREAMS__SECOND__API_USER", "77"),
        ("AUTH__JWT__UPSTREAM_CLAIM", "tenant"),
    ];
    let gateway = gateway(&upstream, &issuer, &more).await;

    get(&gateway, "/orders/20417", &issuer.token(&json!({"tenant": "second"}))).await.ok();
    get(&gateway, "/orders/20417", &issuer.token(&json!({"tenant": ["second"]}))).await.ok();
    assert_eq!((upstream.queries().len(), other.queries().len()), (0, 2));
    assert!(other.queries()[0].contains("api_user=77"));

    for (tenant, detail) in [
        (json!(null), ABSENT),
        (json!([]), ABSENT),
        (json!("third"), UNKNOWN),
        (json!("Second"), UNKNOWN),
        (json!(["third"]), UNKNOWN),
        (json!(""), UNKNOWN),
        (json!(["second", "default"]), SEVERAL),
        (json!(["second", "third"]), SEVERAL),
        (json!({"second": true}), NOT_TEXT),
        (json!([["second"]]), NOT_TEXT),
    ] {
        let token = issuer.token(&json!({"tenant": tenant}));
        let problem = get(&gateway, "/orders/20417", &token).await.problem(403, "forbidden");
        assert_eq!(problem["detail"], detail, "{tenant}");
    }

    assert_eq!((upstream.queries().len(), other.queries().len()), (0, 2));
}
