//! An order system in memory, for demonstrations and tests.
//!
//! It behaves as the real one is known to: lists know other things than details, every change of status and every message
//! appends a row to the order's log, a change to the same status too.

mod seed;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use jiff::civil::Date;

use crate::backend::{Backend, Context, Error, Item, Items, Result};
use crate::model::{
    Customer, CustomerId, LocalTime, Message, MessageType, NewMessage, Open, Order, OrderId, OrderStatus, Provider, Service,
    Word, Zone, now,
};

/// An order system that forgets everything when it goes.
#[derive(Debug)]
pub struct Memory {
    zone: Zone,
    data: Mutex<Data>,
}

#[derive(Debug, Default)]
struct Data {
    orders: BTreeMap<OrderId, Order>,
    customers: BTreeMap<CustomerId, Customer>,
}

impl Memory {
    /// A system with so many invented orders: always the same ones, but for the last, which was placed today.
    #[must_use]
    pub fn seeded(orders: u32) -> Self {
        let zone = Zone::stockholm();
        let data = seed::data(orders, &zone, zone.at(now()));
        Self { zone, data: Mutex::new(data) }
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes an order and appends a row to its log. Returns when the row was stamped.
    fn change(&self, id: OrderId, change: impl FnOnce(&mut Order) -> (MessageType, String)) -> Result<LocalTime> {
        let mut data = self.data();
        let order = data.orders.get_mut(&id).ok_or(Error::NotFound)?;
        let at = self.zone.at(now());
        let (kind, text) = change(order);
        let row = Message { at: Some(at), kind: Some(Open::Known(kind)), text: Some(text) };
        order.messages.get_or_insert_default().push(row);
        Ok(at)
    }
}

#[async_trait]
impl Backend for Memory {
    async fn orders(&self, _: &Context, since: Date) -> Result<Items<Order>> {
        let is_since = |order: &&Order| order.ordered_at.is_some_and(|at| at.wall().date() >= since);
        Ok(items(self.data().orders.values().filter(is_since).map(in_list).collect()))
    }

    async fn order_info(&self, _: &Context, id: OrderId) -> Result<Order> {
        self.data().orders.get(&id).map(in_detail).ok_or(Error::NotFound)
    }

    async fn customers(&self, _: &Context, since: Date) -> Result<Items<Customer>> {
        let is_since = |customer: &&Customer| customer.registered_at.is_some_and(|at| at.wall().date() >= since);
        Ok(items(self.data().customers.values().filter(is_since).cloned().collect()))
    }

    async fn customer_info(&self, _: &Context, id: CustomerId) -> Result<Customer> {
        self.data().customers.get(&id).cloned().ok_or(Error::NotFound)
    }

    async fn set_status(&self, _: &Context, id: OrderId, status: OrderStatus) -> Result<()> {
        let changed = self.change(id, |order| {
            order.status = Some(Open::Known(status));
            (MessageType::System, format!("Status changed to {}", status.as_str()))
        });
        changed.map(|_| ())
    }

    async fn add_message(&self, _: &Context, id: OrderId, message: NewMessage) -> Result<Option<LocalTime>> {
        self.change(id, |_| (message.kind, message.text)).map(Some)
    }
}

fn items<T: Send + 'static>(items: Vec<T>) -> Items<T> {
    stream::iter(items.into_iter().map(|item| Ok(Item::Read(item)))).boxed()
}

/// What lists tell of an order.
fn in_list(order: &Order) -> Order {
    Order {
        service: Service { id: order.service.id.clone(), ..Service::default() },
        provider: Provider { id: order.provider.id.clone(), name: None },
        network_name: None,
        customer: order.customer.as_ref().map(|customer| Customer::new(customer.id)),
        messages: None,
        details: None,
        ..order.clone()
    }
}

/// What details tell of an order.
fn in_detail(order: &Order) -> Order {
    Order { provider: Provider { id: None, name: order.provider.name.clone() }, ..order.clone() }
}
