//! Messages for an order's log.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::{Inner, ReadBack, WriteFailure};
use crate::backend::{Error, RequestContext, Sent};
use crate::idempotency::{IdempotencyMarker, KeyScope, LogMatch};
use crate::model::{Extensible, LocalTime, Message, NewMessage, Order, OrderId, Pii, now};

/// A message that is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageReceipt {
    /// When its row was stamped, where that is known.
    pub at: Option<LocalTime>,
    /// What stands for its key in the log.
    pub reference: Option<String>,
    /// Whether it was there before this request.
    pub is_replayed: bool,
    /// How many times it is there, where that is more than once.
    pub duplicates: Option<usize>,
}

/// When the log is looked at after a message whose answer told nothing.
const VERIFY_DELAYS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// How long a key may be in use by somebody else before the client is sent away.
const KEY_WAIT: Duration = Duration::from_secs(2);
/// What clocks that tell whole seconds may differ by, although they agree.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

impl Inner {
    /// A message that is sent once and looked for only when its answer told nothing.
    pub(super) async fn add_once(
        &self,
        context: &RequestContext,
        id: OrderId,
        message: NewMessage,
    ) -> Result<MessageReceipt, WriteFailure> {
        match self.send(context, "add_message", || self.backend().add_message(context, id, message.clone())).await {
            Ok(at) => Ok(MessageReceipt { at, ..MessageReceipt::default() }),
            Err(unknown @ Error::OutcomeUnknown { .. }) => {
                let row = |order: &Order, look: &ReadBack| {
                    log(order).iter().find(|row| is_like(row, &message) && is_since_sent(row, &look.context)).cloned()
                };
                let row = self.verify_by_read_back(context, id, &VERIFY_DELAYS, row).await.ok_or(unknown)?;
                Ok(MessageReceipt { at: row.at, ..MessageReceipt::default() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A message that is looked for in the log before it is sent, and marked so that it can be found there.
    pub(super) async fn add_with_key(
        &self,
        context: &RequestContext,
        owner: KeyScope,
        message: NewMessage,
    ) -> Result<MessageReceipt, WriteFailure> {
        let marker = self.settings.markers.mark(&owner, &message);
        let with_marker = NewMessage { text: format!("{marker} {}", message.text.expose()).into(), ..message.clone() };
        self.backend().check_message(owner.order, &with_marker)?;
        let turn = self.wait(context, Instant::now() + KEY_WAIT, self.keys.write(owner.clone())).await?;
        let _turn = turn.ok_or(WriteFailure::KeyInUse)?;
        if let Some(added) = self.find_previous(context, &owner, &message).await? {
            return Ok(MessageReceipt { is_replayed: true, ..added });
        }
        // A write that cannot be settled any more is better not begun.
        let context = &context.with_send_deadline(self.send_deadline(context).ok_or(Error::Overloaded)?);
        // Before it is sent, lest it be forgotten if something goes wrong here.
        let ticket = self.messages.remember(owner.clone(), marker.clone(), context.deadline() + self.settings.settle_time);
        let write = || self.backend().add_message(context, owner.order, with_marker.clone());
        let done = match self.send(context, "add_message", write).await {
            Ok(at) => Ok(MessageReceipt { at, reference: Some(marker.key_part.clone()), ..MessageReceipt::default() }),
            Err(unknown @ Error::OutcomeUnknown { .. }) => {
                let evidence = |order: &Order, _: &ReadBack| match self.settings.markers.find(log(order), &owner, &message) {
                    LogMatch::Same { row, times } => Some(self.added(row, times)),
                    LogMatch::Other | LogMatch::Nothing => None,
                };
                self.verify_by_read_back(context, owner.order, &VERIFY_DELAYS, evidence).await.ok_or(unknown.into())
            }
            Err(error) => Err(error.into()),
        };
        if done.as_ref().is_err_and(WriteFailure::is_open) {
            self.messages.end_at(&owner, ticket, self.in_doubt_until(context));
        } else {
            self.messages.forget(&owner, ticket);
        }
        done
    }

    /// The order as it is now, with its log: one that is not told is not known to lack anything.
    async fn preflight_read_log(&self, context: &RequestContext, id: OrderId) -> Result<Order, WriteFailure> {
        let order = self.preflight_read(context, id).await?;
        if order.messages.is_some() {
            return Ok(order);
        }
        let cause = Box::new(Error::InvalidResponse { reason: "it has no log, which tells whether the message is there" });
        Err(Error::NotSent { cause }.into())
    }

    /// The message as it stands in the log. While one with this key may be under way, nothing is sent if it is not there:
    /// absence proves nothing then.
    async fn find_previous(
        &self,
        context: &RequestContext,
        owner: &KeyScope,
        message: &NewMessage,
    ) -> Result<Option<MessageReceipt>, WriteFailure> {
        // Keys have their turns, so there is one at the most.
        let pending = self.messages.get(owner).pop();
        if pending.as_ref().is_some_and(|pending| !self.settings.markers.is_of(&pending.write, owner, message)) {
            return Err(WriteFailure::KeyReused);
        }
        let before = match (self.preflight_read_log(context, owner.order).await, &pending) {
            // What cannot be seen is as unknown as what is not there.
            (Err(refusal), Some(pending)) if refusal != Error::NotFound.into() => {
                return Err(WriteFailure::InDoubt { time_left: pending.time_left(), is_the_same: true });
            }
            (before, _) => before?,
        };
        match self.settings.markers.find(log(&before), owner, message) {
            LogMatch::Same { row, times } => {
                if let Some(pending) = &pending {
                    self.messages.forget(owner, pending.ticket);
                }
                Ok(Some(self.added(row, times)))
            }
            LogMatch::Other => Err(WriteFailure::KeyReused),
            LogMatch::Nothing => pending
                .map_or(Ok(None), |pending| Err(WriteFailure::InDoubt { time_left: pending.time_left(), is_the_same: true })),
        }
    }

    fn added(&self, row: &Message, times: usize) -> MessageReceipt {
        let duplicates = (times > 1).then_some(times);
        if duplicates.is_some() {
            self.settings.metrics.duplicate();
        }
        let marker = row.text.as_ref().map(Pii::expose).and_then(IdempotencyMarker::split);
        MessageReceipt { at: row.at, reference: marker.map(|(marker, _)| marker.key_part), is_replayed: false, duplicates }
    }
}

/// The rows of an order's log.
fn log(order: &Order) -> &[Message] {
    order.messages.as_deref().unwrap_or_default()
}

/// Whether a row has this message's type and text.
fn is_like(row: &Message, message: &NewMessage) -> bool {
    row.kind == Some(Extensible::Known(message.kind))
        && row.text.as_ref().is_some_and(|text| text.expose().split_whitespace().eq(message.text.expose().split_whitespace()))
}

/// Whether a row that is seen now was stamped after the write was sent, by the order system's clock.
fn is_since_sent(row: &Message, context: &RequestContext) -> bool {
    let clock = context.server_clock_skew().unwrap_or_default();
    let sent = context.sent().unwrap_or_else(Sent::now).on;
    let window = sent + clock - CLOCK_TOLERANCE..=now() + clock + CLOCK_TOLERANCE;
    row.at.is_some_and(|at| window.contains(&at.earliest()) || window.contains(&at.latest()))
}
