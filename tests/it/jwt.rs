//! Tokens: those of the issuer are taken, and whatever is wrong with one in any way is not.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::issuer::{AUDIENCE, Issuer, key_set, keys, sign};
use crate::support::log::audit;
use crate::support::{Answer, Gateway, Upstream};

async fn gateway(upstream: &Upstream, issuer: &Issuer, more: &[(&str, &str)]) -> Gateway {
    let name = issuer.name();
    let settings = [("AUTH__MODE", "jwt"), ("AUTH__JWT__ISSUER", &name), ("AUTH__JWT__AUDIENCE", AUDIENCE)];
    Gateway::with(upstream, &[&settings[..], more].concat()).await
}

async fn get(gateway: &Gateway, target: &str, token: &str) -> Answer {
    gateway.send(gateway.request(Method::GET, target).bearer_auth(token)).await
}

/// Bytes as they stand in a token.
fn part(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letters = |chunk: &[u8]| {
        let number = (0..3).fold(0_usize, |number, place| number << 8 | usize::from(chunk.get(place).copied().unwrap_or(0)));
        (0..=chunk.len()).map(move |place| char::from(LETTERS[number >> (18 - 6 * place) & 63])).collect::<String>()
    };
    bytes.chunks(3).map(letters).collect()
}

#[tokio::test]
async fn tokens_of_the_issuer_say_who_may_do_what() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;
    let of = |changes: Value| issuer.token(&changes);
    for token in [
        of(json!({})),
        sign("ec", Algorithm::ES256, &keys().ec, &issuer.claims(&json!({}))),
        of(json!({"aud": ["other", AUDIENCE]})),
        of(json!({"nbf": null})),
        of(json!({"exp": "now -4", "nbf": "now 4"})),
        of(json!({"scope": ["orders:read", "customers:read"]})),
        of(json!({"exp": 32_503_680_000.5})),
        encode(&Header::new(Algorithm::ES256), &issuer.claims(&json!({})), &keys().ec).expect("a token"),
    ] {
        get(&gateway, "/orders/20417", &token).await.ok();
    }
    let answer = get(&gateway, "/customers/18020", &of(json!({}))).await;
    assert_eq!(answer.ok()["personalIdentityNumber"], "19121212-****");
    let answer = get(&gateway, "/customers/18020", &of(json!({"scope": "customers:read personal-data:read"}))).await;
    assert_eq!(answer.ok()["personalIdentityNumber"], "191212121212");
    for scope in
        [json!(null), json!(""), json!("orders:write"), json!("ORDERS:READ"), json!("orders:read,customers:read"), json!(7)]
    {
        get(&gateway, "/orders/20417", &of(json!({"scope": scope}))).await.problem(403, "forbidden");
    }
    let key = gateway.request(Method::GET, "/orders/20417").header("x-api-key", of(json!({})));
    gateway.send(key).await.problem(401, "unauthenticated");
    assert_eq!(issuer.fetches(), 1);
}

