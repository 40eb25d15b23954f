//! Writes to a JSON system, and how one in doubt is settled.
//!
//! | in doubt | then |
//! | --- | --- |
//! | a message with a key | the same key again, after 0.25 s, 0.5 s, 1 s and so on until the deadline: the system adds it once |
//! | a message without | the log is read, and an entry that cannot be explained otherwise is the message |
//! | a status | the order is read, and has the wanted status or not |
//!
//! Once in doubt, only a success or evidence ends it: that a repetition is refused does not prove what became of the first. What
//! is settled by reading is never sent again.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::answer::{Wanted, WriteOutcome};
use super::{Client, Shared, record_completed};
use crate::backend::{
    Call, CallKind, Error, Receipt, RequestContext, Result, Sent, Snapshot, Transient, WriteError, WriteResult,
};
use crate::http_client::Request;
use crate::idempotency::IdempotencyMarker;
use crate::model::{Extensible, NewMessage, Order, OrderId, OrderStatus, StrEnum, now};
use crate::resilience::Share;
use crate::writes::{MESSAGE_VERIFY_DELAYS, STATUS_VERIFY_DELAYS, proof_of_message};

pub(super) const SET_STATUS: Call = Call { name: "set_status", kind: CallKind::Write };
pub(super) const ADD_MESSAGE: Call = Call { name: "add_message", kind: CallKind::Write };

/// How long a write that was sent may still be applied.
const SETTLE_TIME: Duration = Duration::from_secs(35);
/// The delay before a message in doubt is sent again for the first time; it doubles.
const FIRST_REPETITION: Duration = Duration::from_millis(250);
/// When to ask again for a message whose key is in use, if the system does not say.
const KEY_IN_USE: Duration = Duration::from_secs(1);

const UNKNOWN: Error = Error::OutcomeUnknown { retry_after: SETTLE_TIME };

/// What became of a write that was sent once, or again as long as it was provably not applied.
enum SentOnce {
    Applied(Receipt),
    InDoubt(Sent),
}

impl Client {
    pub(super) async fn change_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> WriteResult {
        let body = json!({"status": status.as_str()}).to_string();
        let request = self.write_request(Method::PATCH, &format!("/orders/{id}/status"), body, None);
        match self.send_once(context, SET_STATUS, id, &request, Wanted::Status(status)).await? {
            SentOnce::Applied(receipt) => Ok(receipt),
            SentOnce::InDoubt(sent) => {
                let is_wanted = |order: &Snapshot<Order>| order.value.status == Some(Extensible::Known(status));
                let has_status = |order: &Snapshot<Order>| is_wanted(order).then_some(Receipt { sent, logged_at: None });
                self.read_back(context, id, sent, &STATUS_VERIFY_DELAYS, has_status).await
            }
        }
    }

    /// A message for a system that does not know idempotency keys. The marker of a gateway in front stays in the text.
    pub(super) async fn add_once(&self, context: &RequestContext, id: OrderId, message: &NewMessage) -> WriteResult {
        let request = self.message_request(id, message, message.text.expose(), None);
        match self.send_once(context, ADD_MESSAGE, id, &request, Wanted::Message(&self.shared.zone)).await? {
            SentOnce::Applied(receipt) => Ok(receipt),
            SentOnce::InDoubt(sent) => {
                let entry = |order: &Snapshot<Order>| proof_of_message(message, sent, &order.value, now(), order.clock_skew);
                self.read_back(context, id, sent, &MESSAGE_VERIFY_DELAYS, entry).await
            }
        }
    }

