//! Changes of an order's status.

use std::time::Duration;

use tokio::time::Instant;

use super::unsettled::Pending;
use super::{Inner, Refusal};
use crate::backend::{Context, Error};
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
                let mut last = None;
                let has_it = |order: &Order, _: &Context| last.insert(Seen::in_order(order)).has_status(status).then_some(());
                if self.look_after(context, id, &LOOKS, has_it).await.is_some() {
                    return Ok(());
                }
                let change = Change { status, before: last };
                self.changes.remember(id, change, self.under_way_until(context));
                Err(unknown.into())
            }
            done => Ok(done?),
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
            open.extend(self.changes.get(&id));
            if !is_expected(&before) {
                return Err(Refusal::NotAsExpected(Box::new(before)));
            }
            if let Some(time_left) = self.time_of_open(&before, open) {
                return Err(Refusal::Pending(time_left));
            }
            match self.change_from(context, &before, status).await {
                // What was looked at is old by now.
                Err(Refusal::Failed(error)) if self.sends_again(context, "set_status", &error, retry).await => retry += 1,
                done => return done,
            }
        }
    }

    /// How long any of these changes may still be under way that the order does not show. Whatever else has happened to the
    /// order says nothing about them.
    fn time_of_open(&self, order: &Order, open: Vec<Pending<Change>>) -> Option<Duration> {
        let seen = Seen::in_order(order);
        let (landed, open): (Vec<_>, Vec<_>) = open.into_iter().partition(|pending| pending.write.has_landed_in(&seen));
        for pending in landed {
            self.changes.forget(&order.id, pending.ticket());
        }
        open.iter().map(Pending::time_left).max()
    }

    /// Sends a change of an order that is like this.
    async fn change_from(&self, context: &Context, before: &Order, status: OrderStatus) -> Result<(), Refusal> {
        let change = |order: &Order| Change { status, before: Some(Seen::in_order(order)) };
        // Before it is sent, lest it be forgotten if something goes wrong here.
        let ticket = self.changes.remember(before.id, change(before), context.deadline() + self.settings.settle_time);
        let done = match self.backend().set_status(context, before.id, status).await {
            Err(unknown @ Error::OutcomeUnknown { .. }) => self.settle_change(context, before, status, unknown).await,
            done => done.map_err(Refusal::from),
        };
        let open = match &done {
            // It may still undo what somebody else has done.
            Err(Refusal::Conflict(after)) => Some(change(after)),
            Err(refusal) if refusal.is_open() => Some(change(before)),
            _ => None,
        };
        if let Some(open) = open {
            self.changes.remember(before.id, open, self.under_way_until(context));
        }
        self.changes.forget(&before.id, ticket);
        done
    }

    async fn settle_change(
        &self,
        context: &Context,
        before: &Order,
        status: OrderStatus,
        unknown: Error,
    ) -> Result<(), Refusal> {
        let seen_before = Seen::in_order(before);
        let evidence = |after: &Order, _: &Context| {
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

/// A change that may be under way.
#[derive(Debug, Clone)]
pub(super) struct Change {
    status: OrderStatus,
    /// What the order was like without it, when it was seen last.
    before: Option<Seen>,
}

impl Change {
    fn has_landed_in(&self, seen: &Seen) -> bool {
        self.before.as_ref().map_or_else(|| seen.has_status(self.status), |before| seen.shows_change_from(before, self.status))
    }
}

/// What shows whether an order has changed.
#[derive(Debug, Clone)]
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

    fn rows_more_than(&self, before: &Self) -> usize {
        self.rows.zip(before.rows).map_or(0, |(rows, before)| rows.saturating_sub(before))
    }

    /// Whether the order was given this status since. If it had the same one before, the row that every change adds tells.
    fn shows_change_from(&self, before: &Self, status: OrderStatus) -> bool {
        let had_another = before.status.is_some() && !before.has_status(status);
        self.has_status(status) && (had_another || self.rows_more_than(before) > 0)
    }

    /// Whether the order was given a status since that is not this one.
    fn shows_another_change_from(&self, before: &Self, status: OrderStatus) -> bool {
        self.status.is_some() && before.status.is_some() && self.status != before.status && !self.has_status(status)
    }
}
