//! Finds out what a refused write was about.

use async_trait::async_trait;
use jiff::civil::Date;

use super::{Backend, Context, Error, Items, Result};
use crate::model::{Customer, CustomerId, LocalTime, NewMessage, Order, OrderId, OrderStatus};

/// A backend that looks after a refused write whether the order exists, because the order system refuses a write to an
/// unknown order in the same words as a write it does not like.
#[derive(Debug)]
pub struct Explained<B>(pub B);

impl<B: Backend> Explained<B> {
    /// [`Error::NotFound`] instead of a refusal where the order does not exist. A look that fails changes nothing: the
    /// refusal stays true.
    async fn explain(&self, context: &Context, id: OrderId, error: Error) -> Error {
        if matches!(error, Error::Refused { .. })
            && self.0.order_info(&context.committed().fresh(), id).await == Err(Error::NotFound)
        {
            return Error::NotFound;
        }
        error
    }
}

#[async_trait]
impl<B: Backend> Backend for Explained<B> {
    async fn orders(&self, context: &Context, since: Date) -> Result<Items<Order>> {
        self.0.orders(context, since).await
    }

    async fn order_info(&self, context: &Context, id: OrderId) -> Result<Order> {
        self.0.order_info(context, id).await
    }

    async fn customers(&self, context: &Context, since: Date) -> Result<Items<Customer>> {
        self.0.customers(context, since).await
    }

    async fn customer_info(&self, context: &Context, id: CustomerId) -> Result<Customer> {
        self.0.customer_info(context, id).await
    }

    async fn set_status(&self, context: &Context, id: OrderId, status: OrderStatus) -> Result<()> {
        match self.0.set_status(context, id, status).await {
            Err(error) => Err(self.explain(context, id, error).await),
            done => done,
        }
    }

    async fn add_message(&self, context: &Context, id: OrderId, message: NewMessage) -> Result<Option<LocalTime>> {
        match self.0.add_message(context, id, message).await {
            Err(error) => Err(self.explain(context, id, error).await),
            done => done,
        }
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.0.check_message(id, message)
    }
}