    /// A message with the key of its marker, of its request, or a random one.
    pub(super) async fn add_with_key(&self, context: &RequestContext, id: OrderId, message: &NewMessage) -> WriteResult {
        let (key, text) = key_and_text(context, message.text.expose());
        let request = self.message_request(id, message, text, Some(&key));
        let wanted = Wanted::Message(&self.shared.zone);
        self.probe(context, id).await;
        let mut repetition = Repetition { in_doubt: None, delay: FIRST_REPETITION };
        let (mut attempts, mut retries) = (0, 0);
        loop {
            let attempt_context = repetition.context(context);
            let attempt = self.try_write(&attempt_context, ADD_MESSAGE, attempts, &request, wanted).await;
            let (outcome, sent) = match (attempt, repetition.in_doubt) {
                (Ok(outcome), _) => outcome,
                (Err(error), None) => return Err(error.into()),
                // Not admitted, and an earlier one may have been applied.
                (Err(_), Some(sent)) => (WriteOutcome::InDoubt(None), sent),
            };
            attempts += 1;
            let first = repetition.in_doubt.unwrap_or(sent);
            let wait = match (outcome, repetition.in_doubt) {
                (WriteOutcome::Applied(logged_at), _) => return Ok(Receipt { sent: first, logged_at }),
                (WriteOutcome::Failed(source), None) => return Err(failed(source, sent)),
                (WriteOutcome::NotApplied(error, transient), None) => {
                    if self.shared.calls.wait_for_retry(Some(transient), &mut retries, context.send_deadline()).await {
                        continue;
                    }
                    return Err(not_sent(error));
                }
                (WriteOutcome::Failed(_), Some(first)) => return Err(unknown(first)),
                (WriteOutcome::KeyInUse(time), _) => time.unwrap_or(KEY_IN_USE),
                (WriteOutcome::NotApplied(_, Transient { retry_after: time }), Some(_)) | (WriteOutcome::InDoubt(time), _) => {
                    repetition.next_delay().max(time.unwrap_or_default())
                }
            };
            repetition.in_doubt = Some(first);
            if Instant::now() + wait >= context.deadline() {
                return Err(unknown(first));
            }
            sleep(wait).await;
        }
    }

    /// Sends a write, and again, at most twice and paid from the budget, as long as it was not applied.
    async fn send_once(
        &self,
        context: &RequestContext,
        call: Call,
        id: OrderId,
        request: &Request,
        wanted: Wanted<'_>,
    ) -> std::result::Result<SentOnce, WriteError> {
        self.probe(context, id).await;
        let mut retries = 0;
        loop {
            let (outcome, sent) = self.try_write(context, call, retries, request, wanted).await?;
            match outcome {
                WriteOutcome::Applied(logged_at) => return Ok(SentOnce::Applied(Receipt { sent, logged_at })),
                WriteOutcome::Failed(source) => return Err(failed(source, sent)),
                WriteOutcome::InDoubt(_) | WriteOutcome::KeyInUse(_) => return Ok(SentOnce::InDoubt(sent)),
                WriteOutcome::NotApplied(error, transient) => {
                    if !self.shared.calls.wait_for_retry(Some(transient), &mut retries, context.send_deadline()).await {
                        return Err(not_sent(error));
                    }
                }
            }
        }
    }

    /// One attempt at a write.
    async fn try_write(
        &self,
        context: &RequestContext,
        call: Call,
        attempts: u32,
        request: &Request,
        wanted: Wanted<'_>,
    ) -> Result<(WriteOutcome, Sent)> {
        let Shared { exchanges, calls, .. } = &*self.shared;
        let mut admitted = calls.admit_write(context, call, attempts, self.deadline(context)).await?;
        // A write always gets its full response timeout, whatever it spent queueing.
        let (sent, deadline) = (Sent::now(), self.deadline(context));
        let attempt = exchanges.exchange(request, Share::Writes, deadline).await;
        record_completed(&mut admitted, &attempt);
        Ok((attempt.write_outcome(wanted), sent))
    }

    /// Reads an order back until it shows evidence of a write.
    async fn read_back(
        &self,
        context: &RequestContext,
        id: OrderId,
        sent: Sent,
        delays: &[Duration],
        evidence: impl Fn(&Snapshot<Order>) -> Option<Receipt>,
    ) -> WriteResult {
        let start = Instant::now();
        let context = context.uncancellable().uncached();
        for delay in delays {
            if start + *delay >= context.deadline() {
                break;
            }
            sleep_until(start + *delay).await;
            // A failed read is no evidence; the next one may succeed.
            let order = self.read_order(&context, id).await;
            if let Some(receipt) = order.ok().as_ref().and_then(&evidence) {
                return Ok(receipt);
            }
        }
        Err(unknown(sent))
    }

