//! Lets reads of the same order or customer share one call.
//!
//! Whoever asks while a read is on its way gets its answer, each within a deadline of its own; when the last one leaves, the
//! call ends. A write lets go of what is on its way for its order, and so does a read that must see what is there now: it may
//! decide what a client is told about a write. So nobody who is told and then reads learns how it was before. Such reads are
//! not shared, nor are lists.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use jiff::civil::Date;
use tokio::time::timeout_at;

use super::{Backend, CallLog, Error, Items, RequestContext, Result};
use crate::metrics::UpstreamMetrics;
use crate::model::{Customer, CustomerId, LocalTime, NewMessage, Order, OrderId, OrderStatus};

/// A backend of which identical reads at the same time are one.
#[derive(Debug)]
pub struct Coalescing<B> {
    inner: Arc<B>,
    /// How long a call may take, whoever waits for it.
    timeout: Duration,
    orders: InFlightReads<OrderId, Order>,
    customers: InFlightReads<CustomerId, Customer>,
    metrics: UpstreamMetrics,
}

impl<B: Backend> Coalescing<B> {
    /// Reads of `inner`, none of which takes longer than `timeout`.
    #[must_use]
    pub fn new(inner: B, timeout: Duration, metrics: UpstreamMetrics) -> Self {
        Self { inner: Arc::new(inner), timeout, orders: InFlightReads::default(), customers: InFlightReads::default(), metrics }
    }

    /// Waits for a read together with everybody else who does.
    async fn join<K, T, C>(&self, context: &RequestContext, flights: &InFlightReads<K, T>, id: K, call: C) -> Result<T>
    where
        K: Copy + Eq + Hash + Send + 'static,
        T: Clone + Send + Sync + 'static,
        C: FnOnce(Arc<B>, RequestContext) -> BoxFuture<'static, Result<T>>,
    {
        let (flight, is_joined) = flights.join_or_start(id, || {
            let own = RequestContext::within(self.timeout);
            let answer = call(Arc::clone(&self.inner), own.clone());
            async move { (answer.await.map(Arc::new), own.call_log()) }.boxed()
        });
        let (answer, calls) = timeout_at(context.deadline(), flight).await.map_err(|_| Error::Timeout)?;
        context.merge_call_log(calls);
        if is_joined {
            self.metrics.coalesced(calls.call.unwrap_or_default());
        }
        answer.map(Arc::unwrap_or_clone)
    }
}

#[async_trait]
impl<B: Backend> Backend for Coalescing<B> {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<Order>> {
        self.inner.orders(context, since).await
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Order> {
        if context.is_uncached() {
            let _seen = self.orders.invalidate_on_drop(id);
            return self.inner.order_info(context, id).await;
        }
        let call = move |inner: Arc<B>, context| async move { inner.order_info(&context, id).await }.boxed();
        self.join(context, &self.orders, id, call).await
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        self.inner.customers(context, since).await
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Customer> {
        if context.is_uncached() {
            return self.inner.customer_info(context, id).await;
        }
        let call = move |inner: Arc<B>, context| async move { inner.customer_info(&context, id).await }.boxed();
        self.join(context, &self.customers, id, call).await
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> Result<()> {
        let _written = self.orders.invalidate_on_drop(id);
        self.inner.set_status(context, id, status).await
    }

    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> Result<Option<LocalTime>> {
        let _written = self.orders.invalidate_on_drop(id);
        self.inner.add_message(context, id, message).await
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.inner.check_message(id, message)
    }
}

/// The answer that all get, and what was called for it.
type Answer<T> = (Result<Arc<T>>, CallLog);
type Flight<T> = Shared<BoxFuture<'static, Answer<T>>>;

/// The reads that are on their way.
struct InFlightReads<K, T>(Arc<Mutex<HashMap<K, Entry<T>>>>);

/// A read that can be joined as long as somebody waits for it.
struct Entry<T> {
    flight: WeakShared<BoxFuture<'static, Answer<T>>>,
    /// Who began it, so that nobody removes another's.
    ticket: Arc<()>,
}

impl<K, T> Default for InFlightReads<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, T> fmt::Debug for InFlightReads<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} flights", lock(&self.0).len())
    }
}

impl<K, T> InFlightReads<K, T>
where
    K: Copy + Eq + Hash + Send + 'static,
    T: Send + Sync + 'static,
{
    /// The read of `id` that is on its way, or a new one; and whether somebody else began it.
    fn join_or_start(&self, id: K, begin: impl FnOnce() -> BoxFuture<'static, Answer<T>>) -> (Flight<T>, bool) {
        let mut flights = lock(&self.0);
        if let Some(flight) = flights.get(&id).and_then(|entry| entry.flight.upgrade()) {
            return (flight, true);
        }
        let ticket = Arc::new(());
        let landing = InFlightGuard { flights: Arc::clone(&self.0), id, ticket: Some(Arc::clone(&ticket)) };
        let read = begin();
        let flight = async move {
            let _landing = landing;
            read.await
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(id, Entry { flight: weak, ticket });
        }
        (flight, false)
    }

    /// When what is returned goes, nobody can join a read any more that began before.
    fn invalidate_on_drop(&self, id: K) -> InFlightGuard<K, T> {
        InFlightGuard { flights: Arc::clone(&self.0), id, ticket: None }
    }
}

/// Takes a read out of those that can be joined, when it goes.
struct InFlightGuard<K: Copy + Eq + Hash, T> {
    flights: Arc<Mutex<HashMap<K, Entry<T>>>>,
    id: K,
    /// Whose; `None` for anybody's.
    ticket: Option<Arc<()>>,
}

impl<K: Copy + Eq + Hash, T> Drop for InFlightGuard<K, T> {
    fn drop(&mut self) {
        let mut flights = lock(&self.flights);
        let is_meant = |entry: &Entry<T>| self.ticket.as_ref().is_none_or(|ticket| Arc::ptr_eq(ticket, &entry.ticket));
        if flights.get(&self.id).is_some_and(is_meant) {
            flights.remove(&self.id);
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