/// Tokens that are almost good: what is wrong with each, and the token.
fn forged(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let good = issuer.token(&json!({}));
    let [header, claims, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let of = |changes: Value| issuer.token(&changes);
    let plain = issuer.claims(&json!({}));
    let signed = |header: Header| encode(&header, &plain, &keys().rsa).expect("a token");
    let named = |id: &str| Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::RS256) };
    let unsigned = |name: &str| format!("{}.{claims}.", part(json!({"alg": name, "kid": "rsa"}).to_string().as_bytes()));
    let modulus = key_set()["keys"][1]["n"].as_str().expect("a modulus").to_owned();
    let secret = EncodingKey::from_base64_secret(&modulus).unwrap_or_else(|_| EncodingKey::from_secret(modulus.as_bytes()));
    let more_scopes = part(issuer.claims(&json!({"scope": "orders:read orders:write"})).to_string().as_bytes());
    let header_with = |name: &str, value: Value| {
        let mut header = json!({"alg": "RS256", "kid": "foreign"});
        header[name] = value;
        let message = format!("{}.{claims}", part(header.to_string().as_bytes()));
        let seal = jsonwebtoken::crypto::sign(message.as_bytes(), &keys().foreign, Algorithm::RS256).expect("a signature");
        format!("{message}.{seal}")
    };
    vec![
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("alg NONE with a signature", format!("{}{signature}", unsigned("NONE"))),
        ("HS256 with the modulus", sign("rsa", Algorithm::HS256, &secret, &plain)),
        (
            "HS256 with the set",
            sign("rsa", Algorithm::HS256, &EncodingKey::from_secret(key_set().to_string().as_bytes()), &plain),
        ),
        ("HS256 with nothing", sign("rsa", Algorithm::HS256, &EncodingKey::from_secret(b""), &plain)),
        ("expired", of(json!({"exp": "now -6"}))),
        ("expired long ago", of(json!({"exp": 1}))),
        ("not good yet", of(json!({"nbf": "now 60"}))),
        ("nbf no number", of(json!({"nbf": "soon"}))),
        ("another issuer", of(json!({"iss": "http://127.0.0.1:1/realm"}))),
        ("an issuer with a slash", of(json!({"iss": format!("{}/", issuer.name())}))),
        ("a list of issuers", of(json!({"iss": [issuer.name(), "x"]}))),
        ("no issuer", of(json!({"iss": null}))),
        ("another audience", of(json!({"aud": "orders-api-2"}))),
        ("an empty audience", of(json!({"aud": []}))),
        ("no audience", of(json!({"aud": null}))),
        ("no expiry", of(json!({"exp": null}))),
        ("expiry no number", of(json!({"exp": "32503680000"}))),
        ("negative expiry", of(json!({"exp": -1}))),
        ("no subject", of(json!({"sub": null}))),
        ("an empty subject", of(json!({"sub": " "}))),
        ("a subject that is no text", of(json!({"sub": 7}))),
        ("a long subject", of(json!({"sub": "s".repeat(256)}))),
        ("signed by somebody else", sign("rsa", Algorithm::RS256, &keys().foreign, &plain)),
        ("an unknown key", signed(named("foreign"))),
        ("the key for something else", signed(named("enc"))),
        ("the key of another kind", signed(named("ec"))),
        ("an algorithm that is not allowed", sign("rsa", Algorithm::RS384, &keys().rsa, &plain)),
        ("a padding that is not allowed", sign("rsa", Algorithm::PS256, &keys().rsa, &plain)),
        ("critical extensions", signed(Header { crit: Some(vec!["exp".to_owned()]), ..named("rsa") })),
        ("a key that it brings", header_with("jwk", key_set()["keys"][1].clone())),
        ("an address of keys", header_with("jku", json!("http://127.0.0.1:1/keys"))),
        ("other claims", format!("{header}.{more_scopes}.{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        ("half a signature", format!("{header}.{claims}.{}", &signature[..100])),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{good}.{signature}")),
        ("no base 64", format!("{header}.{{}}.{signature}")),
        ("no JSON", format!("{}.{claims}.{signature}", part(b"hello"))),
        ("nothing", "..".to_owned()),
        ("too long", of(json!({"more": "m".repeat(8_000)}))),
    ]
}

#[tokio::test]
async fn forged_and_stale_tokens_are_refused_before_anything_is_sent() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;
    get(&gateway, "/orders/20417", &issuer.token(&json!({}))).await.ok();
    let asked = upstream.queries().len();
    for (what, token) in forged(&issuer) {
        let answer = get(&gateway, "/orders/20417", &token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        answer.problem(401, "unauthenticated");
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{what}");
        assert!(token.len() < 10 || !answer.body.contains(&token), "{what}");
    }
    assert_eq!(upstream.queries().len(), asked);
    get(&gateway, "/orders/20417", &issuer.token(&json!({}))).await.ok();
}

