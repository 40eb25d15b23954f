//! Notes for the request log what was called and how it ended.

use async_trait::async_trait;
use futures_util::StreamExt;
use jiff::civil::Date;

use super::{Backend, Context, Error, Items, Result};
use crate::model::{Customer, CustomerId, LocalTime, NewMessage, Order, OrderId, OrderStatus};

/// A backend whose calls are noted in the request's [`Context`].
#[derive(Debug)]
pub struct Observed<B>(pub B);

#[async_trait]
impl<B: Backend> Backend for Observed<B> {
    async fn orders(&self, context: &Context, since: Date) -> Result<Items<Order>> {
        let answer = self.0.orders(context, since).await;
        noted(context, "orders", answer).map(|items| observed_items(context, "orders", items))
    }

    async fn order_info(&self, context: &Context, id: OrderId) -> Result<Order> {
        noted(context, "order_info", self.0.order_info(context, id).await)
    }

    async fn customers(&self, context: &Context, since: Date) -> Result<Items<Customer>> {
        let answer = self.0.customers(context, since).await;
        noted(context, "customers", answer).map(|items| observed_items(context, "customers", items))
    }

    async fn customer_info(&self, context: &Context, id: CustomerId) -> Result<Customer> {
        noted(context, "customer_info", self.0.customer_info(context, id).await)
    }

    async fn set_status(&self, context: &Context, id: OrderId, status: OrderStatus) -> Result<()> {
        noted(context, "set_status", self.0.set_status(context, id, status).await)
    }

    async fn add_message(&self, context: &Context, id: OrderId, message: NewMessage) -> Result<Option<LocalTime>> {
        noted(context, "add_message", self.0.add_message(context, id, message).await)
    }
}

fn noted<T>(context: &Context, call: &'static str, answer: Result<T>) -> Result<T> {
    context.note(call, answer.as_ref().map_or_else(Error::kind, |_| "success"));
    answer
}

/// A list that breaks off later is told as a failure after all.
fn observed_items<T: 'static>(context: &Context, call: &'static str, items: Items<T>) -> Items<T> {
    let context = context.clone();
    items
        .inspect(move |item| {
            if let Err(error) = item {
                context.note(call, error.kind());
            }
        })
        .boxed()
}
