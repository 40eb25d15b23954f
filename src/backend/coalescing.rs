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
use crate::model::{Customer, CustomerId, NewMessage, Order, OrderId, OrderStatus};
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
    async fn join<K, T, C>(&self, context: &RequestContext, reads: &InFlightReads<K, T>, id: K, call: C) -> Result<T>
    where
        K: Copy + Eq + Hash + Send + 'static,
        T: Clone + Send + Sync + 'static,
        C: FnOnce(Arc<B>, RequestContext) -> BoxFuture<'static, Result<T>>,
    {
        let (read, is_joined) = reads.join_or_start(id, || {
            // Neither the deadline nor the disconnect of the first waiter may end the call for the others.
            let own = RequestContext::within(self.timeout);
            let result = call(Arc::clone(&self.inner), own.clone());
            async move { (result.await, own.call_log()) }.boxed()
        });
        let (result, calls) = timeout_at(context.deadline(), read).await.map_err(|_| Error::Timeout)?;
        context.merge_call_log(calls);
        if is_joined && let Some(call) = calls.call {
            self.metrics.coalesced(call);
        }
        result
    }
}

#[async_trait]
impl<B: Backend> Backend for Coalescing<B> {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<Order>> {
        self.inner.orders(context, since).await
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        if context.is_uncached() {
            let _invalidate = self.orders.invalidate_on_drop(id);
            return self.inner.order_info(context, id).await;
        }
        let call = move |inner: Arc<B>, context| async move { inner.order_info(&context, id).await }.boxed();
        self.join(context, &self.orders, id, call).await
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        self.inner.customers(context, since).await
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        if context.is_uncached() {
            return self.inner.customer_info(context, id).await;
        }
        let call = move |inner: Arc<B>, context| async move { inner.customer_info(&context, id).await }.boxed();
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
type Reads<K, T> = Arc<Mutex<HashMap<K, Entry<T>>>>;

/// The reads in flight, by what they read.
struct InFlightReads<K, T>(Reads<K, T>);

/// A read that can be joined. The reference is weak, so that the read is cancelled when its last waiter drops it.
struct Entry<T> {
    read: WeakShared<BoxFuture<'static, SharedResult<T>>>,
    owner: OwnerId,
}

/// Identity of the read that made an entry, by address.
type OwnerId = Arc<()>;

impl<K, T> Default for InFlightReads<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, T> fmt::Debug for InFlightReads<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} reads in flight", self.0.lock().len())
    }
}

impl<K, T> InFlightReads<K, T>
where
    K: Copy + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// The read of `id` in flight, or a new one; and whether it was joined.
    fn join_or_start(&self, id: K, start: impl FnOnce() -> BoxFuture<'static, SharedResult<T>>) -> (SharedRead<T>, bool) {
        // Held until the new read is entered, or two callers could start one each.
        let mut reads = self.0.lock();
        if let Some(read) = reads.get(&id).and_then(|entry| entry.read.upgrade()) {
            return (read, true);
        }
        let owner = OwnerId::default();
        // The read removes its own entry when it ends or is cancelled, and never that of a later one.
        let guard = InFlightGuard { reads: Arc::clone(&self.0), id, owner: Some(Arc::clone(&owner)) };
        let result = start();
        let read = async move {
            let _guard = guard;
            result.await
        };
        let read = read.boxed().shared();
        if let Some(weak) = read.downgrade() {
            reads.insert(id, Entry { read: weak, owner });
        }
        (read, false)
    }

    /// When the guard is dropped, no read that started before can be joined any more.
    fn invalidate_on_drop(&self, id: K) -> InFlightGuard<K, T> {
        InFlightGuard { reads: Arc::clone(&self.0), id, owner: None }
    }
}

/// Removes an entry when it is dropped.
struct InFlightGuard<K: Copy + Eq + Hash, T> {
    reads: Reads<K, T>,
    id: K,
    /// Whose entry; `None` for any.
    owner: Option<OwnerId>,
}

impl<K: Copy + Eq + Hash, T> Drop for InFlightGuard<K, T> {
    fn drop(&mut self) {
        let mut reads = self.reads.lock();
        let is_meant = |entry: &Entry<T>| self.owner.as_ref().is_none_or(|owner| Arc::ptr_eq(owner, &entry.owner));
        if reads.get(&self.id).is_some_and(is_meant) {
            reads.remove(&self.id);
        }
    }
}
