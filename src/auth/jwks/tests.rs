use data_encoding::{BASE64, BASE64URL};
use serde_json::json;

use super::*;

const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// A modulus of 2048 bits whose base64 forms differ between the alphabets.
fn modulus() -> Vec<u8> {
    let mut modulus = vec![0xfb; 256];
    modulus[255] = 0xff;
    modulus
}

fn rsa(changes: &Value) -> Value {
    let mut key = json!({"kty": "RSA", "kid": "k", "n": BASE64URL_NOPAD.encode(&modulus()), "e": "AQAB"});
    for (name, value) in changes.as_object().unwrap() {
        key[name] = value.clone();
        if value == "absent" {
            key.as_object_mut().unwrap().remove(name);
        }
    }
    key
}

fn parse(key: &Value) -> Jwks {
    Jwks::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap()
}

fn fault(key: &Value) -> Option<KeyFault> {
    let set = parse(key);
    assert_eq!(set.rejected.len() + set.usable.len(), 1);
    set.rejected.first().map(|key| key.fault)
}

/// The generator of P-256, whose `y` is given, and a valid point with an `x` that begins with a zero byte.
fn ec() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "k",
        "x": BASE64URL_NOPAD.encode(&hex::decode("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296").unwrap()),
        "y": BASE64URL_NOPAD.encode(&hex::decode("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5").unwrap()),
    })
}