    /// Only a read can be the breaker's probe, and clients that only write would never send one. What it returns does not matter.
    async fn probe(&self, context: &RequestContext, id: OrderId) {
        if self.shared.calls.awaits_probe() {
            let _ = self.read_order(&context.uncached(), id).await;
        }
    }

    fn message_request(&self, id: OrderId, message: &NewMessage, text: &str, key: Option<&str>) -> Request {
        let body = json!({"type": message.kind.as_str(), "text": text}).to_string();
        self.write_request(Method::POST, &format!("/orders/{id}/messages"), body, key)
    }

    fn write_request(&self, method: Method, path: &str, body: String, key: Option<&str>) -> Request {
        self.shared.exchanges.write(method, path, Bytes::from(body), key, self.token.as_ref())
    }
}

/// A message that is sent until it is certain that it was added.
struct Repetition {
    /// When the first attempt that may have added it was sent.
    in_doubt: Option<Sent>,
    delay: Duration,
}

impl Repetition {
    /// Once in doubt, neither the client's disconnect nor the latest time for a first attempt ends it.
    fn context(&self, context: &RequestContext) -> RequestContext {
        match self.in_doubt {
            None => context.clone(),
            Some(_) => context.uncancellable().with_send_deadline(context.deadline()),
        }
    }

    fn next_delay(&mut self) -> Duration {
        let delay = self.delay;
        self.delay = delay.saturating_mul(2);
        delay
    }
}

/// The key of a message, and its text. The marker of a gateway in front, by which that finds a message in a log, stands for a
/// key here, so it does not belong into the text.
fn key_and_text<'t>(context: &RequestContext, text: &'t str) -> (String, &'t str) {
    if let Some((marker, rest)) = leading_marker(text) {
        return (format!("gw-{}{}", marker.key_part, marker.content), rest);
    }
    let key = context.message_key().map(|key| key.as_str().to_owned());
    (key.unwrap_or_else(|| Uuid::new_v4().to_string()), text)
}

/// The marker that a text begins with, exactly as a gateway writes it, and the text behind it.
fn leading_marker(text: &str) -> Option<(IdempotencyMarker, &str)> {
    let (marker, _) = IdempotencyMarker::split(text)?;
    let rest = text.strip_prefix(&marker.to_string())?.strip_prefix(' ')?;
    (!rest.trim().is_empty()).then_some((marker, rest))
}

/// A failure that the system reported. One that says that nothing was sent counts as never sent.
fn failed(source: Error, sent: Sent) -> WriteError {
    let is_sent = !matches!(source, Error::NotSent { .. });
    WriteError { source, sent: is_sent.then_some(sent) }
}

fn not_sent(cause: Error) -> WriteError {
    Error::NotSent { cause: Box::new(cause) }.into()
}

const fn unknown(sent: Sent) -> WriteError {
    WriteError { source: UNKNOWN, sent: Some(sent) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idempotency::IdempotencyKey;

    #[test]
    fn a_message_has_the_key_of_its_marker_of_its_request_or_a_random_one() {
        let context = RequestContext::within(Duration::from_secs(1));
        let with_key = context.with_message_key(IdempotencyKey::parse("ABCDEFGHIJKLMNOPQRSTUVWXYZ").unwrap());

        for context in [&context, &with_key] {
            assert_eq!(key_and_text(context, "gw:ABCDEFGHIJKLMNOPQ2 Ring"), ("gw-ABCDEFGHIJKLMNOPQ2".to_owned(), "Ring"));
        }
        for text in [
            "Ring",
            "Ring gw:ABCDEFGHIJKLMNOPQ2",
            "gw:ABCDEFGHIJKLMNOPQ2",
            "gw:ABCDEFGHIJKLMNOPQ2 \n",
            "gw:abcdefghijklmnopq2 x",
        ] {
            assert_eq!(key_and_text(&with_key, text), ("ABCDEFGHIJKLMNOPQRSTUVWXYZ".to_owned(), text));
        }
        let random = [key_and_text(&context, "Ring").0, key_and_text(&context, "Ring").0];
        assert!(random[0] != random[1] && random.iter().all(|key| IdempotencyKey::parse(key).is_ok()));
    }
}
