//! Writes that outlive the request that they are made for.

use std::any::Any;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::civil::Date;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Backend, Items, RequestContext, Result, Snapshot, WriteResult};
use crate::metrics::Metrics;
use crate::model::{Customer, CustomerId, ListedOrder, NewMessage, Order, OrderId, OrderStatus};
use crate::resilience::Reserved;

/// A backend whose writes run to their end even if their future is dropped, in tasks that a shutdown waits for; one that is
/// still queued then is not sent. For systems whose client settles writes in doubt by itself.
pub struct DetachedWrites<B> {
    inner: Arc<B>,
    tasks: TaskTracker,
    metrics: Metrics,
}

impl<B: Backend> DetachedWrites<B> {
    /// The writes of `inner`, as tasks among `tasks`. Their outcomes are counted, also those that no client waits for.
    #[must_use]
    pub fn new(inner: B, tasks: TaskTracker, metrics: Metrics) -> Self {
        Self { inner: Arc::new(inner), tasks, metrics }
    }

    async fn detach<F>(
        &self,
        context: &RequestContext,
        call: &'static str,
        write: impl FnOnce(Arc<B>, RequestContext) -> F,
    ) -> WriteResult
    where
        F: Future<Output = WriteResult> + Send + 'static,
    {
        let disconnect = CancellationToken::new();
        let write = write(Arc::clone(&self.inner), context.with_cancellation(disconnect.clone()));
        let metrics = self.metrics.clone();
        // Dropped together with this future when the client disconnects, which cancels a write that is still queued.
        let _cancel_on_disconnect = disconnect.drop_guard();
        let task = self.tasks.spawn(async move {
            // Unwind safety: the state that a write shares is behind locks that survive a panic.
            let done = AssertUnwindSafe(write).catch_unwind().await;
            metrics.write(call, outcome(&done));
            done
        });
        match task.await {
            Ok(done) => done.unwrap_or_else(|panic| resume_unwind(panic)),
            // Only a runtime that is shutting down cancels tasks, and this future with them.
            Err(_) => std::future::pending().await,
        }
    }
}

/// What the metrics call an outcome.
fn outcome(done: &std::result::Result<WriteResult, Box<dyn Any + Send>>) -> &'static str {
    match done {
        Ok(Ok(_)) => "applied",
        Ok(Err(error)) if !error.source.leaves_doubt() => "not_applied",
        Ok(Err(_)) | Err(_) => "unknown",
    }
}

#[async_trait]
impl<B: Backend> Backend for DetachedWrites<B> {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<ListedOrder>> {
        self.inner.orders(context, since).await
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        self.inner.order_info(context, id).await
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        self.inner.customers(context, since).await
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        self.inner.customer_info(context, id).await
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> WriteResult {
        let write = move |inner: Arc<B>, context| async move { inner.set_status(&context, id, status).await };
        self.detach(context, "set_status", write).await
    }

    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> WriteResult {
        let write = move |inner: Arc<B>, context| async move { inner.add_message(&context, id, message).await };
        self.detach(context, "add_message", write).await
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.inner.check_message(id, message)
    }
}
