//! Messages for an order's log.

use std::time::Duration;

use tokio::time::Instant;

use super::evidence::{WriteTime, stamp_since};
use super::{Inner, ReadBack, WriteFailure};
use crate::backend::{Error, RequestContext, Sent, WriteError};
use crate::idempotency::{IdempotencyMarker, KeyScope, LogMatch};
use crate::model::{FreeText, LocalTime, Message, NewMessage, Order, OrderId, Pii};
use crate::resilience::Reserved;

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
    /// The text of its entry without the marker, if that was read. The upstream may have truncated it.
    pub text: Option<Pii<FreeText>>,
}

/// When the log is read back after a message whose response proved nothing.
pub(crate) const VERIFY_DELAYS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// How long a request waits for another one with the same key.
const KEY_WAIT: Duration = Duration::from_secs(2);

impl Inner {
    /// A message without a key: sent once, and searched for only if its response does not confirm it.
    pub(super) async fn add_once(
        &self,
        context: &RequestContext,
        id: OrderId,
        message: NewMessage,
    ) -> Result<MessageReceipt, WriteFailure> {
        let write = || self.backend().add_message(context, id, message.clone());
        let result = self.retry_unsent(context, "add_message", write).await;
        let shows = |order: &Order, sent, read_back| WriteTime::new(sent, read_back).may_show_message(&message, order);
        match self.check_rejection(context, id, Some(&message), result, shows).await {
            Ok(receipt) => Ok(MessageReceipt { at: receipt.logged_at, ..MessageReceipt::default() }),
            Err(WriteError { source: unknown @ Error::OutcomeUnknown { .. }, sent }) => {
                let sent = sent.unwrap_or_else(Sent::now);
                let evidence = |order: &Reserved<Order>, read_back| {
                    let entry = WriteTime::new(sent, read_back).proof_of(&message, order)?;
                    Some(MessageReceipt { at: stamp_since(sent, entry), ..MessageReceipt::default() })
                };
                Ok(self.verify_by_read_back(context, id, &VERIFY_DELAYS, evidence).await.ok_or(unknown)?)
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
        let write = || self.backend().add_message(context, scope.order, with_marker.clone());
        let result = self.retry_unsent(context, "add_message", write).await;
        // The marker was not in the log before, so this write brought it there.
        let added = |order: &Order, sent: Sent| match self.settings.markers.find(log(order), &scope, &message) {
            LogMatch::Same { entry, marker, times } => {
                Some(MessageReceipt { at: stamp_since(sent, entry), ..self.receipt_of(entry, marker, times) })
            }
            LogMatch::Other | LogMatch::Nothing => None,
        };
        let mut after_rejection = None;
        let shows = |order: &Order, sent, read_back| {
            after_rejection = added(order, sent);
            after_rejection.is_some() || WriteTime::new(sent, read_back).may_show_message(&message, order)
        };
        let result = self.check_rejection(context, scope.order, Some(&with_marker), result, shows).await;
        let (done, sent) = match (result, after_rejection) {
            (Ok(receipt), _) => {
                self.confirmed_messages.remember(scope.order, marker.clone());
                let reference = Some(marker.key_part.clone());
                let done = MessageReceipt { at: receipt.logged_at, reference, ..MessageReceipt::default() };
                (Ok(done), Some(receipt.sent))
            }
            (Err(WriteError { sent, .. }), Some(receipt)) => (Ok(receipt), sent),
            (Err(WriteError { source: unknown @ Error::OutcomeUnknown { .. }, sent }), None) => {
                let sent_then = sent.unwrap_or_else(Sent::now);
                let evidence = |order: &Reserved<Order>, _: ReadBack| added(order, sent_then);
                let found = self.verify_by_read_back(context, scope.order, &VERIFY_DELAYS, evidence).await;
                (found.ok_or(unknown.into()), sent)
            }
            (Err(error), None) => (Err(error.source.into()), error.sent),
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
            LogMatch::Same { entry, marker, times } => {
                if let Some(earlier) = &in_doubt {
                    self.messages.forget(scope, earlier.ticket);
                }
                Ok(Some(self.receipt_of(entry, marker, times)))
            }
            LogMatch::Other => Err(WriteFailure::KeyReused),
            LogMatch::Nothing => match in_doubt {
                None => self.find_lost(scope, message),
                Some(earlier) => Err(WriteFailure::InDoubt { time_left: earlier.time_left(), is_same: true }),
            },
        }
    }

    /// An earlier message with this key that the upstream confirmed and does not show.
    fn find_lost(&self, scope: &KeyScope, message: &NewMessage) -> Result<Option<MessageReceipt>, WriteFailure> {
        let candidates = self.settings.markers.all(scope, message);
        match self.confirmed_messages.lost(&candidates) {
            None => Ok(None),
            Some(marker) if !candidates.contains(&marker) => Err(WriteFailure::KeyReused),
            Some(marker) => Ok(Some(MessageReceipt { reference: Some(marker.key_part), ..MessageReceipt::default() })),
        }
    }

    /// The present state of the order, with its log: an answer without a log does not prove that an entry is missing.
    async fn preflight_read_log(&self, context: &RequestContext, id: OrderId) -> Result<Reserved<Order>, WriteFailure> {
        let order = self.preflight_read(context, id).await?;
        if order.messages.is_some() {
            return Ok(order);
        }
        let cause = Box::new(Error::InvalidResponse { reason: "it has no log, which would show whether the message is there" });
        Err(Error::NotSent { cause }.into())
    }

    fn receipt_of(&self, entry: &Message, marker: IdempotencyMarker, times: usize) -> MessageReceipt {
        let duplicates = (times > 1).then_some(times);
        if duplicates.is_some() {
            self.settings.metrics.duplicate();
        }
        let text = entry.text.as_ref().map(Pii::expose).map(|text| match IdempotencyMarker::split(text) {
            Some((_, text)) => text.into_owned(),
            // Recognised in spite of its layout, which cannot be told from the text.
            None => text.to_owned(),
        });
        let text = text.map(Pii::from);
        MessageReceipt { at: entry.at, reference: Some(marker.key_part), is_replayed: false, duplicates, text }
    }
}

fn log(order: &Order) -> &[Message] {
    order.messages.as_deref().unwrap_or_default()
}
