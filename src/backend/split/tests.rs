//! Two systems with random contents, compared with what their division must show.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::backend::{Receipt, Sent, UndecodableItem};
use crate::model::{MessageType, Person};

/// A system with these orders and customers, which records its writes. Lists come in pieces, and fail after `fault` of them.
#[derive(Debug, Clone, Default)]
struct World {
    orders: BTreeSet<u64>,
    customers: BTreeSet<u64>,
    piece: usize,
    fault: Option<usize>,
    writes: Arc<Mutex<Vec<u64>>>,
}

impl World {
    fn list<T: Send + 'static>(&self, items: Vec<Item<T>>) -> Result<Items<T>> {
        if self.fault == Some(0) {
            return Err(Error::Unreachable);
        }
        let mut pieces = Vec::new();
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            pieces.push(Ok(items.by_ref().take(self.piece.max(1)).collect()));
        }
        if let Some(fault) = self.fault {
            pieces.truncate(fault - 1);
            pieces.push(Err(Error::Timeout));
        }
        Ok(stream::iter(pieces).boxed())
    }

    fn write(&self, id: OrderId) -> Receipt {
        self.writes.lock().push(id.get());
        Receipt { sent: Sent::now(), logged_at: None }
    }
}

#[async_trait]
impl Backend for World {
    async fn orders(&self, _: &RequestContext, _: Date) -> Result<Items<ListedOrder>> {
        self.list(self.orders.iter().map(|number| Item::Decoded(Order::new(order(*number)).into())).collect())
    }

    async fn order_info(&self, _: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        let exists = self.orders.contains(&id.get());
        let order = exists.then(|| Snapshot { value: Order::new(id).into(), clock_skew: None });
        order.ok_or(Error::NotFound)
    }

    async fn customers(&self, _: &RequestContext, _: Date) -> Result<Items<Customer>> {
        self.list(self.customers.iter().map(|number| Item::Decoded(customer(*number, ""))).collect())
    }

    async fn customer_info(&self, _: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        match self.fault {
            Some(0) => Err(Error::Unreachable),
            _ if self.customers.contains(&id.get()) => Ok(customer(id.get(), "").into()),
            _ => Err(Error::NotFound),
        }
    }

    async fn set_status(&self, _: &RequestContext, id: OrderId, _: OrderStatus) -> WriteResult {
        Ok(self.write(id))
    }

    async fn add_message(&self, _: &RequestContext, id: OrderId, _: NewMessage) -> WriteResult {
        Ok(self.write(id))
    }

    fn check_message(&self, _: OrderId, _: &NewMessage) -> Result<()> {
        Ok(())
    }
}

fn order(number: u64) -> OrderId {
    OrderId::try_new(number).unwrap()
}

fn customer(number: u64, name: &str) -> Customer {
    let person = Person { first_name: Some(name.into()), ..Person::default() };
    Customer { id: CustomerId::try_new(number).unwrap(), person }
}

fn context() -> RequestContext {
    RequestContext::within(Duration::from_secs(1))
}

fn split(below: &World, above: &World, from: u64) -> Split {
    let side = |name: &str, world: &World| Side { name: name.into(), backend: Arc::new(world.clone()) };
    Split::new(side("old", below), side("new", above), order(from))
}

/// The ids of a list, and its fault. Nothing comes after a fault.
fn ids<T>(list: Result<Items<T>>, id: impl Fn(&T) -> u64) -> (Vec<u64>, Option<Error>) {
    let mut ids = Vec::new();
    let batches: Vec<_> = match list {
        Ok(items) => items.collect().now_or_never().expect("it never waits"),
        Err(error) => return (ids, Some(error)),
    };
    let mut fault = None;
    for batch in batches {
        assert_eq!(fault, None);
        match batch {
            Ok(batch) => ids.extend(batch.iter().map(|item| match item {
                Item::Decoded(item) => id(item),
                Item::Undecodable(item) => panic!("{item:?}"),
            })),
            Err(error) => fault = Some(error),
        }
    }
    (ids, fault)
}

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it never waits")
}

