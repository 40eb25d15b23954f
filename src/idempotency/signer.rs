//! Makes idempotency markers, and finds messages by them in a log.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;

use super::marker::{MarkerMatch, fold};
use super::{IdempotencyKey, IdempotencyMarker};
use crate::config::Secret;
use crate::model::{Message, NewMessage, OrderId, StrEnum, compose};

/// Signs with the current secret, and accepts the previous one as well while replicas are being rotated to it.
pub struct MarkerSigner {
    current: Secret,
    previous: Option<Secret>,
}

/// What an idempotency key is unique in: the same key of another client, order or upstream is a different one.
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

/// What a log contains about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogMatch<'l> {
    /// No entry with this key.
    Nothing,
    /// The message itself.
    Same {
        /// The first such entry.
        entry: &'l Message,
        /// Its marker, made with the current secret or the previous one.
        marker: IdempotencyMarker,
        /// How many entries carry the marker.
        times: usize,
    },
    /// Another message with the same key.
    Other,
}

impl MarkerSigner {
    /// Signs with `current`; logs are searched for markers of both.
    #[must_use]
    pub const fn new(current: Secret, previous: Option<Secret>) -> Self {
        Self { current, previous }
    }

    /// The marker of a message.
    #[must_use]
    pub fn mark(&self, scope: &KeyScope, message: &NewMessage) -> IdempotencyMarker {
        mark(&self.current, scope, message)
    }

    /// Whether a marker, made with either secret, is that of a message.
    #[must_use]
    pub fn is_of(&self, marker: &IdempotencyMarker, scope: &KeyScope, message: &NewMessage) -> bool {
        self.all(scope, message).contains(marker)
    }

    /// Searches a log for a message.
    #[must_use]
    pub fn find<'l>(&self, log: &'l [Message], scope: &KeyScope, message: &NewMessage) -> LogMatch<'l> {
        let ours = self.all(scope, message);
        let texts = log.iter().filter_map(|entry| Some((entry, fold(entry.text.as_ref()?.expose()))));
        let mut found = LogMatch::Nothing;
        for (entry, text) in texts {
            let matches = ours.iter().map(|marker| (marker, marker.search(&text)));
            // `Same` sorts first: the current secret and the previous one make different markers of one key.
            let Some((marker, best)) = matches.min_by_key(|(_, found)| *found) else { continue };
            match (best, &mut found) {
                (MarkerMatch::Same, LogMatch::Same { times, .. }) => *times += 1,
                (MarkerMatch::Same, _) => found = LogMatch::Same { entry, marker: marker.clone(), times: 1 },
                (MarkerMatch::SameKey, LogMatch::Nothing) => found = LogMatch::Other,
                (MarkerMatch::SameKey | MarkerMatch::None, _) => {}
            }
        }
        found
    }

    /// The markers that a message may have: made with the current secret, and with the previous one.
    #[must_use]
    pub fn all(&self, scope: &KeyScope, message: &NewMessage) -> Vec<IdempotencyMarker> {
        let secrets = [Some(&self.current), self.previous.as_ref()];
        secrets.into_iter().flatten().map(|secret| mark(secret, scope, message)).collect()
    }
}

fn mark(secret: &Secret, scope: &KeyScope, message: &NewMessage) -> IdempotencyMarker {
    let KeyScope { client, upstream, order, key } = scope;
    let (order, key) = (order.to_string(), key.as_str());
    // The key is made for each message, because the secret's file may have been reloaded.
    let secret = &secret.with(|text| hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()));
    // Equal texts must have equal markers, however their letters are composed.
    let text = compose(message.text.expose());
    let parts = [client.as_str(), upstream, &order, key];
    let content = [&parts[..], &[message.kind.as_str(), &*text]].concat();
    IdempotencyMarker {
        key_part: base32(sign(secret, "k", &parts), IdempotencyMarker::KEY_PART),
        content: base32(sign(secret, "f", &content), IdempotencyMarker::CONTENT),
    }
}

/// The first `length` characters of a signature in base32 (RFC 4648): 5 bits each.
fn base32(signature: hmac::Tag, length: usize) -> String {
    let mut text = BASE32_NOPAD.encode(signature.as_ref());
    text.truncate(length);
    text
}

/// Each part is signed with its length, so that no two lists of parts are the same bytes.
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
        f.write_str("MarkerSigner")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MessageType;

    fn scope(client: &str, upstream: &str, order: u64, key: &str) -> KeyScope {
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

    fn entry(text: &str) -> Message {
        Message { text: Some(text.into()), ..Message::default() }
    }

    const KEY: &str = "0123456789abcdef";

    #[test]
    fn a_message_is_found_by_its_marker_alone() {
        let markers = MarkerSigner::new("secret".into(), None);
        let mine = scope("a", "default", 1, KEY);
        let text = message("Kunden nås efter kl. 16");
        let marked = entry(&format!("{} Kunden n", markers.mark(&mine, &text)));
        let log = [entry("annat"), marked.clone(), Message::default()];
        let own = markers.mark(&mine, &text);
        assert_eq!(markers.find(&log, &mine, &text), LogMatch::Same { entry: &marked, marker: own, times: 1 });
        assert_eq!(markers.find(&log, &mine, &message("annat")), LogMatch::Other);
        let other_kind = NewMessage { kind: MessageType::Alert, ..text.clone() };
        assert_eq!(markers.find(&log, &mine, &other_kind), LogMatch::Other);
        for other in [
            scope("b", "default", 1, KEY),
            scope("a", "other", 1, KEY),
            scope("a", "default", 2, KEY),
            scope("a", "default", 1, "0123456789abcdeg"),
            // The same bytes in sequence, divided elsewhere.
            scope("ad", "efault", 1, KEY),
        ] {
            assert_eq!(markers.find(&log, &other, &text), LogMatch::Nothing);
        }
        assert_eq!(MarkerSigner::new("another".into(), None).find(&log, &mine, &text), LogMatch::Nothing);
    }

    #[test]
    fn markers_of_the_previous_secret_are_found() {
        let mine = scope("a", "default", 1, KEY);
        let text = message("hej");
        let old = MarkerSigner::new("old".into(), None);
        let log = [entry(&format!("{} hej", old.mark(&mine, &text)))];
        let rotated = MarkerSigner::new("new".into(), Some("old".into()));
        assert!(matches!(rotated.find(&log, &mine, &text), LogMatch::Same { .. }));
        assert_eq!(rotated.find(&log, &mine, &message("hopp")), LogMatch::Other);
        assert_ne!(rotated.mark(&mine, &text), old.mark(&mine, &text));
    }

    #[test]
    fn composed_and_decomposed_letters_are_equal() {
        let markers = MarkerSigner::new("secret".into(), None);
        let mine = scope("a", "default", 1, KEY);
        assert_eq!(markers.mark(&mine, &message("e\u{301}")), markers.mark(&mine, &message("é")));
    }
}
