//! What the server signs: login hashes, and keys of messages that a proxy may repeat. Nothing is stored, so every replica
//! accepts what another one made, also after a restart.
//!
//! Signed are texts in UTF-8, each after its length in bytes (4 bytes, big-endian), the purpose first:
//!
//! | | signed | the first bytes of the HMAC-SHA256 |
//! | --- | --- | --- |
//! | login hash | `login`, `api_user`, expiry | 12, as 24 hexadecimal digits after the expiry |
//! | key of a message | `key`, client, order, type, text (NFC), request id | 16, as 26 characters of base32 |

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;

use crate::config::Secret;
use crate::model::{NewMessage, OrderId, StrEnum, compose};

/// Signs with the current secret, and accepts what the previous one signed while replicas are being rotated to it.
#[derive(Debug, Clone)]
pub struct Signer {
    current: Secret,
    previous: Option<Secret>,
}

/// How long a login hash is valid. It cannot be renewed.
const LIFETIME: Duration = Duration::from_mins(20);
/// Hexadecimal digits of the expiry, in seconds of Unix time.
const EXPIRY_DIGITS: usize = 8;
/// Bytes of the signature in a login hash.
const LOGIN_BYTES: usize = 12;
/// Bytes of the signature in the key of a message.
const KEY_BYTES: usize = 16;

impl Signer {
    /// Signs with `current`; login hashes of both are accepted.
    #[must_use]
    pub const fn new(current: Secret, previous: Option<Secret>) -> Self {
        Self { current, previous }
    }

    /// The hash that a login of this user gets.
    pub(super) fn login_hash(&self, api_user: &str, now: Timestamp) -> String {
        let expiry = now.as_second().saturating_add_unsigned(LIFETIME.as_secs());
        login_hash(&self.current, api_user, &format!("{expiry:08x}"))
    }

    /// Whether a hash is that of a login of this user and has not expired. Compares in constant time.
    pub(super) fn is_login(&self, hash: &[u8], api_user: &str, now: Timestamp) -> bool {
        let expiry = hash.get(..EXPIRY_DIGITS).and_then(|digits| std::str::from_utf8(digits).ok());
        let Some((expiry, at)) = expiry.and_then(|digits| Some((digits, i64::from_str_radix(digits, 16).ok()?))) else {
            return false;
        };
        let is_signed = [Some(&self.current), self.previous.as_ref()].into_iter().flatten().fold(false, |is_signed, secret| {
            is_signed | verify_slices_are_equal(login_hash(secret, api_user, expiry).as_bytes(), hash).is_ok()
        });
        is_signed && now.as_second() < at
    }

    /// The key of a message that was sent with this request id: a repetition by a proxy has the same one.
    pub(super) fn message_key(&self, client: &str, order: OrderId, message: &NewMessage, request_id: &str) -> String {
        let (order, text) = (order.to_string(), compose(message.text.expose()));
        let signature = sign(&self.current, &["key", client, &order, message.kind.as_str(), &text, request_id]);
        BASE32_NOPAD.encode(first(&signature, KEY_BYTES))
    }
}

fn login_hash(secret: &Secret, api_user: &str, expiry: &str) -> String {
    let signature = sign(secret, &["login", api_user, expiry]);
    format!("{expiry}{}", hex::encode(first(&signature, LOGIN_BYTES)))
}

fn sign(secret: &Secret, parts: &[&str]) -> hmac::Tag {
    let key = secret.with(|text| hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()));
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        // No part comes near 4 GiB.
        context.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.sign()
}

fn first(signature: &hmac::Tag, length: usize) -> &[u8] {
    let bytes = signature.as_ref();
    bytes.get(..length).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MessageType;

    const SECRET: &str = "0123456789abcdef";

    fn signer() -> Signer {
        Signer::new(SECRET.into(), None)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    const NOW: i64 = 1_800_000_000;

    /// The HMAC-SHA256 of these texts, each after its length.
    fn hmac_of(parts: &[&str]) -> Vec<u8> {
        let length = |part: &str| u8::try_from(part.len()).unwrap();
        let bytes: Vec<u8> = parts.iter().flat_map(|part| [&[0, 0, 0, length(part)], part.as_bytes()].concat()).collect();
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), &bytes).as_ref().to_vec()
    }

    #[test]
    fn login_hash_has_the_documented_form() {
        let hash = signer().login_hash("1234", at(NOW));

        assert_eq!(&hash[..8], format!("{:x}", NOW + 1200));
        assert_eq!(&hash[8..], hex::encode(&hmac_of(&["login", "1234", &hash[..8]])[..12]));
        assert_eq!(hash.len(), 32);
    }

    #[test]
    fn login_hash_is_valid_until_the_instant_of_its_expiry() {
        let hash = signer().login_hash("1234", at(NOW));
        let is_valid = |second| signer().is_login(hash.as_bytes(), "1234", at(second));

        assert!(is_valid(NOW) && is_valid(NOW + 1199));
        assert!(!is_valid(NOW + 1200) && !is_valid(NOW + 1201));
    }

    #[test]
    fn other_hashes_are_no_logins() {
        let hash = signer().login_hash("1234", at(NOW));
        let later = format!("{:x}{}", NOW + 1201, &hash[8..]);
        for forged in
            [&*later, &hash.to_uppercase(), &hash[..31], &format!("{hash}0"), "", "+0000000", "zzzzzzzz", &"0".repeat(32)]
        {
            assert!(!signer().is_login(forged.as_bytes(), "1234", at(NOW)), "{forged}");
        }
        assert!(!signer().is_login(hash.as_bytes(), "12345", at(NOW)));
        assert!(!Signer::new("fedcba9876543210".into(), None).is_login(hash.as_bytes(), "1234", at(NOW)));
        assert!(!signer().is_login("\u{e5}\u{e4}\u{f6}12345".as_bytes(), "1234", at(NOW)));
    }

    #[test]
    fn hashes_of_the_previous_secret_are_accepted_and_not_made() {
        let old = signer().login_hash("1234", at(NOW));
        let rotated = Signer::new("fedcba9876543210".into(), Some(SECRET.into()));

        assert!(rotated.is_login(old.as_bytes(), "1234", at(NOW)));
        assert!(!signer().is_login(rotated.login_hash("1234", at(NOW)).as_bytes(), "1234", at(NOW)));
    }

    #[test]
    fn key_of_a_message_depends_on_each_part() {
        let order = |id| OrderId::try_new(id).unwrap();
        let message = |kind, text: &str| NewMessage { kind, text: text.into() };
        let log = message(MessageType::Log, "e\u{301}");
        let id = "0123456789abcdef";
        let key = signer().message_key("shop", order(7), &log, id);

        assert_eq!(key, BASE32_NOPAD.encode(&hmac_of(&["key", "shop", "7", "log", "é", id])[..16]));
        assert_eq!(key.len(), 26);
        assert_eq!(key, signer().message_key("shop", order(7), &message(MessageType::Log, "é"), id));
        for other in [
            signer().message_key("shop2", order(7), &log, id),
            signer().message_key("shop", order(8), &log, id),
            signer().message_key("shop", order(7), &message(MessageType::Alert, "é"), id),
            signer().message_key("shop", order(7), &message(MessageType::Log, "e"), id),
            signer().message_key("shop", order(7), &log, "0123456789abcdeg"),
        ] {
            assert_ne!(other, key);
        }
    }
}
