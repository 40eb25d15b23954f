//! Changes of an order's status.

use std::time::Duration;

use tokio::time::Instant;

use super::message::{is_since_sent, log};
use super::unsettled::{Pending, Ticket};
use super::{Inner, Refusal};
use crate::backend::{self, Context, Error};
use crate::model::{Open, Order, OrderId, OrderStatus};

/// What an order must be like for its status to be changed.
pub type Expectation = Box<dyn Fn(&Order) -> bool + Send + Sync>;

/// When the order is looked at after a change whose answer told nothing.
const LOOKS: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

impl Inner {
    /// One change, also to the status that the order has; nothing is looked at before.
    pub(super) async fn change_status(&self, context: &Context, id: OrderId, status: OrderStatus) -> Result<(), Refusal> {
        match self.send(context, "set_status", || self.backend().set_status(context, id, status)).await {
            Err(unknown @ Error::OutcomeUnknown { .. }) => {
                let ticket = self.changes.remember(id, Change { status, before: None }, self.under_way_until(context));
                let mut had_another = false;
                let has_it = |order: &Order, context: &Context| {
                    self.see(id, order.status.as_ref());
                    if order.status != Some(Open::Known(status)) {
                        had_another |= order.status.is_some();
                        return None;
                    }
                    // Where no turn was seen, it may have had that status before. The row that every change adds tells.
                    if !had_another && log(order).iter().any(|row| is_since_sent(row, context)) {
                        self.changes.forget(&id, ticket);
                    }
                    Some(())
                };
                Ok(self.look_after(context, id, &LOOKS, has_it).await.ok_or(unknown)?)
            }
            known => Ok(self.take_over(id, status, known)?),
        }
    }

    /// A change that is sent only if the order is as expected. The order system cannot be asked for that in one step: who
    /// writes between the look and the change is not prevented, but noticed where the order is looked at again. While another
    /// change of the gateway's may be under way, it is not known what the order will be like.
    pub(super) async fn change_status_if(
        &self,
        context: &Context,
        id: OrderId,
        status: OrderStatus,
        is_expected: &(dyn Fn(&Order) -> bool + Send + Sync),
    ) -> Result<(), Refusal> {
        // Where a request is too short to settle it, a change that may have to stay open is better than none.
        let now = Instant::now();
        let half = now + context.deadline().saturating_duration_since(now) / 2;
        let context = &context.sent_by(self.latest_sending(context).map_or(half, |latest| latest.max(half)));
        let turn = self.wait(context, context.send_by(), self.orders.wait(id)).await?;
        let _turn = turn.ok_or(Error::Overloaded)?;
        let mut retry = 0;
        loop {
            // What is open when the look begins may land during it, and be over when it ends.
            let mut open = self.changes.get(&id);
            let before = self.look_before(context, id).await?;
            let landed = self.see(id, before.status.as_ref());
            open.extend(self.changes.get(&id));
            if !is_expected(&before) {
                return Err(Refusal::NotAsExpected(Box::new(before)));
            }
            let open = open.iter().filter(|change| Some(change.ticket()) != landed);
            if let Some(time_left) = open.map(Pending::time_left).max() {
                return Err(Refusal::Pending(time_left));
            }
            match self.change_from(context, &before, status).await {
                // What was looked at is old by now.
                Err(Refusal::Failed(error)) if self.sends_again(context, "set_status", &error, retry).await => retry += 1,
                done => return done,
            }
        }
    }

    /// Takes down that the order was seen with this status. Of the changes that may be under way, the one is forgotten which
    /// this shows: one turn is one change, and nothing else that happens to the order says anything about them.
    fn see(&self, id: OrderId, status: Option<&Open<OrderStatus>>) -> Option<Ticket> {
        let open = self.changes.get(&id);
        let landed = open.iter().find(|change| change.write.is_shown_by(status)).map(Pending::ticket);
        if let Some(landed) = landed {
            self.changes.forget(&id, landed);
        }
        self.changes.revise(&id, |change| change.before = status.cloned().or(change.before.take()));
        landed
    }

    /// Takes over an answer that tells. The status that a confirmed change gives proves nothing of those that are open.
    fn take_over(&self, id: OrderId, status: OrderStatus, answer: backend::Result<()>) -> backend::Result<()> {
        if answer.is_ok() {
            self.changes.revise(&id, |change| change.before = Some(Open::Known(status)));
        }
        answer
    }

    /// Sends a change of an order that is like this.
    async fn change_from(&self, context: &Context, before: &Order, status: OrderStatus) -> Result<(), Refusal> {
        let change = Change { status, before: before.status.clone() };
        // Before it is sent, lest it be forgotten if something goes wrong here.
        let ticket = self.changes.remember(before.id, change, context.deadline() + self.settings.settle_time);
        match self.backend().set_status(context, before.id, status).await {
            Err(unknown @ Error::OutcomeUnknown { .. }) => {
                self.changes.end_at(&before.id, ticket, self.under_way_until(context));
                self.settle_change(context, before, status, unknown, ticket).await
            }
            known => {
                self.changes.forget(&before.id, ticket);
                Ok(self.take_over(before.id, status, known)?)
            }
        }
    }

    /// Looks what has become of a change of an order that was like this. In a conflict too it may still land, and undo what
    /// somebody else has done.
    async fn settle_change(
        &self,
        context: &Context,
        before: &Order,
        status: OrderStatus,
        unknown: Error,
        ticket: Ticket,
    ) -> Result<(), Refusal> {
        let seen_before = Seen::in_order(before);
        let evidence = |after: &Order, _: &Context| {
            self.see(after.id, after.status.as_ref());
            let seen = Seen::in_order(after);
            if seen.shows_change_from(&seen_before, status) {
                if !seen_before.has_another_than(status) {
                    self.changes.forget(&after.id, ticket);
                }
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

/// A change that may be under way.
#[derive(Debug, Clone)]
pub(super) struct Change {
    status: OrderStatus,
    /// The status that the order had without it, when it was seen last.
    before: Option<Open<OrderStatus>>,
}

impl Change {
    /// Whether an order with this status has turned to it.
    fn is_shown_by(&self, status: Option<&Open<OrderStatus>>) -> bool {
        let wanted = Open::Known(self.status);
        status == Some(&wanted) && self.before.as_ref().is_some_and(|before| *before != wanted)
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
