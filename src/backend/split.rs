//! Two systems as one: orders below an id are in one of them, those from it on in the other.
//!
//! Each order has one system that all its writes go to, so there is nothing to reconcile. Writing to both is not offered: they
//! have no common transaction, messages are not idempotent in the legacy system, and the second failure would have no owner.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, ready};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::civil::Date;
use parking_lot::Mutex;

use super::{Backend, Error, Item, Items, RequestContext, Result, Snapshot, WriteResult};
use crate::model::{Customer, CustomerId, ListedOrder, NewMessage, Order, OrderId, OrderStatus};
use crate::resilience::Reserved;

/// Two systems, divided by the ids of orders.
#[derive(Clone)]
pub struct Split {
    below: Side,
    above: Side,
    from_id: OrderId,
    /// The name of both, for lists.
    name: Arc<str>,
}

/// One of the two systems.
#[derive(Clone)]
pub struct Side {
    /// Its name in logs and metrics.
    pub name: Arc<str>,
    /// The system.
    pub backend: Arc<dyn Backend>,
}

impl Split {
    /// Orders with ids below `from_id` are in `below`, the others in `above`.
    #[must_use]
    pub fn new(below: Side, above: Side, from_id: OrderId) -> Self {
        let name = format!("{}+{}", below.name, above.name).into();
        Self { below, above, from_id, name }
    }

    /// The name of both systems together.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn side(&self, id: OrderId) -> &Side {
        if id < self.from_id { &self.below } else { &self.above }
    }

    /// The side of an order, recorded as the one that answers.
    fn recorded_side(&self, context: &RequestContext, id: OrderId) -> &dyn Backend {
        let side = self.side(id);
        context.record_system(&side.name);
        &*side.backend
    }
}

#[async_trait]
impl Backend for Split {
    /// Below, then above, each without the orders of the other: a copy of an order on the wrong side is not shown.
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<ListedOrder>> {
        context.record_system(&self.name);
        let from = self.from_id;
        let below = self.below.backend.orders(context, since).await?;
        let below = filtered(below, |order| order.id().get(), move |id| id < from.get());
        let (above, context) = (Arc::clone(&self.above.backend), context.clone());
        let above = async move {
            let above = above.orders(&context, since).await?;
            Ok(filtered(above, |order| order.id().get(), move |id| id >= from.get()))
        };
        Ok(one_after_the_other(below, Box::pin(above)))
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        self.recorded_side(context, id).order_info(context, id).await
    }

    /// Above, then below without the customers that are above.
    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        context.record_system(&self.name);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let above = self.above.backend.customers(context, since).await?;
        let noted = Arc::clone(&seen);
        let above = above.inspect_ok(move |batch| noted.lock().extend(batch.iter().filter_map(customer_id)));
        let (below, context) = (Arc::clone(&self.below.backend), context.clone());
        let below = async move {
            let mut seen = std::mem::take(&mut *seen.lock());
            seen.sort_unstable();
            let below = below.customers(&context, since).await?;
            Ok(filtered(below, |customer| customer.id.get(), move |id| seen.binary_search(&id).is_err()))
        };
        Ok(one_after_the_other(above.boxed(), Box::pin(below)))
    }

    /// Above, and below if it is unknown there.
    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        context.record_system(&self.above.name);
        match self.above.backend.customer_info(context, id).await {
            Err(Error::NotFound) => {
                context.record_system(&self.below.name);
                self.below.backend.customer_info(context, id).await
            }
            answer => answer,
        }
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> WriteResult {
        self.recorded_side(context, id).set_status(context, id, status).await
    }

    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> WriteResult {
        self.recorded_side(context, id).add_message(context, id, message).await
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.side(id).backend.check_message(id, message)
    }
}

fn customer_id(item: &Item<Customer>) -> Option<u64> {
    match item {
        Item::Decoded(customer) => Some(customer.id.get()),
        Item::Undecodable(item) => item.id,
    }
}

/// The items whose ids are wanted. One that could not be decoded and has no id may be wanted, so it stays.
fn filtered<T: Send + 'static>(
    items: Items<T>,
    id: fn(&T) -> u64,
    is_wanted: impl Fn(u64) -> bool + Send + Sync + 'static,
) -> Items<T> {
    let keep = move |item: &Item<T>| match item {
        Item::Decoded(item) => is_wanted(id(item)),
        Item::Undecodable(item) => item.id.is_none_or(&is_wanted),
    };
    // Without empty batches: a list of which nothing has come may still fail as a whole.
    let batches = items.try_filter_map(move |mut batch| {
        batch.retain(&keep);
        ready(Ok((!batch.is_empty()).then_some(batch)))
    });
    batches.boxed()
}

/// A list, and then another that is asked for when the first has ended. A fault of either ends the whole.
fn one_after_the_other<T: Send + 'static>(first: Items<T>, second: BoxFuture<'static, Result<Items<T>>>) -> Items<T> {
    let joined = stream::try_unfold((first, Some(second)), |(mut items, mut second)| async move {
        loop {
            if let Some(batch) = items.try_next().await? {
                return Ok(Some((batch, (items, second))));
            }
            let Some(list) = second.take() else { return Ok(None) };
            items = list.await?;
        }
    });
    joined.boxed()
}

#[cfg(test)]
mod tests;
