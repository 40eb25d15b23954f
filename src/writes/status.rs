//! Changes of an order's status.

use std::time::Duration;

use tokio::time::Instant;

use super::unsettled::{Pending, Ticket};
use super::{Inner, Look, Refusal};
use crate::backend::{self, Error, RequestContext};
use crate::model::{Open, Order, OrderId, OrderStatus};

/// What an order must be like for its status to be changed.
pub type Expectation = Box<dyn Fn(&Order) -> bool + Send + Sync>;

/// When the order is looked at after a change whose answer told nothing.
const LOOKS: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

impl Inner {
    /// One change, also to the status that the order has; nothing is looked at before. Several may be sent at once, but none
    /// while a guarded one is: that would be undone, or its looks would show what is not its own.
    pub(super) async fn change_status(
        &self,
        context: &RequestContext,
        id: OrderId,
        status: OrderStatus,
    ) -> Result<(), Refusal> {
        let turn = self.wait(context, self.send_change_by(context), self.orders.share(id)).await?;
        let _turn = turn.ok_or(Error::Overloaded)?;
        let change = self.begin(context, id, status, None);
        let answer = self.send(context, "set_status", || self.backend().set_status(context, id, status)).await;
        match self.end(context, id, change, answer) {
            Err(unknown @ Error::OutcomeUnknown { .. }) => {
                let has_it = |order: &Order, look: &Look| {
                    self.changes.see(order, look.began);
                    (order.status == Some(Open::Known(status))).then_some(())
                };
                Ok(self.look_after(context, id, &LOOKS, has_it).await.ok_or(unknown)?)
            }
            known => Ok(known?),
        }
    }

    /// A change that is sent only if the order is as expected. The order system cannot be asked for that in one step: who
    /// writes between the look and the change is not prevented, but noticed where the order is looked at again. While another
    /// change of the gateway's may be under way, it is not known what the order will be like.
    pub(super) async fn change_status_if(
        &self,
        context: &RequestContext,
        id: OrderId,
        status: OrderStatus,
        is_expected: &(dyn Fn(&Order) -> bool + Send + Sync),
    ) -> Result<(), Refusal> {
        let context = &context.with_send_deadline(self.send_change_by(context));
        let turn = self.wait(context, context.send_deadline(), self.orders.wait(id)).await?;
        let _turn = turn.ok_or(Error::Overloaded)?;
        let mut retry = 0;
        loop {
            // What is open when the look begins may land during it, and be over when it ends.
            let (mut open, began) = (self.changes.open(id), Instant::now());
            let before = self.look_before(context, id).await?;
            if let Some(landed) = self.changes.see(&before, began) {
                open.retain(|change| change.ticket != landed);
            }
            if !is_expected(&before) {
                return Err(Refusal::NotAsExpected(Box::new(before)));
            }
            if let Some(time_left) = open.iter().map(Pending::time_left).max() {
                let is_the_same = open.iter().any(|change| change.write.status == status);
                return Err(Refusal::Pending { time_left, is_the_same });
            }
            match self.change_from(context, &before, status).await {
                // What was looked at is old by now.
                Err(Refusal::Failed(error)) if self.sends_again(context, "set_status", &error, retry).await => retry += 1,
                done => return done,
            }
        }
    }

    /// Until when a change is worth sending. Where a request is too short to settle it, one that may have to stay open is better
    /// than none.
    fn send_change_by(&self, context: &RequestContext) -> Instant {
        let now = Instant::now();
        let half = now + context.deadline().saturating_duration_since(now) / 2;
        self.latest_sending(context).map_or(half, |latest| latest.max(half))
    }

    /// Remembers a change before it is sent, lest it be forgotten if something goes wrong here.
    fn begin(&self, context: &RequestContext, id: OrderId, status: OrderStatus, before: Option<Open<OrderStatus>>) -> Ticket {
        self.changes.begin(id, status, before, context.deadline() + self.settings.settle_time)
    }

    /// Takes over what was answered to a change.
    fn end(&self, context: &RequestContext, id: OrderId, change: Ticket, answer: backend::Result<()>) -> backend::Result<()> {
        let sent = context.sent().map_or_else(Instant::now, |sent| sent.at);
        self.changes.end(id, change, &answer, sent, self.under_way_until(context));
        answer
    }

    /// Sends a change of an order that is like this.
    async fn change_from(&self, context: &RequestContext, before: &Order, status: OrderStatus) -> Result<(), Refusal> {
        let change = self.begin(context, before.id, status, before.status.clone());
        let answer = self.backend().set_status(context, before.id, status).await;
        match self.end(context, before.id, change, answer) {
            Err(unknown @ Error::OutcomeUnknown { .. }) => self.settle_change(context, before, status, unknown).await,
            known => Ok(known?),
        }
    }

    /// Looks what has become of a change of an order that was like this. In a conflict too it may still land, and undo what
    /// somebody else has done.
    async fn settle_change(
        &self,
        context: &RequestContext,
        before: &Order,
        status: OrderStatus,
        unknown: Error,
    ) -> Result<(), Refusal> {
        let seen_before = Seen::in_order(before);
        let evidence = |after: &Order, look: &Look| {
            self.changes.see(after, look.began);
            let seen = Seen::in_order(after);
            if seen.shows_change_from(&seen_before, status) {
                Some(Ok(seen.rows_more_than(&seen_before)))
            } else if seen.shows_another_change_from(&seen_before, status) {
                Some(Err(Refusal::Conflict(Box::new(after.clone()))))
            } else {
                None
            }
        };
        let found = self.look_after(context, before.id, &LOOKS, evidence).await;
        // Ours is one row. More of them are somebody else's, between the look and the change.
        if matches!(found, Some(Err(_) | Ok(2..))) {
            self.settings.metrics.conflict();
        }
        found.map_or(Err(unknown.into()), |done| done.map(|_| ()))
    }
}

/// What shows whether an order has changed.
#[derive(Debug)]
struct Seen {
    /// `None` where the answer did not tell.
    status: Option<Open<OrderStatus>>,
    /// How long the log is; `None` where the answer did not tell.
    rows: Option<usize>,
}

impl Seen {
    fn in_order(order: &Order) -> Self {
        Self { status: order.status.clone(), rows: order.messages.as_ref().map(Vec::len) }
    }

    fn has_status(&self, status: OrderStatus) -> bool {
        self.status == Some(Open::Known(status))
    }

    fn has_another_than(&self, status: OrderStatus) -> bool {
        self.status.is_some() && !self.has_status(status)
    }

    fn rows_more_than(&self, before: &Self) -> usize {
        self.rows.zip(before.rows).map_or(0, |(rows, before)| rows.saturating_sub(before))
    }

    /// Whether the order was given this status since. If it had the same one before, the row that every change adds tells.
    fn shows_change_from(&self, before: &Self, status: OrderStatus) -> bool {
        self.has_status(status) && (before.has_another_than(status) || self.rows_more_than(before) > 0)
    }

    /// Whether the order was given a status since that is not this one.
    fn shows_another_change_from(&self, before: &Self, status: OrderStatus) -> bool {
        self.has_another_than(status) && before.status.is_some() && self.status != before.status
    }
}
