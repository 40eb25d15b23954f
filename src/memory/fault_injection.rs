//! Injects latency and failures, for the simulator.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;

use crate::backend::{Backend, Error, Items, RequestContext, Result, Snapshot, WriteResult};
use crate::model::{Customer, CustomerId, ListedOrder, NewMessage, Order, OrderId, OrderStatus, UpstreamMessage};
use crate::resilience::Reserved;

/// A backend that delays calls and rejects a share of them before they reach the inner one. Which calls fail depends on
/// nothing but their number, so that a run can be repeated.
#[derive(Debug)]
pub struct FaultInjection<B> {
    inner: B,
    latency: Duration,
    failure_rate: f64,
    calls: AtomicU64,
}

impl<B> FaultInjection<B> {
    /// Every call takes `latency` longer; the share `failure_rate` (0 to 1) of them fails and applies nothing.
    #[must_use]
    pub const fn new(inner: B, latency: Duration, failure_rate: f64) -> Self {
        Self { inner, latency, failure_rate, calls: AtomicU64::new(0) }
    }

    async fn inject(&self) -> Result<()> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        if share(call) < self.failure_rate {
            return Err(Error::Refused { message: Some(UpstreamMessage::new("Simulerat fel")) });
        }
        Ok(())
    }
}

/// A number in 0..1 for each call, evenly distributed over any run of calls (golden-ratio sequence).
fn share(call: u64) -> f64 {
    const SEED: f64 = 0.5;
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    #[expect(clippy::cast_precision_loss, reason = "a simulation makes fewer than 2^52 calls")]
    let number = call as f64;
    number.mul_add(GOLDEN, SEED).fract()
}

#[async_trait]
impl<B: Backend> Backend for FaultInjection<B> {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<ListedOrder>> {
        self.inject().await?;
        self.inner.orders(context, since).await
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        self.inject().await?;
        self.inner.order_info(context, id).await
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        self.inject().await?;
        self.inner.customers(context, since).await
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        self.inject().await?;
        self.inner.customer_info(context, id).await
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> WriteResult {
        self.inject().await?;
        self.inner.set_status(context, id, status).await
    }

    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> WriteResult {
        self.inject().await?;
        self.inner.add_message(context, id, message).await
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.inner.check_message(id, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_failing_calls_is_the_failure_rate() {
        for rate in [0.0, 0.05, 0.5, 1.0] {
            let failing = (0..10_000).filter(|&call| share(call) < rate).count();
            let expected = rate * 10_000.0;
            #[expect(clippy::cast_precision_loss, reason = "at most 10 000")]
            let difference = (failing as f64 - expected).abs();
            assert!(difference <= 2.0, "{failing} of 10000 at {rate}");
        }
    }
}
