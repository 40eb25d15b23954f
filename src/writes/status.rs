//! Changes of an order's status.

use std::time::Duration;

use tokio::time::Instant;

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
                let has_it = |order: &Order, _: &Context| Seen::in_order(order).has_status(status).then_some(());
                self.look_after(context, id, &LOOKS, has_it).await.ok_or(unknown.into())
            }
            done => Ok(done?),
        }
    }

    /// A change that is sent only if the order is as expected. The order system cannot be asked for that in one step: who
    /// writes between the look and the change is not prevented, but noticed where the order is looked at again.
    pub(super) async fn change_status_if(
        &self,
        context: &Context,
        id: OrderId,
        status: OrderStatus,
        is_expected: &(dyn Fn(&Order) -> bool + Send + Sync),
    ) -> Result<(), Refusal> {
        // Where a request is too short for that, a change that may have to stay open is better than none.
        let half = Instant::now() + (context.deadline() - Instant::now()) / 2;
        let context = &context.sent_by(self.latest_sending(context).unwrap_or(half));
        let turn = self.wait(context, context.send_by(), self.orders.wait(id)).await?;
        let _turn = turn.ok_or(Error::Overloaded)?;
        let mut retry = 0;
        loop {
            let before = self.look_before(context, id).await?;
            if !is_expected(&before) {
                return Err(Refusal::NotAsExpected(Box::new(before)));
            }
            match self.backend().set_status(context, id, status).await {
                Err(unknown @ Error::OutcomeUnknown { .. }) => {
                    return self.settle_change(context, &before, status, unknown).await;
                }
                // What was looked at is old by now.
                Err(error) if self.sends_again(context, "set_status", &error, retry).await => retry += 1,
                done => return done.map_err(Refusal::from),
            }
        }
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

/// What shows whether an order has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// `None` where the answer did not tell.
    status: Option<Open<OrderStatus>>,
    /// How long the log is.
    rows: usize,
}

impl Seen {
    fn in_order(order: &Order) -> Self {
        Self { status: order.status.clone(), rows: order.messages.as_ref().map_or(0, Vec::len) }
    }

    fn has_status(&self, status: OrderStatus) -> bool {
        self.status == Some(Open::Known(status))
    }

    fn rows_more_than(&self, before: &Self) -> usize {
        self.rows.saturating_sub(before.rows)
    }

    /// Whether the order was given this status since. If it had the same one before, the row that every change adds tells.
    fn shows_change_from(&self, before: &Self, status: OrderStatus) -> bool {
        let had_another = before.status.is_some() && !before.has_status(status);
        self.has_status(status) && (had_another || self.rows > before.rows)
    }

    /// Whether the order was given a status since that is not this one.
    fn shows_another_change_from(&self, before: &Self, status: OrderStatus) -> bool {
        self.status.is_some() && before.status.is_some() && self.status != before.status && !self.has_status(status)
    }
}
