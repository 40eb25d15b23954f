//! Changes of an order's status.

use std::time::Duration;

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
        let mut retry = 0;
        loop {
            match self.backend().set_status(context, id, status).await {
                Err(unknown @ Error::OutcomeUnknown { .. }) => {
                    let has_it = |order: &Order, _: &Context| is(order, status).then_some(());
                    return self.look_after(context, id, &LOOKS, has_it).await.ok_or(unknown.into());
                }
                Err(error) if self.sends_again(context, "set_status", &error, retry).await => retry += 1,
                done => return done.map_err(Refusal::from),
            }
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
        let turn = self.wait(context, context.deadline(), self.orders.wait(id)).await?;
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
        let evidence = |after: &Order, _: &Context| {
            if is(after, status) {
                // Ours is one row. More of them are somebody else's, between the look and the change.
                if rows(after) > rows(before) + 1 {
                    self.settings.metrics.conflict();
                }
                Some(Ok(()))
            } else if after.status == before.status {
                None
            } else {
                Some(Err(Refusal::Conflict(Box::new(after.clone()))))
            }
        };
        let found = self.look_after(context, before.id, &LOOKS, evidence).await;
        if let Some(Err(Refusal::Conflict(_))) = &found {
            self.settings.metrics.conflict();
        }
        found.unwrap_or(Err(unknown.into()))
    }
}

fn is(order: &Order, status: OrderStatus) -> bool {
    order.status == Some(Open::Known(status))
}

fn rows(order: &Order) -> usize {
    order.messages.as_ref().map_or(0, Vec::len)
}
