//! A backend whose writes are verified, for front ends that know neither keys nor preconditions.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;

use super::{WriteCoordinator, WriteFailure};
use crate::backend::{Backend, Error, Items, Receipt, RequestContext, Result, Sent, Snapshot, WriteError, WriteResult};
use crate::model::{Customer, CustomerId, ListedOrder, NewMessage, Order, OrderId, OrderStatus};
use crate::resilience::Reserved;

/// A backend that sends each write once and reads the order back if the answer does not prove the outcome. Writes run to their
/// end even if their future is dropped.
#[derive(Clone)]
pub struct VerifiedBackend {
    reads: Arc<dyn Backend>,
    writes: WriteCoordinator,
}

impl VerifiedBackend {
    /// The reads of a backend, and its writes.
    #[must_use]
    pub fn new(reads: Arc<dyn Backend>, writes: WriteCoordinator) -> Self {
        Self { reads, writes }
    }

    fn error(&self, failure: WriteFailure) -> WriteError {
        let unknown = || Error::OutcomeUnknown { retry_after: self.writes.0.settings.settle_time };
        WriteError::from(match failure {
            WriteFailure::Failed(error) => error,
            WriteFailure::InDoubt { time_left, is_same: false } => {
                Error::NotSent { cause: Box::new(Error::Unavailable { retry_after: Some(time_left) }) }
            }
            WriteFailure::Panicked | WriteFailure::Conflict(_) | WriteFailure::InDoubt { is_same: true, .. } => unknown(),
            // Not without a key and a precondition.
            WriteFailure::PreconditionFailed(_) | WriteFailure::KeyReused | WriteFailure::KeyInUse => {
                Error::NotSent { cause: Box::new(Error::Overloaded) }
            }
        })
    }
}

#[async_trait]
impl Backend for VerifiedBackend {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<ListedOrder>> {
        self.reads.orders(context, since).await
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        self.reads.order_info(context, id).await
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        self.reads.customers(context, since).await
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        self.reads.customer_info(context, id).await
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> WriteResult {
        // It was not sent before.
        let sent = Sent::now();
        let done = self.writes.set_status(context, id, status, None, None).await;
        done.map(|_| Receipt { sent, logged_at: None }).map_err(|failure| self.error(failure))
    }

    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> WriteResult {
        let sent = Sent::now();
        let client = context.client().cloned().unwrap_or_default();
        let done = self.writes.add_message(context, &client, id, message, None, None).await;
        done.map(|receipt| Receipt { sent, logged_at: receipt.at }).map_err(|failure| self.error(failure))
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.reads.check_message(id, message)
    }
}
