//! Finds out what a refused write was about.

use async_trait::async_trait;
use jiff::civil::Date;

use super::{Backend, Error, Items, RequestContext, Result};
use crate::model::{Customer, CustomerId, LocalTime, NewMessage, Order, OrderId, OrderStatus, OrderedBy, UpstreamMessage};

/// A backend that looks at the order after a refused write: the order system refuses a write to an unknown order in the same
/// words as one it does not like, and those words may tell who its customer is.
#[derive(Debug)]
pub struct RefusalCheck<B>(pub B);

impl<B: Backend> RefusalCheck<B> {
    /// [`Error::NotFound`] instead of a refusal where the order does not exist; else the refusal without what is known to be
    /// about its customer, and without what was written. A look that fails leaves a refusal of which nothing can be told.
    async fn explain(&self, context: &RequestContext, id: OrderId, written: Option<&str>, error: Error) -> Error {
        let Error::Refused { message } = error else { return error };
        let message = match self.0.order_info(&context.uncancellable().uncached(), id).await {
            Err(Error::NotFound) => return Error::NotFound,
            Err(_) => None,
            Ok(order) => message.map(|sentence| {
                let customer = order.customer.as_ref().and_then(OrderedBy::customer);
                let known = customer.into_iter().flat_map(Customer::identifying_texts);
                written.into_iter().fold(known.fold(sentence, UpstreamMessage::redact), UpstreamMessage::redact_parts_of)
            }),
        };
        Error::Refused { message }
    }
}

#[async_trait]
impl<B: Backend> Backend for RefusalCheck<B> {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<Order>> {
        self.0.orders(context, since).await
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Order> {
        self.0.order_info(context, id).await
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        self.0.customers(context, since).await
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Customer> {
        self.0.customer_info(context, id).await
    }

    async fn set_status(&self, context: &RequestContext, id: OrderId, status: OrderStatus) -> Result<()> {
        match self.0.set_status(context, id, status).await {
            Err(error) => Err(self.explain(context, id, None, error).await),
            done => done,
        }
    }

    async fn add_message(&self, context: &RequestContext, id: OrderId, message: NewMessage) -> Result<Option<LocalTime>> {
        let written = message.text.clone();
        match self.0.add_message(context, id, message).await {
            Err(error) => Err(self.explain(context, id, Some(written.expose()), error).await),
            done => done,
        }
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.0.check_message(id, message)
    }
}
