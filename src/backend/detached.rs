//! Finishes writes whose callers have left.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Backend, Context, Items, Result};
use crate::model::{Customer, CustomerId, LocalTime, NewMessage, Order, OrderId, OrderStatus};

/// A backend whose writes go on when nobody waits for them any more: a write that is cut off in the middle leaves nobody
/// who knows what became of it. One that still waits to be sent is told that it need not be. A stop waits for the tracker.
#[derive(Debug)]
pub struct Detached<B> {
    inner: Arc<B>,
    writes: TaskTracker,
}

impl<B: Backend> Detached<B> {
    /// The writes of `inner` run as tasks of `writes`.
    #[must_use]
    pub fn new(inner: B, writes: TaskTracker) -> Self {
        Self { inner: Arc::new(inner), writes }
    }

    async fn finish<T, F>(&self, context: &Context, write: impl FnOnce(Context) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let departure = CancellationToken::new();
        let write = write(context.until(departure.clone()));
        // Whoever waits here and leaves says so by it.
        let _present = departure.drop_guard();
        match self.writes.spawn(write).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that is going down cancels tasks, and this one with them.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[async_trait]
impl<B: Backend> Backend for Detached<B> {
    async fn orders(&self, context: &Context, since: Date) -> Result<Items<Order>> {
        self.inner.orders(context, since).await
    }

    async fn order_info(&self, context: &Context, id: OrderId) -> Result<Order> {
        self.inner.order_info(context, id).await
    }

    async fn customers(&self, context: &Context, since: Date) -> Result<Items<Customer>> {
        self.inner.customers(context, since).await
    }

    async fn customer_info(&self, context: &Context, id: CustomerId) -> Result<Customer> {
        self.inner.customer_info(context, id).await
    }

    async fn set_status(&self, context: &Context, id: OrderId, status: OrderStatus) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        self.finish(context, |context| async move { inner.set_status(&context, id, status).await }).await
    }

    async fn add_message(&self, context: &Context, id: OrderId, message: NewMessage) -> Result<Option<LocalTime>> {
        let inner = Arc::clone(&self.inner);
        self.finish(context, |context| async move { inner.add_message(&context, id, message).await }).await
    }
}