#[test]
fn spellings_without_doubt_are_accepted() {
    let mut with_zeros = vec![0, 0];
    with_zeros.extend(modulus());
    let standard = BASE64.encode(&modulus());
    let wrapped: Vec<_> = standard.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    for changes in [
        json!({}),
        json!({"n": BASE64URL.encode(&modulus()), "e": "AQAB=="}),
        json!({"n": standard}),
        json!({"n": wrapped.join("\n")}),
        json!({"n": BASE64URL_NOPAD.encode(&with_zeros), "e": "AAEAAQ"}),
        json!({"x5c": "a certificate"}),
        json!({"x5c": ["a certificate"], "x5t": 7, "x5t#S256": null, "x5u": ["x"]}),
        json!({"key_ops": []}),
        json!({"key_ops": null, "use": null, "alg": null}),
        json!({"key_ops": ["verify"]}),
        json!({"key_ops": ["sign", "verify"]}),
        json!({"key_ops": "verify"}),
        json!({"use": "sig", "alg": "RS256"}),
        json!({"use": "", "alg": ""}),
        json!({"use": "SIG", "alg": "rs256", "kty": "rsa"}),
        json!({"kid": "absent"}),
        json!({"issuer": {"nested": []}, "nbf": 1, "exp": 2, "ext": true}),
    ] {
        assert_eq!(fault(&rsa(&changes)), None, "{changes}");
    }

    assert!(parse(&rsa(&json!({"kid": 7}))).find(Some("7"), Algorithm::RS256).is_ok());
    assert_eq!(fault(&ec()), None);
    assert_eq!(fault(&json!({"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "x": ED25519_X})), None);
    let padded = format!("{ED25519_X}=");
    assert_eq!(fault(&json!({"kty": "okp", "crv": "ed25519", "alg": "EdDSA", "x": padded})), None);
    let with_mark = [b"\xef\xbb\xbf".as_slice(), json!({"keys": [rsa(&json!({}))]}).to_string().as_bytes()].concat();
    assert!(!Jwks::parse(&with_mark).unwrap().is_empty());
}

#[test]
fn zeros_may_be_missing_at_the_beginning_of_a_coordinate() {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    let point = (0..100_000)
        .map(|_| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().public_key().as_ref().to_vec())
        .find(|point| point[1] == 0)
        .unwrap();
    let key = json!({
        "kty": "EC", "crv": "P-256", "x": BASE64URL_NOPAD.encode(&point[2..33]), "y": BASE64URL_NOPAD.encode(&point[33..]),
    });

    assert_eq!(fault(&key), None);
}

#[test]
fn faults_are_named() {
    let mut off_curve = ec();
    off_curve["y"] = off_curve["x"].clone();
    let mut p384 = ec();
    p384["crv"] = json!("P-384");
    let mut other_alg = ec();
    other_alg["alg"] = json!("ES384");
    let mut p521 = ec();
    p521["crv"] = json!("P-521");
    for (key, expected) in [
        (json!("text"), KeyFault::NotAnObject),
        (json!(null), KeyFault::NotAnObject),
        (json!({}), KeyFault::UnsupportedType),
        (json!({"kty": "oct", "k": "AAAA"}), KeyFault::UnsupportedType),
        (rsa(&json!({"use": "enc"})), KeyFault::NotForSignatures),
        (rsa(&json!({"key_ops": ["encrypt", "wrapKey"]})), KeyFault::NotForSignatures),
        (rsa(&json!({"alg": "RSA-OAEP-256"})), KeyFault::NotForSignatures),
        (rsa(&json!({"alg": "HS256"})), KeyFault::UnsupportedAlgorithm),
        (rsa(&json!({"alg": "ES256"})), KeyFault::UnsupportedAlgorithm),
        (rsa(&json!({"alg": "RS1"})), KeyFault::UnsupportedAlgorithm),
        (rsa(&json!({"n": "absent", "e": "absent", "x5c": ["a certificate"]})), KeyFault::Parameter("n")),
        (rsa(&json!({"n": "å"})), KeyFault::Parameter("n")),
        (rsa(&json!({"n": 7})), KeyFault::Parameter("n")),
        (rsa(&json!({"e": ""})), KeyFault::Parameter("e")),
        (rsa(&json!({"e": "AQ"})), KeyFault::InvalidKey),
        (rsa(&json!({"e": "AA"})), KeyFault::InvalidKey),
        (rsa(&json!({"n": BASE64URL_NOPAD.encode(&[0xff; 128])})), KeyFault::RsaSize),
        (rsa(&json!({"n": BASE64URL_NOPAD.encode(&[0xff; 1025])})), KeyFault::RsaSize),
        (rsa(&json!({"n": "AA"})), KeyFault::RsaSize),
        (rsa(&json!({"d": "AQAB"})), KeyFault::Private),
        (off_curve, KeyFault::InvalidKey),
        (p384, KeyFault::InvalidKey),
        (other_alg, KeyFault::UnsupportedAlgorithm),
        (p521, KeyFault::UnsupportedCurve),
        (json!({"kty": "OKP", "crv": "Ed448", "x": ED25519_X}), KeyFault::UnsupportedCurve),
        (json!({"kty": "OKP", "crv": "X25519", "x": ED25519_X}), KeyFault::NotForSignatures),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}), KeyFault::InvalidKey),
    ] {
        assert_eq!(fault(&key), Some(expected), "{key}");
    }
}

#[test]
fn key_is_found_by_id_and_algorithm() {
    let set = |keys: Value| Jwks::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap();
    let other = rsa(&json!({"kid": "other"}));
    let both = set(json!([rsa(&json!({})), other, ec(), rsa(&json!({"kid": "enc", "use": "enc"}))]));

    assert!(both.find(Some("k"), Algorithm::RS256).is_ok());
    assert!(both.find(Some("k"), Algorithm::ES256).is_ok());
    assert_eq!(both.find(None, Algorithm::ES256).unwrap().len(), 1);
    assert_eq!(both.find(None, Algorithm::RS256).unwrap().len(), 2);
    assert_eq!(set(Value::Array(vec![ec(); 9])).find(None, Algorithm::ES256).unwrap_err(), NoKey::Ambiguous);
    for (id, algorithm, expected) in [
        (Some("k"), Algorithm::ES384, NoKey::Unknown),
        (Some("K"), Algorithm::RS256, NoKey::Unknown),
        (Some("enc"), Algorithm::RS256, NoKey::Rejected),
        (None, Algorithm::EdDSA, NoKey::Unknown),
        (Some("k"), Algorithm::HS256, NoKey::Unknown),
    ] {
        assert_eq!(both.find(id, algorithm).unwrap_err(), expected, "{id:?} {algorithm:?}");
    }
}
