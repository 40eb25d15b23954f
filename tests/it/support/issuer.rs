//! A token issuer with signing keys and a JWKS endpoint on a loopback socket.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header, crypto, encode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tjansteguiden_gateway::model;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The audience (`aud`) of its tokens.
pub(crate) const AUDIENCE: &str = "orders-api";

pub(crate) struct Issuer {
    address: SocketAddr,
    fetches: Arc<AtomicUsize>,
    /// Fetches that were given up before the issuer answered.
    abandoned: Arc<AtomicUsize>,
    reply: Arc<Mutex<KeysReply>>,
    task: JoinHandle<()>,
}

/// What an issuer answers to requests for its keys.
#[derive(Debug, Clone)]
pub(crate) enum KeysReply {
    /// A set.
    Set(Value),
    /// A status, a header and a body.
    Http(u16, (&'static str, &'static str), Vec<u8>),
    /// Nothing, on a connection that stays open.
    Silence,
}

impl KeysReply {
    async fn respond(self, abandoned: Arc<AtomicUsize>) -> Response {
        match self {
            Self::Set(set) => set.to_string().into_response(),
            Self::Http(status, header, body) => {
                (axum::http::StatusCode::from_u16(status).expect("a status"), [header], body).into_response()
            }
            Self::Silence => {
                let _guard = CountOnDrop(abandoned);
                std::future::pending().await
            }
        }
    }
}

struct CountOnDrop(Arc<AtomicUsize>);

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The keys that all issuers of a test run share. The JWKS has the RSA key twice: `rsa` for signatures, `enc` for encryption.
pub(crate) struct Keys {
    pub(crate) rsa: EncodingKey,
    pub(crate) ec: EncodingKey,
    /// A key that is in no JWKS.
    pub(crate) foreign: EncodingKey,
}

pub(crate) fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys { rsa: new_rsa(), ec: new_ec(), foreign: new_rsa() })
}

fn new_rsa() -> EncodingKey {
    /// Length of the PKCS #8 header before the PKCS #1 key.
    const PKCS8_HEADER: usize = 26;
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let document = pair.as_der().expect("a document");
    EncodingKey::from_rsa_der(&document.as_ref()[PKCS8_HEADER..])
}

fn new_ec() -> EncodingKey {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("a document").as_ref())
}

/// The JWKS of all issuers.
pub(crate) fn jwks() -> Value {
    let jwk = |id: &str, key, algorithm, public_key_use| {
        let mut jwk = Jwk::from_encoding_key(key, algorithm).expect("a public key");
        jwk.common.key_id = Some(id.to_owned());
        jwk.common.key_algorithm = None;
        jwk.common.public_key_use = Some(public_key_use);
        serde_json::to_value(jwk).expect("JSON")
    };
    json!({"keys": [
        {"kty": "something new", "kid": "new"},
        jwk("rsa", &keys().rsa, Algorithm::RS256, PublicKeyUse::Signature),
        jwk("ec", &keys().ec, Algorithm::ES256, PublicKeyUse::Signature),
        jwk("enc", &keys().rsa, Algorithm::RS256, PublicKeyUse::Encryption),
    ]})
}

impl Issuer {
    /// An issuer with the set [`jwks`].
    pub(crate) async fn start() -> Self {
        Self::replying(KeysReply::Set(jwks())).await
    }

    pub(crate) async fn replying(reply: KeysReply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let fetches = Arc::new(AtomicUsize::new(0));
        let (abandoned, reply) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(reply)));
        let (counted, given_up, current) = (Arc::clone(&fetches), Arc::clone(&abandoned), Arc::clone(&reply));
        let metadata = json!({"issuer": format!("http://{address}/realm"), "jwks_uri": format!("http://{address}/keys")});
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(move || async move { metadata.to_string() }))
            .route(
                "/keys",
                get(move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let reply = current.lock().clone();
                    reply.respond(Arc::clone(&given_up))
                }),
            );
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { address, fetches, abandoned, reply, task }
    }

    /// Answers requests for its keys with `reply` from now on.
    pub(crate) fn set_reply(&self, reply: KeysReply) {
        *self.reply.lock() = reply;
    }

    /// The settings of a gateway that accepts its tokens.
    pub(crate) fn settings(&self) -> [(&'static str, String); 3] {
        [("AUTH__MODE", "jwt".to_owned()), ("AUTH__JWT__ISSUER", self.url()), ("AUTH__JWT__AUDIENCE", AUDIENCE.to_owned())]
    }

    /// How many fetches of its JWKS were given up before it answered.
    pub(crate) fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::SeqCst)
    }

    /// The issuer URL, the `iss` of its tokens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/realm", self.address)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often its JWKS was fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// The claims of a token that is valid for an hour, with `changes`: `null` removes a claim, `"now -6"` is six seconds ago.
    pub(crate) fn claims(&self, changes: &Value) -> Value {
        let now = u64::try_from(model::now().as_second()).expect("after 1970");
        let mut claims = json!({
            "iss": self.url(), "aud": AUDIENCE, "sub": "shop", "iat": now, "nbf": now, "exp": now + 3_600,
            "scope": "openid orders:read customers:read",
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            let value = match value.as_str().and_then(|text| text.strip_prefix("now ")) {
                Some(seconds) => json!(now.saturating_add_signed(seconds.parse().expect("a number"))),
                None => value.clone(),
            };
            claims[name] = value;
        }
        claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        claims
    }

    /// A token with [`Issuer::claims`], signed with the RSA key.
    pub(crate) fn token(&self, changes: &Value) -> String {
        sign("rsa", Algorithm::RS256, &keys().rsa, &self.claims(changes))
    }
}

/// A token of these parts, which are any text, signed with the RSA key. Both are encoded as a token's parts are.
pub(crate) fn sign_parts(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()));
    let signature = crypto::sign(message.as_bytes(), &keys().rsa, Algorithm::RS256).expect("a signature");
    format!("{message}.{signature}")
}

/// A signed token with `id` as its `kid`.
pub(crate) fn sign(id: &str, algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: Some(id.to_owned()), ..Header::new(algorithm) };
    encode(&header, claims, key).expect("a token")
}
