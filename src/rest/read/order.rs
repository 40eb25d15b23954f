//! Orders.

use serde::Deserialize;

use super::customer::CustomerMembers;
use super::message::MessageMembers;
use super::value::{Object, Text, open_value, text, time};
use super::{ListItem, ReadError, Resource};
use crate::model::{Delivery, Detail, ListedOrder, Message, Order, OrderId, OrderedBy, Person, Provider, Service, Zone};

/// The members of an order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct OrderMembers<'a> {
    id: u64,
    #[serde(borrow)]
    r#type: Option<Text<'a>>,
    status: Option<Text<'a>>,
    ordered_at: Option<Text<'a>>,
    requested_delivery_at: Option<Text<'a>>,
    deliver_asap: bool,
    service: Option<Object<ServiceMembers<'a>>>,
    provider: Option<Object<ProviderMembers<'a>>>,
    network: Option<Object<NetworkMembers<'a>>>,
    customer: Option<Object<CustomerMembers<'a>>>,
    messages: Option<Vec<Object<MessageMembers<'a>>>>,
    details: Option<Vec<Object<DetailMembers<'a>>>>,
}

#[derive(Debug, Deserialize)]
struct ServiceMembers<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    uid: Option<Text<'a>>,
    name: Option<Text<'a>>,
    category: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct ProviderMembers<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct NetworkMembers<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DetailMembers<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    value: Option<Text<'a>>,
    monthly_fee: Option<Text<'a>>,
}

impl Resource for Order {
    type Members<'a> = OrderMembers<'a>;

    const MISMATCH: ReadError = ReadError("it is not an order of the API");

    fn from_details(members: OrderMembers<'_>, zone: &Zone) -> Result<Self, ReadError> {
        let order = order(members, zone)?;
        // Required there: without them, hardly anything tells an order from what another program has under the same path.
        if order.messages.is_some() && order.details.is_some() { Ok(order) } else { Err(Self::MISMATCH) }
    }
}

impl Resource for ListedOrder {
    type Members<'a> = OrderMembers<'a>;

    const MISMATCH: ReadError = Order::MISMATCH;

    fn from_details(members: OrderMembers<'_>, zone: &Zone) -> Result<Self, ReadError> {
        Order::from_details(members, zone).map(Self::from)
    }
}

impl ListItem for ListedOrder {
    fn from_item(members: OrderMembers<'_>, zone: &Zone) -> Result<Self, ReadError> {
        let Order { id, kind, status, ordered_at, delivery, service, provider, customer, .. } = order(members, zone)?;
        let listed = Order {
            kind,
            status,
            ordered_at,
            delivery,
            service: Service { id: service.id, ..Service::default() },
            provider: Provider { id: provider.id, name: None },
            customer: customer.and_then(|customer| customer.id).map(|id| OrderedBy { id: Some(id), person: None }),
            ..Order::new(id)
        };
        Ok(listed.into())
    }
}

fn order(members: OrderMembers<'_>, zone: &Zone) -> Result<Order, ReadError> {
    let id = OrderId::try_new(members.id).map_err(|_| ReadError("its id is not a valid order id"))?;
    let service = members.service.map(|Object(ServiceMembers { id, uid, name, category })| Service {
        id: text(id),
        uid: text(uid),
        name: text(name),
        category: text(category),
    });
    let provider = members.provider.map(|Object(ProviderMembers { id, name })| Provider { id: text(id), name: text(name) });
    Ok(Order {
        id,
        kind: text(members.r#type),
        status: open_value(members.status),
        ordered_at: time(members.ordered_at, zone)?,
        delivery: delivery(members.deliver_asap, members.requested_delivery_at, zone)?,
        service: service.unwrap_or_default(),
        provider: provider.unwrap_or_default(),
        network_name: members.network.and_then(|Object(NetworkMembers { name })| text(name)),
        customer: members.customer.map(|Object(customer)| ordered_by(customer, zone)).transpose()?.flatten(),
        messages: members.messages.map(|entries| messages(entries, zone)).transpose()?,
        details: members.details.map(|details| details.into_iter().map(|Object(members)| detail(members)).collect()),
    })
}

fn delivery(is_asap: bool, at: Option<Text<'_>>, zone: &Zone) -> Result<Option<Delivery>, ReadError> {
    match (is_asap, time(at, zone)?) {
        (true, None) => Ok(Some(Delivery::Asap)),
        (true, Some(_)) => Err(ReadError("it is to be delivered as soon as possible, and at a time")),
        (false, at) => Ok(at.map(Delivery::At)),
    }
}

fn ordered_by(customer: CustomerMembers<'_>, zone: &Zone) -> Result<Option<OrderedBy>, ReadError> {
    let (id, person) = customer.into_parts(zone)?;
    let person = (person != Person::default()).then(|| Box::new(person));
    Ok((id.is_some() || person.is_some()).then_some(OrderedBy { id, person }))
}

fn messages(entries: Vec<Object<MessageMembers<'_>>>, zone: &Zone) -> Result<Vec<Message>, ReadError> {
    entries.into_iter().map(|Object(entry)| entry.into_message(zone)).collect()
}

fn detail(DetailMembers { name, value, monthly_fee }: DetailMembers<'_>) -> Detail {
    Detail { name: text(name), value: text(value), monthly_fee: text(monthly_fee) }
}
