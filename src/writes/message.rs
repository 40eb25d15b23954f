//! Messages for an order's log.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::markers::{Found, Owner};
use super::{Inner, Look, Refusal};
use crate::backend::{Error, RequestContext, Sent};
use crate::model::{LocalTime, Marker, Message, NewMessage, Open, Order, OrderId, Personal, now};

/// A message that is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Added {
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
const LOOKS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// How long a key may be in use by somebody else before the client is sent away.
const PATIENCE: Duration = Duration::from_secs(2);
/// What clocks that tell whole seconds may differ by, although they agree.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

impl Inner {
    /// A message that is sent once and looked for only when its answer told nothing.
    pub(super) async fn add_once(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> Result<Added, Refusal> {
        match self.send(context, "add_message", || self.backend().add_message(context, id, message.clone())).await {
            Ok(at) => Ok(Added { at, ..Added::default() }),
            Err(unknown @ Error::OutcomeUnknown { .. }) => {
                let row = |order: &Order, look: &Look| {
                    log(order).iter().find(|row| is_like(row, &message) && is_since_sent(row, &look.context)).cloned()
                };
                let row = self.look_after(context, id, &LOOKS, row).await.ok_or(unknown)?;
                Ok(Added { at: row.at, ..Added::default() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A message that is looked for in the log before it is sent, and marked so that it can be found there.
    pub(super) async fn add_with_key(
        &self,
        context: &RequestContext,
        owner: Owner,
        message: NewMessage,
    ) -> Result<Added, Refusal> {
        let marker = self.settings.markers.mark(&owner, &message);
        let with_marker = NewMessage { text: format!("{marker} {}", message.text.expose()).into(), ..message.clone() };
        self.backend().check_message(owner.order, &with_marker)?;
        let turn = self.wait(context, Instant::now() + PATIENCE, self.keys.wait(owner.clone())).await?;
        let _turn = turn.ok_or(Refusal::KeyInUse)?;
        if let Some(added) = self.look_for(context, &owner, &message).await? {
            return Ok(Added { is_replayed: true, ..added });
        }
        // A write that cannot be settled any more is better not begun.
        let context = &context.with_send_deadline(self.latest_sending(context).ok_or(Error::Overloaded)?);
        // Before it is sent, lest it be forgotten if something goes wrong here.
        let ticket = self.messages.remember(owner.clone(), marker.clone(), context.deadline() + self.settings.settle_time);
        let write = || self.backend().add_message(context, owner.order, with_marker.clone());
        let done = match self.send(context, "add_message", write).await {
            Ok(at) => Ok(Added { at, reference: Some(marker.reference.clone()), ..Added::default() }),
            Err(unknown @ Error::OutcomeUnknown { .. }) => {
                let evidence = |order: &Order, _: &Look| match self.settings.markers.find(log(order), &owner, &message) {
                    Found::Same { row, times } => Some(self.added(row, times)),
                    Found::Other | Found::Nothing => None,
                };
                self.look_after(context, owner.order, &LOOKS, evidence).await.ok_or(unknown.into())
            }
            Err(error) => Err(error.into()),
        };
        if done.as_ref().is_err_and(Refusal::is_open) {
            self.messages.end_at(&owner, ticket, self.under_way_until(context));
        } else {
            self.messages.forget(&owner, ticket);
        }
        done
    }

    /// The order as it is now, with its log: one that is not told is not known to lack anything.
    async fn look_into_log(&self, context: &RequestContext, id: OrderId) -> Result<Order, Refusal> {
        let order = self.look_before(context, id).await?;
        if order.messages.is_some() {
            return Ok(order);
        }
        let cause = Box::new(Error::InvalidResponse { reason: "it has no log, which tells whether the message is there" });
        Err(Error::NotSent { cause }.into())
    }

    /// The message as it stands in the log. While one with this key may be under way, nothing is sent if it is not there:
    /// absence proves nothing then.
    async fn look_for(&self, context: &RequestContext, owner: &Owner, message: &NewMessage) -> Result<Option<Added>, Refusal> {
        // Keys have their turns, so there is one at the most.
        let pending = self.messages.get(owner).pop();
        if pending.as_ref().is_some_and(|pending| !self.settings.markers.is_of(&pending.write, owner, message)) {
            return Err(Refusal::KeyReused);
        }
        let before = match (self.look_into_log(context, owner.order).await, &pending) {
            // What cannot be seen is as unknown as what is not there.
            (Err(refusal), Some(pending)) if refusal != Error::NotFound.into() => {
                return Err(Refusal::Pending { time_left: pending.time_left(), is_the_same: true });
            }
            (before, _) => before?,
        };
        match self.settings.markers.find(log(&before), owner, message) {
            Found::Same { row, times } => {
                if let Some(pending) = &pending {
                    self.messages.forget(owner, pending.ticket);
                }
                Ok(Some(self.added(row, times)))
            }
            Found::Other => Err(Refusal::KeyReused),
            Found::Nothing => {
                pending.map_or(Ok(None), |pending| Err(Refusal::Pending { time_left: pending.time_left(), is_the_same: true }))
            }
        }
    }

    fn added(&self, row: &Message, times: usize) -> Added {
        let duplicates = (times > 1).then_some(times);
        if duplicates.is_some() {
            self.settings.metrics.duplicate();
        }
        let marker = row.text.as_ref().map(Personal::expose).and_then(Marker::split);
        Added { at: row.at, reference: marker.map(|(marker, _)| marker.reference), is_replayed: false, duplicates }
    }
}

/// The rows of an order's log.
fn log(order: &Order) -> &[Message] {
    order.messages.as_deref().unwrap_or_default()
}

/// Whether a row has this message's type and text.
fn is_like(row: &Message, message: &NewMessage) -> bool {
    row.kind == Some(Open::Known(message.kind))
        && row.text.as_ref().is_some_and(|text| text.expose().split_whitespace().eq(message.text.expose().split_whitespace()))
}

/// Whether a row that is seen now was stamped after the write was sent, by the order system's clock.
fn is_since_sent(row: &Message, context: &RequestContext) -> bool {
    let clock = context.server_clock_skew().unwrap_or_default();
    let sent = context.sent().unwrap_or_else(Sent::now).on;
    let window = sent + clock - SLACK..=now() + clock + SLACK;
    row.at.is_some_and(|at| window.contains(&at.earliest()) || window.contains(&at.latest()))
}
