//! Makes the marks of messages, and finds them again in a log.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use icu_normalizer::ComposingNormalizerBorrowed;

use super::{IdempotencyKey, IdempotencyMarker};
use crate::config::Secret;
use crate::model::{Message, NewMessage, OrderId, StrEnum};

/// What marks are made with: the current secret, and the one before it while replicas change from one to the other.
pub struct MarkerSigner {
    current: Secret,
    previous: Option<Secret>,
}

/// Whose message it is. The same key of another client, for another order or upstream is another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyScope {
    /// Name of the client that sent the key.
    pub client: String,
    /// Name of the upstream.
    pub upstream: String,
    /// The order that the message is for.
    pub order: OrderId,
    /// The key.
    pub key: IdempotencyKey,
}

/// What a log says about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogMatch<'l> {
    /// It is not there.
    Nothing,
    /// It is there, so many times; this is the first.
    Same {
        /// The first entry.
        row: &'l Message,
        /// How many entries carry the marker.
        times: usize,
    },
    /// The key was used for another message.
    Other,
}

impl MarkerSigner {
    /// Marks made with these secrets. A log is searched for marks of both.
    #[must_use]
    pub const fn new(current: Secret, previous: Option<Secret>) -> Self {
        Self { current, previous }
    }

    /// The mark of a message.
    #[must_use]
    pub fn mark(&self, owner: &KeyScope, message: &NewMessage) -> IdempotencyMarker {
        mark(&self.current, owner, message)
    }

    /// Whether a mark is that of a message.
    #[must_use]
    pub fn is_of(&self, marker: &IdempotencyMarker, owner: &KeyScope, message: &NewMessage) -> bool {
        self.all(owner, message).contains(marker)
    }

    /// Looks for a message.
    #[must_use]
    pub fn find<'l>(&self, log: &'l [Message], owner: &KeyScope, message: &NewMessage) -> LogMatch<'l> {
        let ours = self.all(owner, message);
        let marked = log.iter().filter_map(|row| Some((row, IdempotencyMarker::split(row.text.as_ref()?.expose())?.0)));
        let known: Vec<_> = marked.filter(|(_, marker)| ours.iter().any(|ours| ours.key_part == marker.key_part)).collect();
        let mut same = known.iter().filter(|(_, marker)| ours.contains(marker));
        match same.next() {
            Some((row, _)) => LogMatch::Same { row, times: 1 + same.count() },
            None if known.is_empty() => LogMatch::Nothing,
            None => LogMatch::Other,
        }
    }

    /// The marks that a message may have.
    fn all(&self, owner: &KeyScope, message: &NewMessage) -> Vec<IdempotencyMarker> {
        let secrets = [Some(&self.current), self.previous.as_ref()];
        secrets.into_iter().flatten().map(|secret| mark(secret, owner, message)).collect()
    }
}

fn mark(secret: &Secret, owner: &KeyScope, message: &NewMessage) -> IdempotencyMarker {
    let KeyScope { client, upstream, order, key } = owner;
    let (order, key) = (order.to_string(), key.as_str());
    // Made anew each time: its file may have changed.
    let secret = &secret.with(|text| hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()));
    // The same text, however its letters were composed.
    let text = ComposingNormalizerBorrowed::new_nfc().normalize(message.text.expose());
    let owner = [client.as_str(), upstream, &order, key];
    let content = [&owner[..], &[message.kind.as_str(), &*text]].concat();
    IdempotencyMarker {
        key_part: base32(sign(secret, "k", &owner), IdempotencyMarker::REFERENCE),
        content: base32(sign(secret, "f", &content), IdempotencyMarker::CONTENT),
    }
}

/// The first `length` characters of a signature in base32 (RFC 4648): 5 bits each.
fn base32(signature: hmac::Tag, length: usize) -> String {
    let mut text = BASE32_NOPAD.encode(signature.as_ref());
    text.truncate(length);
    text
}

/// Every part with its length, so that no two lists of parts are the same bytes.
fn sign(secret: &hmac::Key, purpose: &str, parts: &[&str]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(secret);
    for part in [purpose].iter().chain(parts) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.sign()
}

impl fmt::Debug for MarkerSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Markers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MessageType;

    fn owner(client: &str, upstream: &str, order: u64, key: &str) -> KeyScope {
        KeyScope {
            client: client.to_owned(),
            upstream: upstream.to_owned(),
            order: OrderId::parse(&order.to_string()).unwrap(),
            key: IdempotencyKey::parse(key).unwrap(),
        }
    }

    fn message(text: &str) -> NewMessage {
        NewMessage { kind: MessageType::Log, text: text.into() }
    }

    fn row(text: &str) -> Message {
        Message { text: Some(text.into()), ..Message::default() }
    }

    const KEY: &str = "0123456789abcdef";

    #[test]
    fn a_message_is_found_by_its_mark_and_told_from_others() {
        let markers = MarkerSigner::new("secret".into(), None);
        let mine = owner("a", "default", 1, KEY);
        let text = message("Kunden nås efter kl. 16");
        let marked = row(&format!("{} Kunden n", markers.mark(&mine, &text)));
        let log = [row("annat"), marked.clone(), Message::default()];
        assert_eq!(markers.find(&log, &mine, &text), LogMatch::Same { row: &marked, times: 1 });
        assert_eq!(markers.find(&log, &mine, &message("annat")), LogMatch::Other);
        let other_kind = NewMessage { kind: MessageType::Alert, ..text.clone() };
        assert_eq!(markers.find(&log, &mine, &other_kind), LogMatch::Other);
        for other in [
            owner("b", "default", 1, KEY),
            owner("a", "other", 1, KEY),
            owner("a", "default", 2, KEY),
            owner("a", "default", 1, "0123456789abcdeg"),
            // The same bytes in a row, parted elsewhere.
            owner("ad", "efault", 1, KEY),
        ] {
            assert_eq!(markers.find(&log, &other, &text), LogMatch::Nothing);
        }
        assert_eq!(MarkerSigner::new("another".into(), None).find(&log, &mine, &text), LogMatch::Nothing);
    }

    #[test]
    fn marks_of_the_previous_secret_are_found_while_it_is_known() {
        let mine = owner("a", "default", 1, KEY);
        let text = message("hej");
        let old = MarkerSigner::new("old".into(), None);
        let log = [row(&format!("{} hej", old.mark(&mine, &text)))];
        let rotated = MarkerSigner::new("new".into(), Some("old".into()));
        assert!(matches!(rotated.find(&log, &mine, &text), LogMatch::Same { .. }));
        assert_eq!(rotated.find(&log, &mine, &message("hopp")), LogMatch::Other);
        assert_ne!(rotated.mark(&mine, &text), old.mark(&mine, &text));
    }

    #[test]
    fn letters_may_be_composed_in_either_way() {
        let markers = MarkerSigner::new("secret".into(), None);
        let mine = owner("a", "default", 1, KEY);
        assert_eq!(markers.mark(&mine, &message("e\u{301}")), markers.mark(&mine, &message("é")));
    }
}
