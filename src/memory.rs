//! A legacy system in memory, for the simulator, the demo and tests.
//!
//! It behaves as the real one is known to: lists and details have different fields, and every status change, also to the same
//! status, and every message appends an entry to the order's log.

mod fault_injection;
mod seed;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use jiff::civil::Date;
use parking_lot::{Mutex, MutexGuard};

use crate::backend::{Backend, Error, Item, Items, Receipt, RequestContext, Result, Sent, Snapshot, WriteResult};
use crate::model::{
    Customer, CustomerId, Extensible, ListedOrder, Message, MessageType, NewMessage, Order, OrderId, OrderStatus, OrderedBy,
    Provider, Service, StrEnum, Zone, now,
};
use crate::resilience::Reserved;

pub use fault_injection::FaultInjection;

/// A legacy system whose data live as long as it does.
#[derive(Debug)]
pub struct Memory {
    zone: Zone,
    data: Arc<Mutex<Data>>,
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
        Self { zone, data: Arc::new(Mutex::new(data)) }
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        lock(&self.data)
    }

    /// The wanted entries by their ids, a few at a time, so that a long list holds neither the lock nor a copy of it all.
    fn list<K, T, L>(
        &self,
        entries: fn(&Data) -> &BTreeMap<K, T>,
        wanted: impl Fn(&T) -> bool + Send + 'static,
        project: fn(&T) -> L,
    ) -> Items<L>
    where
        K: Ord + Copy + Send + 'static,
        T: Send + 'static,
        L: Send + 'static,
    {
        const PIECE: usize = 128;
        let data = Arc::clone(&self.data);
        let pieces = stream::unfold((Bound::Unbounded, wanted), move |(after, wanted)| {
            let data = lock(&data);
            let piece: Vec<_> = entries(&data).range((after, Bound::Unbounded)).take(PIECE).collect();
            let next = piece.last().map(|(id, _)| Bound::Excluded(**id));
            let items: Vec<_> =
                piece.into_iter().filter(|(_, entry)| wanted(entry)).map(|(_, entry)| Item::Decoded(project(entry))).collect();
            std::future::ready(next.map(|next| (Ok(items), (next, wanted))))
        });
        pieces.boxed()
    }

    /// Changes an order and appends an entry to its log.
    fn change(&self, id: OrderId, change: impl FnOnce(&mut Order) -> (MessageType, String)) -> WriteResult {
        let mut data = self.data();
        let order = data.orders.get_mut(&id).ok_or(Error::NotFound)?;
        let at = self.zone.at(now());
        let (kind, text) = change(order);
        let entry = Message { at: Some(at), kind: Some(Extensible::Known(kind)), text: Some(text.into()) };
        order.messages.get_or_insert_default().push(entry);
        Ok(Receipt { sent: Sent::now(), logged_at: Some(at) })
    }
}

#[async_trait]
impl Backend for Memory {
    async fn orders(&self, _: &RequestContext, since: Date) -> Result<Items<ListedOrder>> {
        let is_since = move |order: &Order| order.ordered_at.is_some_and(|at| at.wall().date() >= since);
        Ok(self.list(|data| &data.orders, is_since, in_list))
    }

    async fn order_info(&self, _: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        let order = self.data().orders.get(&id).map(in_detail).ok_or(Error::NotFound)?;
        Ok(Snapshot { value: order.into(), clock_skew: None })
    }

    async fn customers(&self, _: &RequestContext, since: Date) -> Result<Items<Customer>> {
        let is_since = move |customer: &Customer| customer.person.registered_at.is_some_and(|at| at.wall().date() >= since);
        Ok(self.list(|data| &data.customers, is_since, Customer::clone))
    }

    async fn customer_info(&self, _: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        self.data().customers.get(&id).cloned().map(Reserved::from).ok_or(Error::NotFound)
    }

    async fn set_status(&self, _: &RequestContext, id: OrderId, status: OrderStatus) -> WriteResult {
        self.change(id, |order| {
            order.status = Some(Extensible::Known(status));
            (MessageType::System, format!("Status changed to {}", status.as_str()))
        })
    }

    async fn add_message(&self, _: &RequestContext, id: OrderId, message: NewMessage) -> WriteResult {
        self.change(id, |_| (message.kind, message.text.expose().to_owned()))
    }

    fn check_message(&self, _: OrderId, _: &NewMessage) -> Result<()> {
        Ok(())
    }
}

fn lock(data: &Mutex<Data>) -> MutexGuard<'_, Data> {
    data.lock()
}

/// The fields of an order that lists have.
fn in_list(order: &Order) -> ListedOrder {
    let listed = Order {
        kind: order.kind.clone(),
        status: order.status.clone(),
        ordered_at: order.ordered_at,
        delivery: order.delivery,
        service: Service { id: order.service.id.clone(), ..Service::default() },
        provider: Provider { id: order.provider.id.clone(), name: None },
        customer: order.customer.as_ref().map(|customer| OrderedBy { id: customer.id, person: None }),
        ..Order::new(order.id)
    };
    listed.into()
}

/// The fields of an order that details have.
fn in_detail(order: &Order) -> Order {
    Order { provider: Provider { id: None, name: order.provider.name.clone() }, ..order.clone() }
}
