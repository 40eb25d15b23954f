//! The port: what every system with orders can do, whatever protocol it speaks.
//!
//! There is one method per legacy method. Front ends ([`crate::rest`], [`crate::legacy::server`]) hold an `Arc<dyn Backend>`
//! and do not know what is behind it: another protocol, or a system in memory.
//!
//! [`RequestContext`] carries inputs only. What a call learned is its return value: a read of an order returns a [`Snapshot`],
//! a write a [`Receipt`] or a [`WriteError`], which say whether, when and over which connection it was sent. [`CallTimer`]
//! records calls for the access log and the metrics, [`UpstreamCalls`] admits them, [`Coalescing`] lets equal reads share one,
//! [`DetachedWrites`] lets writes outlive their request, [`Split`] makes two systems one, [`ReadOnly`] never writes.

mod call_timer;
mod coalescing;
mod detached_writes;
mod error;
mod read_only;
mod receipt;
mod request_context;
mod split;
mod upstream_calls;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use jiff::civil::Date;

pub use call_timer::CallTimer;
pub use coalescing::Coalescing;
pub use detached_writes::DetachedWrites;
pub use error::{Error, Result};
pub use read_only::ReadOnly;
pub use receipt::{Receipt, Sent, Snapshot, WriteError, WriteResult};
pub use request_context::{CallLog, CompletionHook, RequestContext};
pub use split::{Side, Split};
pub(crate) use upstream_calls::{Call, CallKind, InFlightCall, Transient, UpstreamCalls};

use crate::model::{Customer, CustomerId, ListedOrder, NewMessage, Order, OrderId, OrderStatus};
use crate::resilience::Reserved;

/// A system with orders: what front ends call.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The orders placed on or after a date of the upstream's calendar, in its order. Read.
    ///
    /// # Errors
    /// Before the first item; later faults are the last item of the stream.
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<ListedOrder>>;

    /// One order with its log and details. Read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist, and any other.
    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>>;

    /// The customers created or updated on or after a date. Read.
    ///
    /// # Errors
    /// Before the first item; later faults are the last item of the stream.
    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>>;

    /// One customer. Read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist, and any other.
    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>>;

    /// Sets the status of an order and appends an entry to its log, also when the status is unchanged. Idempotent but for the
    /// entry.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] if the write may or may not have been applied; after every other error it was not.
    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> WriteResult;

    /// Appends an entry to an order's log. Not idempotent.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] if the write may or may not have been applied; after every other error it was not.
    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> WriteResult;

    /// Checks whether a message can be encoded for the upstream. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::UnencodableInput`] if it cannot.
    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()>;
}

/// A list as it arrives: runs of as many items as are available at once. An error ends it; the list is incomplete then.
pub type Items<T> = BoxStream<'static, Result<Vec<Item<T>>>>;

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<T> {
    /// An item that was decoded.
    Decoded(T),
    /// An item that could not be decoded; the others are delivered all the same.
    Undecodable(UndecodableItem),
}

/// An item of a list that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndecodableItem {
    /// Its position in the upstream's list, from 1.
    pub position: u64,
    /// Its id, if that was readable.
    pub id: Option<u64>,
    /// What is wrong with it; never a value from it.
    pub detail: &'static str,
}
