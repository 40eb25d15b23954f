//! Token issuers as they are: key sets in the spellings of many libraries, scopes in any claim, and servers that redirect,
//! compress or do not answer.

use std::io::Write;

use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD};
use flate2::Compression;
use flate2::write::GzEncoder;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::issuer::{Issuer, KeysReply, jwks, keys, sign};
use crate::support::{Answer, Gateway, Program, Upstream, borrowed, eventually};

const ORDER: &str = "/orders/20417";

async fn gateway(upstream: &Upstream, issuer: &Issuer, more: &[(&str, &str)]) -> Gateway {
    let settings = issuer.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Gateway::with(upstream, &[settings, more.to_vec()].concat()).await
}

async fn get(gateway: &Gateway, token: &str) -> Answer {
    gateway.send(gateway.request(Method::GET, ORDER).bearer_auth(token)).await
}

/// The set of all issuers with changed members of the RSA key.
fn with_rsa_key(changes: &Value) -> Value {
    let mut set = jwks();
    for (name, value) in changes.as_object().into_iter().flatten() {
        set["keys"][1][name] = value.clone();
    }
    set
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

#[tokio::test]
async fn keys_are_taken_in_the_spellings_of_many_libraries() {
    let upstream = Upstream::with_fixtures().await;
    let modulus = jwks()["keys"][1]["n"].as_str().expect("a modulus").to_owned();
    let modulus = BASE64URL_NOPAD.decode(modulus.as_bytes()).expect("base64url");
    for changes in [
        json!({"n": BASE64URL.encode(&modulus), "e": "AQAB"}),
        json!({"n": BASE64.encode(&modulus)}),
        json!({"n": BASE64URL_NOPAD.encode(&[&[0], &*modulus].concat())}),
        json!({"x5c": "MIIB", "x5t": 7}),
        json!({"key_ops": [], "use": null, "alg": null}),
        json!({"key_ops": ["verify"], "use": "SIG", "kty": "rsa", "alg": "RS256"}),
        json!({"more": {"nested": [1]}, "created": 1.7e9}),
    ] {
        let issuer = Issuer::replying(KeysReply::Set(with_rsa_key(&changes))).await;
        let gateway = gateway(&upstream, &issuer, &[]).await;

        let answer = get(&gateway, &issuer.token(&json!({}))).await;

        assert_eq!(answer.status, 200, "{changes}: {}", answer.body);
    }
}

#[tokio::test]
async fn keys_that_are_left_out_are_counted_and_named() {
    let upstream = Upstream::with_fixtures().await;
    let issuer = Issuer::replying(KeysReply::Set(with_rsa_key(&json!({"n": "AQAB"})))).await;
    let gateway = gateway(&upstream, &issuer, &[]).await;

    let answer = get(&gateway, &issuer.token(&json!({}))).await.problem(401, "unauthenticated");

    let detail = answer["detail"].as_str().expect("a text");
    assert!(detail.starts_with("The token is signed with a key of its issuer that cannot be used here."), "{detail}");
    get(&gateway, &sign("ec", Algorithm::ES256, &keys().ec, &issuer.claims(&json!({})))).await.ok();
    for (reason, count) in [("insecure", 1), ("not_for_signatures", 1), ("unsupported", 1), ("malformed", 0)] {
        let series = format!("jwks_keys_rejected_total{{reason=\"{reason}\"}}");
        assert_eq!(gateway.metric(&series).await, count, "{reason}");
    }
}

#[tokio::test]
async fn the_log_names_keys_that_are_left_out_and_redirects() {
    let issuer = Issuer::replying(KeysReply::Set(with_rsa_key(&json!({"n": "AQAB"})))).await;
    let start = |issuer: &Issuer| {
        let mut settings: Vec<(String, String)> =
            issuer.settings().map(|(name, value)| (format!("GATEWAY__{name}"), value)).into();
        for (name, value) in [
            ("UPSTREAMS__DEFAULT__URL", "http://127.0.0.1:9/orders"),
            ("UPSTREAMS__DEFAULT__API_USER", "1234"),
            ("SERVER__LISTEN", "127.0.0.1:0"),
            ("SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ] {
            settings.push((format!("GATEWAY__{name}"), value.to_owned()));
        }
        Program::start(&["serve"], &borrowed(&settings))
    };

    let mut program = start(&issuer);
    let line = program.line_with("\"kid\":\"rsa\"").await;
    assert!(line.contains("WARN") && line.contains("the key has fewer than 2048 or more than 8192 bits"), "{line}");

    issuer.set_reply(KeysReply::Http(302, ("location", "http://127.0.0.1:1/elsewhere"), Vec::new()));
    let mut program = start(&issuer);
    let line = program.line_with("cannot be fetched").await;
    assert!(line.contains("redirect (HTTP status 302 Found)") && !line.contains("127.0.0.1"), "{line}");
}

#[tokio::test]
async fn compressed_key_sets_are_read() {
    let upstream = Upstream::with_fixtures().await;
    let set = gzip(&jwks().to_string());
    let bomb = gzip(&" ".repeat(10 * 1024 * 1024));
    for (header, body, status) in [
        (("content-encoding", "gzip"), set.clone(), 200),
        (("content-type", "application/json"), set.clone(), 200),
        (("content-encoding", "gzip"), jwks().to_string().into_bytes(), 200),
        (("content-encoding", "gzip"), set[..set.len() / 2].to_vec(), 503),
        (("content-encoding", "utf-8"), jwks().to_string().into_bytes(), 200),
        (("content-encoding", "br"), jwks().to_string().into_bytes(), 503),
        (("content-encoding", "gzip"), bomb, 503),
    ] {
        let issuer = Issuer::replying(KeysReply::Http(200, header, body)).await;
        let gateway = gateway(&upstream, &issuer, &[]).await;

        assert_eq!(get(&gateway, &issuer.token(&json!({}))).await.status, status, "{header:?}");
    }
}

#[tokio::test]
async fn an_issuer_without_a_usable_key_is_unavailable() {
    let upstream = Upstream::with_fixtures().await;
    let issuer = Issuer::replying(KeysReply::Set(json!({"keys": []}))).await;
    let gateway = gateway(&upstream, &issuer, &[]).await;
    let token = issuer.token(&json!({}));

    let answer = get(&gateway, &token).await;
    answer.problem(503, "authentication-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(gateway.metric("jwks_fetches_total{outcome=\"failed\"}").await, 1);

    issuer.set_reply(KeysReply::Set(jwks()));
    eventually("the keys are fetched again", async || get(&gateway, &token).await.status == 200).await;
}

#[tokio::test]
async fn a_silent_issuer_is_awaited_only_until_the_deadline() {
    let upstream = Upstream::with_fixtures().await;
    let issuer = Issuer::replying(KeysReply::Silence).await;
    let gateway = gateway(&upstream, &issuer, &[("SERVER__REQUEST_TIMEOUT", "200ms")]).await;
    let token = issuer.token(&json!({}));

    let answer = get(&gateway, &token).await;

    answer.problem(503, "authentication-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    // The fetch goes on, and later requests wait for the same one.
    assert_eq!((issuer.fetches(), issuer.abandoned()), (1, 0));
    get(&gateway, &token).await.problem(503, "authentication-unavailable");
    assert_eq!((issuer.fetches(), issuer.abandoned()), (1, 0));
}

#[tokio::test]
async fn every_key_that_may_have_signed_a_token_is_tried() {
    const SIGNATURE: &str = "The signature of the token is invalid.";
    const MANY: &str = "The token's kid does not say which of many keys of its issuer it is signed with.";
    let upstream = Upstream::with_fixtures().await;
    let rsa = |key, id: Option<&str>| {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, Algorithm::RS256).expect("a public key")).expect("JSON");
        jwk["kid"] = json!(id);
        jwk
    };
    let (ours, foreign) = (&keys().rsa, &keys().foreign);
    for (published, id, detail) in [
        // A new key with the id of the old one.
        (vec![rsa(foreign, Some("k")), rsa(ours, Some("k"))], Some("k"), ""),
        (vec![rsa(ours, Some("k")), rsa(foreign, Some("k"))], Some("k"), ""),
        (vec![rsa(foreign, Some("k")), rsa(ours, Some("l"))], Some("k"), SIGNATURE),
        // Tokens without an id.
        (vec![rsa(foreign, Some("k")), rsa(ours, Some("l"))], None, ""),
        (vec![rsa(foreign, Some("k")), rsa(ours, Some("l"))], Some(""), ""),
        (vec![rsa(foreign, Some("k"))], None, SIGNATURE),
        (vec![rsa(ours, Some(""))], Some(""), ""),
        (vec![rsa(ours, None); 8], None, ""),
        (vec![rsa(ours, None); 9], None, MANY),
    ] {
        let issuer = Issuer::replying(KeysReply::Set(json!({"keys": published}))).await;
        let gateway = gateway(&upstream, &issuer, &[]).await;
        let header = Header { kid: id.map(str::to_owned), ..Header::new(Algorithm::RS256) };

        let answer = get(&gateway, &encode(&header, &issuer.claims(&json!({})), ours).expect("a token")).await;

        if detail.is_empty() {
            answer.ok();
        } else {
            assert_eq!(answer.problem(401, "unauthenticated")["detail"], detail, "{id:?}");
        }
    }
}

#[tokio::test]
async fn scopes_are_read_from_the_configured_claims() {
    const BOTH: &str = "scp,realm_access.roles";
    const READ: &str = "orders:read";
    let (upstream, issuer) = (Upstream::with_fixtures().await, Issuer::start().await);
    for (name, value, claims, status) in [
        ("SCOPE_CLAIMS", BOTH, json!({"scope": null, "scp": READ}), 200),
        ("SCOPE_CLAIMS", BOTH, json!({"scope": null, "realm_access": {"roles": [READ]}}), 200),
        ("SCOPE_CLAIMS", BOTH, json!({"scope": READ}), 403),
        ("SCOPE_CLAIMS", "https://example.com/roles", json!({"scope": null, "https://example.com/roles": [READ]}), 200),
        (
            "SCOPE_CLAIMS",
            "resource_access.my.api.roles",
            json!({"scope": "", "resource_access": {"my.api": {"roles": READ}}}),
            200,
        ),
        ("SCOPE_CLAIM", "permissions", json!({"scope": null, "permissions": [READ]}), 200),
        ("SCOPE_PREFIX", "orders-api/", json!({"scope": "orders-api/orders:read orders-api/orders:write"}), 200),
        ("SCOPE_PREFIX", "orders-api/", json!({"scope": "orders:read other-api/orders:read"}), 403),
    ] {
        let variable = format!("AUTH__JWT__{name}");
        let gateway = gateway(&upstream, &issuer, &[(&variable, value)]).await;

        let answer = get(&gateway, &issuer.token(&claims)).await;

        assert_eq!(answer.status, status, "{name}={value} {claims}: {}", answer.body);
    }
}