prop_compose! {
    fn world()(orders in prop::collection::btree_set(1..40_u64, 0..20), customers in prop::collection::btree_set(1..20_u64, 0..10),
        piece in 1..6_usize) -> World {
        World { orders, customers, piece, ..World::default() }
    }
}

proptest! {
    #[test]
    fn each_order_has_one_system(below in world(), above in world(), from in 1..42_u64) {
        let split = split(&below, &above, from);

        let listed = ids(now(split.orders(&context(), date(2016, 1, 1))), |order| order.id().get());

        let old = below.orders.iter().filter(|id| **id < from);
        let new = above.orders.iter().filter(|id| **id >= from);
        prop_assert_eq!(&listed, &(old.chain(new).copied().collect::<Vec<_>>(), None));
        for id in 1..42 {
            let found = now(split.order_info(&context(), order(id))).is_ok();
            prop_assert_eq!(found, listed.0.contains(&id), "{}", id);
            now(split.set_status(&context(), order(id), OrderStatus::Active)).unwrap();
            let message = NewMessage { kind: MessageType::Log, text: "hej".into() };
            now(split.add_message(&context(), order(id), message)).unwrap();
        }
        let twice = |range: std::ops::Range<u64>| range.flat_map(|id| [id, id]).collect::<Vec<_>>();
        prop_assert_eq!(&*below.writes.lock(), &twice(1..from));
        prop_assert_eq!(&*above.writes.lock(), &twice(from..42));
    }

    #[test]
    fn each_customer_is_listed_once_and_as_the_new_system_has_it(below in world(), above in world()) {
        let split = split(&below, &above, 20);

        let listed = ids(now(split.customers(&context(), date(2016, 1, 1))), |customer| customer.id.get());

        let old = below.customers.difference(&above.customers);
        prop_assert_eq!(&listed, &(above.customers.iter().chain(old).copied().collect::<Vec<_>>(), None));
        for id in 1..20 {
            let found = now(split.customer_info(&context(), CustomerId::try_new(id).unwrap()));
            prop_assert_eq!(found.is_ok(), listed.0.contains(&id));
        }
    }

    #[test]
    fn a_fault_of_either_side_is_a_fault_of_the_list(below in world(), above in world(), at in 0..8_usize, is_above: bool) {
        let with_fault = |world: &World, is_here: bool| World { fault: is_here.then_some(at), ..world.clone() };
        let (below, above) = (with_fault(&below, !is_above), with_fault(&above, is_above));
        let split = split(&below, &above, 20);

        let orders = ids(now(split.orders(&context(), date(2016, 1, 1))), |order| order.id().get());
        let customers = ids(now(split.customers(&context(), date(2016, 1, 1))), |customer| customer.id.get());

        prop_assert!(orders.1.is_some() && customers.1.is_some());
    }
}

#[test]
fn a_customer_is_not_looked_for_in_the_old_system_because_the_new_one_failed() {
    let old = World { customers: [7].into(), ..World::default() };
    let new = World { fault: Some(0), ..World::default() };

    let answer = now(split(&old, &new, 20).customer_info(&context(), CustomerId::try_new(7).unwrap()));

    assert_eq!(answer.err(), Some(Error::Unreachable));
}

#[test]
fn unreadable_items_stay_unless_they_belong_to_the_other_side_and_no_batch_is_empty() {
    let item = |id| Item::<Customer>::Undecodable(UndecodableItem { position: 1, id, detail: "" });
    let items = [vec![item(Some(8))], vec![item(None), item(Some(3)), item(Some(9))]];
    let items = stream::iter(items.map(Ok)).boxed();

    let kept = filtered(items, |customer| customer.id.get(), |id| id < 5).collect::<Vec<_>>().now_or_never();

    assert_eq!(kept, Some(vec![Ok(vec![item(None), item(Some(3))])]));
}
