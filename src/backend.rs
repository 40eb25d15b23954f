//! The port: what every order system can do, whatever protocol it speaks.
//!
//! There is one method for each call of the order system. Front ends ([`crate::rest`], [`crate::legacy::server`]) hold
//! an `Arc<dyn Backend>` and do not know what is behind it: another protocol, or the order system in memory.
//! Decorators add what holds for every backend: [`Observed`] notes what was called and how it ended, [`Coalesced`] lets equal
//! reads share a call, [`Explained`] finds out what a refused write was about, [`Disturbed`] makes a simulated system slow and
//! faulty.

mod coalescing;
mod error;
mod instrumented;
mod refusal_check;
mod request_context;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use jiff::civil::Date;

pub use coalescing::Coalescing;
pub use error::{Error, Result};
pub use instrumented::Instrumented;
pub use refusal_check::RefusalCheck;
pub use request_context::{CallLog, RequestContext, Sent};

use crate::model::{Customer, CustomerId, LocalTime, NewMessage, Order, OrderId, OrderStatus};

/// An order system.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The orders placed on or after a date of the order system's calendar, in its order. Read.
    ///
    /// # Errors
    /// Before the first item; later faults are the last item of the stream.
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<Order>>;

    /// One order with its log and details. Read.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none, and any other.
    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Order>;

    /// The customers that are new or were edited on or after a date. Read.
    ///
    /// # Errors
    /// Before the first item; later faults are the last item of the stream.
    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>>;

    /// One customer. Read.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none, and any other.
    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Customer>;

    /// Gives an order a status and adds a row to its log, also when the status is the one it has. Repeating it ends in
    /// the same status.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] where the write may or may not have happened; after every other error it has not.
    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> Result<()>;

    /// Adds a row to an order's log; repeating it adds another. Returns when the row was stamped, where that is known.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] where the write may or may not have happened; after every other error it has not.
    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> Result<Option<LocalTime>>;

    /// Whether a message can be carried to the order system. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::Unsendable`] when it cannot.
    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()>;
}

/// A list as it comes: runs of as many items as are there at once. An error ends it, and then it is not complete.
pub type Items<T> = BoxStream<'static, Result<Vec<Item<T>>>>;

/// One place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<T> {
    /// An item that could be read.
    Decoded(T),
    /// An item that could not; the others are not spoiled by it.
    Undecodable(UndecodableItem),
}

/// An item of a list that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndecodableItem {
    /// Its place in the order system's list, from 1.
    pub position: u64,
    /// Its id, where that much was readable.
    pub id: Option<u64>,
    /// What is wrong with it; never a value from it.
    pub detail: &'static str,
}
