//! A system that is only read from, for commands that compare and check.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;

use super::{Backend, Error, Items, RequestContext, Result, Snapshot, WriteResult};
use crate::model::{Customer, CustomerId, ListedOrder, NewMessage, Order, OrderId, OrderStatus};
use crate::resilience::Reserved;

/// A system whose writes are an error: nothing is sent.
#[derive(Clone)]
pub struct ReadOnly(Arc<dyn Backend>);

impl ReadOnly {
    /// Only reads of this system.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }
}

fn refused() -> Error {
    Error::UnencodableInput { detail: "this program only reads, so nothing was sent".to_owned() }
}

#[async_trait]
impl Backend for ReadOnly {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<ListedOrder>> {
        self.0.orders(context, since).await
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        self.0.order_info(context, id).await
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        self.0.customers(context, since).await
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        self.0.customer_info(context, id).await
    }

    async fn set_status(&self, _: &RequestContext, _: OrderId, _: OrderStatus) -> WriteResult {
        Err(refused().into())
    }

    async fn add_message(&self, _: &RequestContext, _: OrderId, _: NewMessage) -> WriteResult {
        Err(refused().into())
    }

    fn check_message(&self, _: OrderId, _: &NewMessage) -> Result<()> {
        Err(refused())
    }
}
