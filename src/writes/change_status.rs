//! Changes of an order's status.

use std::time::Duration;

use tokio::time::Instant;

use super::in_doubt::{InDoubt, Ticket};
use super::{Inner, ReadBack, WriteFailure};
use crate::backend::{self, Error, RequestContext};
use crate::model::{Extensible, Order, OrderId, OrderStatus};

/// What an order must be like for its status to be changed.
pub type Precondition = Box<dyn Fn(&Order) -> bool + Send + Sync>;

/// When the order is looked at after a change whose answer told nothing.
const VERIFY_DELAYS: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

impl Inner {
    /// One change, also to the status that the order has; nothing is looked at before. Several may be sent at once, but none
    /// while a guarded one is: that would be undone, or its looks would show what is not its own.
    pub(super) async fn change_status(
        &self,
        context: &RequestContext,
        id: OrderId,
        status: OrderStatus,
    ) -> Result<(), WriteFailure> {
        let turn = self.wait(context, self.change_send_deadline(context), self.orders.read(id)).await?;
        let _turn = turn.ok_or(Error::Overloaded)?;
        let change = self.begin(context, id, status, None);
        let answer = self.send(context, "set_status", || self.backend().set_status(context, id, status)).await;
        match self.end(context, id, change, answer) {
            Err(unknown @ Error::OutcomeUnknown { .. }) => {
                let has_it = |order: &Order, look: &ReadBack| {
                    self.changes.record_read_back(order, look.began);
                    (order.status == Some(Extensible::Known(status))).then_some(())
                };
                Ok(self.verify_by_read_back(context, id, &VERIFY_DELAYS, has_it).await.ok_or(unknown)?)
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
    ) -> Result<(), WriteFailure> {
        let context = &context.with_send_deadline(self.change_send_deadline(context));
        let turn = self.wait(context, context.send_deadline(), self.orders.write(id)).await?;
        let _turn = turn.ok_or(Error::Overloaded)?;
        let mut retry = 0;
        loop {
            // What is open when the look begins may land during it, and be over when it ends.
            let (mut open, began) = (self.changes.in_doubt(id), Instant::now());
            let before = self.preflight_read(context, id).await?;
            if let Some(landed) = self.changes.record_read_back(&before, began) {
                open.retain(|change| change.ticket != landed);
            }
            if !is_expected(&before) {
                return Err(WriteFailure::PreconditionFailed(Box::new(before)));
            }
            if let Some(time_left) = open.iter().map(InDoubt::time_left).max() {
                let is_the_same = open.iter().any(|change| change.write.status == status);
                return Err(WriteFailure::InDoubt { time_left, is_the_same });
            }
            match self.change_from(context, &before, status).await {
                // What was looked at is old by now.
                Err(WriteFailure::Failed(error)) if self.should_retry(context, "set_status", &error, retry).await => retry += 1,
                done => return done,
            }
        }
    }

    /// Until when a change is worth sending. Where a request is too short to settle it, one that may have to stay open is better
    /// than none.
    fn change_send_deadline(&self, context: &RequestContext) -> Instant {
        let now = Instant::now();
        let half = now + context.deadline().saturating_duration_since(now) / 2;
        self.send_deadline(context).map_or(half, |latest| latest.max(half))
    }

    /// Remembers a change before it is sent, lest it be forgotten if something goes wrong here.
    fn begin(
        &self,
        context: &RequestContext,
        id: OrderId,
        status: OrderStatus,
        before: Option<Extensible<OrderStatus>>,
    ) -> Ticket {
        self.changes.begin(id, status, before, context.deadline() + self.settings.settle_time)
    }

    /// Takes over what was answered to a change.
    fn end(&self, context: &RequestContext, id: OrderId, change: Ticket, answer: backend::Result<()>) -> backend::Result<()> {
        let sent = context.sent().map_or_else(Instant::now, |sent| sent.at);
        self.changes.end(id, change, &answer, sent, self.in_doubt_until(context));
        answer
    }

    /// Sends a change of an order that is like this.
    async fn change_from(&self, context: &RequestContext, before: &Order, status: OrderStatus) -> Result<(), WriteFailure> {
        let change = self.begin(context, before.id, status, before.status.clone());
        let answer = self.backend().set_status(context, before.id, status).await;
        match self.end(context, before.id, change, answer) {
            Err(unknown @ Error::OutcomeUnknown { .. }) => self.verify_change(context, before, status, unknown).await,
            known => Ok(known?),
        }
    }

    /// Looks what has become of a change of an order that was like this. In a conflict too it may still land, and undo what
    /// somebody else has done.
    async fn verify_change(
        &self,
        context: &RequestContext,
        before: &Order,
        status: OrderStatus,
        unknown: Error,
    ) -> Result<(), WriteFailure> {
        let seen_before = StatusEvidence::in_order(before);
        let evidence = |after: &Order, look: &ReadBack| {
            self.changes.record_read_back(after, look.began);
            let seen = StatusEvidence::in_order(after);
            if seen.shows_change_from(&seen_before, status) {
                Some(Ok(seen.rows_more_than(&seen_before)))
            } else if seen.shows_another_change_from(&seen_before, status) {
                Some(Err(WriteFailure::Conflict(Box::new(after.clone()))))
            } else {
                None
            }
        };
        let found = self.verify_by_read_back(context, before.id, &VERIFY_DELAYS, evidence).await;
        // Ours is one row. More of them are somebody else's, between the look and the change.
        if matches!(found, Some(Err(_) | Ok(2..))) {
            self.settings.metrics.conflict();
        }
        found.map_or(Err(unknown.into()), |done| done.map(|_| ()))
    }
}

/// What shows whether an order has changed.
#[derive(Debug)]
struct StatusEvidence {
    /// `None` where the answer did not tell.
    status: Option<Extensible<OrderStatus>>,
    /// How long the log is; `None` where the answer did not tell.
    rows: Option<usize>,
}

impl StatusEvidence {
    fn in_order(order: &Order) -> Self {
        Self { status: order.status.clone(), rows: order.messages.as_ref().map(Vec::len) }
    }

    fn has_status(&self, status: OrderStatus) -> bool {
        self.status == Some(Extensible::Known(status))
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
