//! Messages for an order's log.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::{Inner, ReadBack, WriteFailure};
use crate::backend::{Error, RequestContext, Sent, WriteError};
use crate::idempotency::{IdempotencyMarker, KeyScope, LogMatch};
use crate::model::{Extensible, LocalTime, Message, NewMessage, Order, OrderId, Pii, now};

/// A message that is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageReceipt {
    /// The time stamp of its entry, if known.
    pub at: Option<LocalTime>,
    /// The part of its marker that stands for the key.
    pub reference: Option<String>,
    /// Whether it was in the log before this request.
    pub is_replayed: bool,
    /// How many entries carry the marker, if more than one.
    pub duplicates: Option<usize>,
}

/// When the log is read back after a message whose response proved nothing.
const VERIFY_DELAYS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// How long a request waits for another one with the same key.
const KEY_WAIT: Duration = Duration::from_secs(2);
/// How far clocks with a resolution of a second may differ although they agree.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

impl Inner {
    /// A message without a key: sent once, and searched for only if its response proves nothing.
    pub(super) async fn add_once(
        &self,
        context: &RequestContext,
        id: OrderId,
        message: NewMessage,
    ) -> Result<MessageReceipt, WriteFailure> {
        match self.retry_unsent(context, "add_message", || self.send_message(context, id, &message)).await {
            Ok(receipt) => Ok(MessageReceipt { at: receipt.logged_at, ..MessageReceipt::default() }),
            Err(WriteError { source: unknown @ Error::OutcomeUnknown { .. }, sent }) => {
                let sent = sent.unwrap_or_else(Sent::now);
                let evidence = |order: &Order, read_back: ReadBack| {
                    log(order).iter().find(|entry| is_like(entry, &message) && is_since(entry, sent, read_back)).cloned()
                };
                let entry = self.verify_by_read_back(context, id, &VERIFY_DELAYS, evidence).await.ok_or(unknown)?;
                Ok(MessageReceipt { at: entry.at, ..MessageReceipt::default() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A message with a key: searched for in the log before it is sent, and sent with a marker by which it can be found there.
    pub(super) async fn add_with_key(
        &self,
        context: &RequestContext,
        scope: KeyScope,
        message: NewMessage,
    ) -> Result<MessageReceipt, WriteFailure> {
        let marker = self.settings.markers.mark(&scope, &message);
        let with_marker = NewMessage { text: format!("{marker} {}", message.text.expose()).into(), ..message.clone() };
        self.backend().check_message(scope.order, &with_marker)?;
        let guard = self.wait(context, Instant::now() + KEY_WAIT, self.key_locks.write(scope.clone())).await?;
        let _guard = guard.ok_or(WriteFailure::KeyInUse)?;

        if let Some(receipt) = self.find_previous(context, &scope, &message).await? {
            return Ok(MessageReceipt { is_replayed: true, ..receipt });
        }
        // A write that can no longer be verified within the request is not started.
        let context = &context.with_send_deadline(self.send_deadline(context).ok_or(Error::Overloaded)?);
        // Entered before it is sent, so that it is not forgotten if this task panics.
        let until = context.deadline() + self.settings.settle_time;
        let ticket = self.messages.remember(scope.clone(), marker.clone(), until);
        let result = self.retry_unsent(context, "add_message", || self.send_message(context, scope.order, &with_marker)).await;
        let (done, sent) = match result {
            Ok(receipt) => {
                let reference = Some(marker.key_part.clone());
                let done = MessageReceipt { at: receipt.logged_at, reference, ..MessageReceipt::default() };
                (Ok(done), Some(receipt.sent))
            }
            Err(WriteError { source: unknown @ Error::OutcomeUnknown { .. }, sent }) => {
                let evidence = |order: &Order, _: ReadBack| match self.settings.markers.find(log(order), &scope, &message) {
                    LogMatch::Same { entry, times } => Some(self.receipt_of(entry, times)),
                    LogMatch::Other | LogMatch::Nothing => None,
                };
                let found = self.verify_by_read_back(context, scope.order, &VERIFY_DELAYS, evidence).await;
                (found.ok_or(unknown.into()), sent)
            }
            Err(error) => (Err(error.source.into()), error.sent),
        };
        if done.as_ref().is_err_and(WriteFailure::is_unknown) {
            self.messages.expire_at(&scope, ticket, self.in_doubt_until(sent));
        } else {
            self.messages.forget(&scope, ticket);
        }
        done
    }

    /// An earlier message with this key, as it stands in the log. While one is in doubt and not in the log, nothing may be
    /// sent: its absence proves nothing then.
    async fn find_previous(
        &self,
        context: &RequestContext,
        scope: &KeyScope,
        message: &NewMessage,
    ) -> Result<Option<MessageReceipt>, WriteFailure> {
        // The key is locked, so there is at most one.
        let in_doubt = self.messages.get(scope).pop();
        if in_doubt.as_ref().is_some_and(|earlier| !self.settings.markers.is_of(&earlier.write, scope, message)) {
            return Err(WriteFailure::KeyReused);
        }
        let before = match (self.preflight_read_log(context, scope.order).await, &in_doubt) {
            // A log that cannot be read proves as little as one without the message.
            (Err(failure), Some(earlier)) if failure != Error::NotFound.into() => {
                return Err(WriteFailure::InDoubt { time_left: earlier.time_left(), is_same: true });
            }
            (before, _) => before?,
        };
        match self.settings.markers.find(log(&before), scope, message) {
            LogMatch::Same { entry, times } => {
                if let Some(earlier) = &in_doubt {
                    self.messages.forget(scope, earlier.ticket);
                }
                Ok(Some(self.receipt_of(entry, times)))
            }
            LogMatch::Other => Err(WriteFailure::KeyReused),
            LogMatch::Nothing => match in_doubt {
                None => Ok(None),
                Some(earlier) => Err(WriteFailure::InDoubt { time_left: earlier.time_left(), is_same: true }),
            },
        }
    }

    /// The present state of the order, with its log: an answer without a log does not prove that an entry is missing.
    async fn preflight_read_log(&self, context: &RequestContext, id: OrderId) -> Result<Order, WriteFailure> {
        let order = self.preflight_read(context, id).await?;
        if order.messages.is_some() {
            return Ok(order);
        }
        let cause = Box::new(Error::InvalidResponse { reason: "it has no log, which would show whether the message is there" });
        Err(Error::NotSent { cause }.into())
    }

    fn receipt_of(&self, entry: &Message, times: usize) -> MessageReceipt {
        let duplicates = (times > 1).then_some(times);
        if duplicates.is_some() {
            self.settings.metrics.duplicate();
        }
        let marker = entry.text.as_ref().map(Pii::expose).and_then(IdempotencyMarker::split);
        MessageReceipt { at: entry.at, reference: marker.map(|(marker, _)| marker.key_part), is_replayed: false, duplicates }
    }
}

fn log(order: &Order) -> &[Message] {
    order.messages.as_deref().unwrap_or_default()
}

/// Whether an entry has this message's type and text.
fn is_like(entry: &Message, message: &NewMessage) -> bool {
    entry.kind == Some(Extensible::Known(message.kind))
        && entry.text.as_ref().is_some_and(|text| text.expose().split_whitespace().eq(message.text.expose().split_whitespace()))
}

/// Whether an entry of a read-back was stamped after the write was sent, by the upstream's clock.
fn is_since(entry: &Message, sent: Sent, read_back: ReadBack) -> bool {
    let skew = read_back.clock_skew;
    let window = sent.on + skew - CLOCK_TOLERANCE..=now() + skew + CLOCK_TOLERANCE;
    entry.at.is_some_and(|at| window.contains(&at.earliest()) || window.contains(&at.latest()))
}
