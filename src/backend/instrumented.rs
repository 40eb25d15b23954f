//! Notes what was called and how it ended, for the request log and for the metrics.

use async_trait::async_trait;
use futures_util::StreamExt;
use jiff::civil::Date;
use tokio::time::Instant;

use super::{Backend, Error, Items, RequestContext, Result};
use crate::metrics::UpstreamMetrics;
use crate::model::{Customer, CustomerId, LocalTime, NewMessage, Order, OrderId, OrderStatus};

/// A backend whose calls are noted in the request's [`Context`] and counted.
#[derive(Debug)]
pub struct Instrumented<B> {
    inner: B,
    metrics: UpstreamMetrics,
}

impl<B> Instrumented<B> {
    /// The calls of `inner` are counted in `metrics`.
    #[must_use]
    pub const fn new(inner: B, metrics: UpstreamMetrics) -> Self {
        Self { inner, metrics }
    }

    fn begin(&self, context: &RequestContext, call: &'static str) -> CallTimer {
        CallTimer { context: context.clone(), metrics: self.metrics.clone(), call, began: Instant::now(), outcome: LEFT }
    }
}

#[async_trait]
impl<B: Backend> Backend for Instrumented<B> {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<Order>> {
        let observation = self.begin(context, "orders");
        observation.list(self.inner.orders(context, since).await)
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Order> {
        let observation = self.begin(context, "order_info");
        observation.answer(self.inner.order_info(context, id).await)
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        let observation = self.begin(context, "customers");
        observation.list(self.inner.customers(context, since).await)
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Customer> {
        let observation = self.begin(context, "customer_info");
        observation.answer(self.inner.customer_info(context, id).await)
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> Result<()> {
        let observation = self.begin(context, "set_status");
        observation.answer(self.inner.set_status(context, id, status).await)
    }

    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> Result<Option<LocalTime>> {
        let observation = self.begin(context, "add_message");
        observation.answer(self.inner.add_message(context, id, message).await)
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.inner.check_message(id, message)
    }
}

/// How a call ends that nobody waits for any more.
const LEFT: &str = "left";

/// A call that is being made. It is counted when it is gone, be it because nobody waits for it any more.
struct CallTimer {
    context: RequestContext,
    metrics: UpstreamMetrics,
    call: &'static str,
    began: Instant,
    outcome: &'static str,
}

impl CallTimer {
    fn end(&mut self, outcome: &'static str) {
        self.outcome = outcome;
        self.context.record_call(self.call, outcome);
    }

    fn answer<T>(mut self, answer: Result<T>) -> Result<T> {
        self.end(answer.as_ref().map_or_else(Error::kind, |_| SUCCESS));
        answer
    }

    /// A list that breaks off later is told as a failure after all.
    fn list<T: Send + 'static>(mut self, answer: Result<Items<T>>) -> Result<Items<T>> {
        let items = match answer {
            Ok(items) => items,
            Err(error) => return self.answer(Err(error)),
        };
        self.context.record_call(self.call, SUCCESS);
        let observed = items.map(Some).chain(futures_util::stream::iter([None])).filter_map(move |run| {
            match &run {
                Some(Err(error)) => self.end(error.kind()),
                None if self.outcome == LEFT => self.end(SUCCESS),
                Some(Ok(_)) | None => {}
            }
            std::future::ready(run)
        });
        Ok(observed.boxed())
    }
}

const SUCCESS: &str = "success";

impl Drop for CallTimer {
    fn drop(&mut self) {
        self.metrics.call(self.call, self.outcome, self.began.elapsed());
    }
}
