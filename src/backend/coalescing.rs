//! Single-flight for reads of one order or customer.
//!
//! Equal reads in flight share one call. Each waiter has its own deadline; the call is cancelled with its last waiter. Writes
//! and uncached reads detach the call in flight for their order, so a read that starts after a write's response, or after a
//! read-back that decided about a write, never returns older data. Uncached reads and lists share nothing.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use jiff::civil::Date;
use parking_lot::Mutex;
use tokio::time::timeout_at;

use super::{Backend, CallLog, Error, Items, RequestContext, Result, Snapshot, WriteResult};
use crate::metrics::UpstreamMetrics;
use crate::model::{Customer, CustomerId, ListedOrder, NewMessage, Order, OrderId, OrderStatus};
use crate::resilience::Reserved;

/// A backend whose equal reads in flight share one call, and its result.
#[derive(Debug)]
pub struct Coalescing<B> {
    inner: Arc<B>,
    /// Limit of a shared call, whatever deadlines its waiters have.
    timeout: Duration,
    orders: InFlightReads<OrderId, Snapshot<Order>>,
    customers: InFlightReads<CustomerId, Reserved<Customer>>,
    metrics: UpstreamMetrics,
}

impl<B: Backend> Coalescing<B> {
    /// Reads of `inner`, none of which takes longer than `timeout`.
    #[must_use]
    pub fn new(inner: B, timeout: Duration, metrics: UpstreamMetrics) -> Self {
        Self { inner: Arc::new(inner), timeout, orders: InFlightReads::default(), customers: InFlightReads::default(), metrics }
    }

    /// Joins the read of `id` in flight, or starts one.
    async fn join<K, T, C, F>(&self, context: &RequestContext, reads: &InFlightReads<K, T>, id: K, call: C) -> Result<T>
    where
        K: Copy + Eq + Hash + Send + 'static,
        T: Clone + Send + Sync + 'static,
        C: FnOnce(Arc<B>, RequestContext) -> F + Send,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (read, is_joined) = reads.join_or_start(id, || {
            // Neither the deadline nor the disconnect of the first waiter may end the call for the others.
            let own = RequestContext::within(self.timeout);
            let result = call(Arc::clone(&self.inner), own.clone());
            async move { (result.await, own.call_log()) }
        });
        let (result, calls) = timeout_at(context.deadline(), read).await.map_err(|_| Error::Timeout)?;
        context.merge_call_log(&calls);
        if is_joined && let Some(call) = calls.call {
            self.metrics.coalesced(call);
        }
        result
    }
}

#[async_trait]
impl<B: Backend> Backend for Coalescing<B> {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<ListedOrder>> {
        self.inner.orders(context, since).await
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        if context.is_uncached() {
            let _invalidate = self.orders.invalidate_on_drop(id);
            return self.inner.order_info(context, id).await;
        }
        let call = move |inner: Arc<B>, context| async move { inner.order_info(&context, id).await };
        self.join(context, &self.orders, id, call).await
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        self.inner.customers(context, since).await
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        if context.is_uncached() {
            return self.inner.customer_info(context, id).await;
        }
        let call = move |inner: Arc<B>, context| async move { inner.customer_info(&context, id).await };
        self.join(context, &self.customers, id, call).await
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> WriteResult {
        let _invalidate = self.orders.invalidate_on_drop(id);
        self.inner.set_status(context, id, status).await
    }

    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> WriteResult {
        let _invalidate = self.orders.invalidate_on_drop(id);
        self.inner.add_message(context, id, message).await
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.inner.check_message(id, message)
    }
}

/// The result that all waiters share, and the calls that were made for it.
type SharedResult<T> = (Result<T>, CallLog);
type SharedRead<T> = Shared<BoxFuture<'static, SharedResult<T>>>;

/// The reads in flight, by what they read. Clones share them.
struct InFlightReads<K, T>(Arc<Mutex<Entries<K, T>>>);

struct Entries<K, T> {
    by_id: HashMap<K, Entry<T>>,
    /// How many there have been.
    count: u64,
}

/// A read that can be joined. The reference is weak, so that the read is cancelled when its last waiter drops it.
struct Entry<T> {
    read: WeakShared<BoxFuture<'static, SharedResult<T>>>,
    /// Which of all entries this is.
    number: u64,
}

impl<K, T> Default for InFlightReads<K, T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Entries { by_id: HashMap::new(), count: 0 })))
    }
}

impl<K, T> fmt::Debug for InFlightReads<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} reads in flight", self.0.lock().by_id.len())
    }
}

impl<K, T> InFlightReads<K, T>
where
    K: Copy + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// The read of `id` in flight, or a new one; and whether it was joined.
    fn join_or_start<F>(&self, id: K, start: impl FnOnce() -> F) -> (SharedRead<T>, bool)
    where
        F: Future<Output = SharedResult<T>> + Send + 'static,
    {
        // Held until the new read is entered, or two requests could start one each.
        let mut entries = self.0.lock();
        if let Some(read) = entries.by_id.get(&id).and_then(|entry| entry.read.upgrade()) {
            return (read, true);
        }
        let result = start();
        entries.count += 1;
        let number = entries.count;
        // The read removes its own entry when it ends or is cancelled, and never that of a later one.
        let guard = InFlightGuard { reads: Self(Arc::clone(&self.0)), id, number: Some(number) };
        // The only box of a read that no other joins, so nothing around it may be boxed too.
        let read = async move {
            let _guard = guard;
            result.await
        };
        let read = read.boxed().shared();
        if let Some(weak) = read.downgrade() {
            entries.by_id.insert(id, Entry { read: weak, number });
        }
        (read, false)
    }

    /// When the guard is dropped, no read that started before can be joined any more.
    fn invalidate_on_drop(&self, id: K) -> InFlightGuard<K, T> {
        InFlightGuard { reads: Self(Arc::clone(&self.0)), id, number: None }
    }
}

/// Removes an entry when it is dropped.
struct InFlightGuard<K: Copy + Eq + Hash, T> {
    reads: InFlightReads<K, T>,
    id: K,
    /// Which entry; `None` for any.
    number: Option<u64>,
}

impl<K: Copy + Eq + Hash, T> Drop for InFlightGuard<K, T> {
    fn drop(&mut self) {
        let mut entries = self.reads.0.lock();
        let is_meant = |entry: &Entry<T>| self.number.is_none_or(|number| number == entry.number);
        if entries.by_id.get(&self.id).is_some_and(is_meant) {
            entries.by_id.remove(&self.id);
        }
    }
}