#[tokio::test]
async fn a_token_may_have_8192_bytes_and_no_more() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;
    // Three bytes of claims are four of the token; the header's length decides which lengths there are.
    let of_length = |length: usize| {
        let tokens = (0..7_000).rev().map(|more| issuer.token(&json!({"more": "m".repeat(more)})));
        tokens.take(2_000).find(|token| token.len() <= length).expect("a token")
    };
    let longest = of_length(8_192);
    assert!((8_189..=8_192).contains(&longest.len()), "{}", longest.len());
    get(&gateway, "/orders/20417", &longest).await.ok();
    let padded = format!("{longest}{}", "x".repeat(8_193 - longest.len()));
    let problem = get(&gateway, "/orders/20417", &padded).await.problem(401, "unauthenticated");
    assert_eq!(problem["detail"], "The token has more than 8192 bytes.");
}

#[tokio::test]
async fn names_of_keys_by_the_thousand_do_not_storm_the_issuer() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[]).await;
    get(&gateway, "/orders/20417", &issuer.token(&json!({}))).await.ok();
    let claims = issuer.claims(&json!({}));
    let header = Header { kid: Some("0".to_owned()), ..Header::new(Algorithm::RS256) };
    let signed = encode(&header, &claims, &keys().foreign).expect("a token");
    let rest = signed.split_once('.').expect("parts").1;
    for number in 0..1_000 {
        let header = part(json!({"alg": "RS256", "kid": format!("made up {number}")}).to_string().as_bytes());
        get(&gateway, "/orders/20417", &format!("{header}.{rest}")).await.problem(401, "unauthenticated");
    }
    assert_eq!(issuer.fetches(), 1);
    assert_eq!(gateway.metric("jwks_fetches_total{outcome=\"fetched\"}").await, 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_checked_is_our_trouble_and_not_the_clients() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let nobody = [("AUTH__JWT__JWKS_URL", "http://127.0.0.1:1/keys")];
    let gateway = gateway(&upstream, &issuer, &nobody).await;
    let answer = get(&gateway, "/orders/20417", &issuer.token(&json!({}))).await;
    answer.problem(503, "authentication-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(upstream.queries().is_empty());
}

#[tokio::test]
async fn who_is_known_by_a_personal_number_is_told_from_others_and_not_by_it() {
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    let gateway = gateway(&upstream, &issuer, &[("SERVER__SECRET", "0123456789abcdef")]).await;
    let mut labels = Vec::new();
    for subject in ["191212121212", "209912121212", "anna@example.com", "bo@example.com", "webshop"] {
        let id = format!("label-{}", labels.len());
        let token = issuer.token(&json!({"sub": subject, "scope": "orders:read personal-data:read"}));
        let request = gateway.request(Method::GET, "/orders/20417").bearer_auth(token).header("x-request-id", &id);
        gateway.send(request).await.ok();
        labels.push(audit(&id, 1).await[0]["client"].as_str().expect("a label").to_owned());
    }
    assert!(labels.iter().take(4).all(|label| label.starts_with("****#") && label.len() == 17), "{labels:?}");
    assert_eq!(labels[4], "webshop");
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), 5);
}

#[tokio::test]
async fn a_claim_says_which_upstream_a_caller_belongs_to() {
    let (upstream, other, issuer) = (Upstream::with_fixtures().await, Upstream::with_fixtures().await, Issuer::start().await);
    let url = other.url();
    let more = [
        ("UPSTREAMS__SECOND__URL", url.as_str()),
        ("UPSTREAMS__SECOND__API_USER", "77"),
        ("AUTH__JWT__UPSTREAM_CLAIM", "tenant"),
    ];
    let gateway = gateway(&upstream, &issuer, &more).await;
    get(&gateway, "/orders/20417", &issuer.token(&json!({"tenant": "second"}))).await.ok();
    assert_eq!((upstream.queries().len(), other.queries().len()), (0, 1));
    assert!(other.queries()[0].contains("api_user=77"));
    for tenant in [json!(null), json!("third"), json!(["second"]), json!("Second"), json!("")] {
        get(&gateway, "/orders/20417", &issuer.token(&json!({"tenant": tenant}))).await.problem(403, "forbidden");
    }
    assert_eq!((upstream.queries().len(), other.queries().len()), (0, 1));
}
