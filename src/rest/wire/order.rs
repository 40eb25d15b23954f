//! Orders.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Customer, Message, Time, Unreadable, words};
use crate::model;
use crate::model::{Delivery, OrderedBy};

/// An order for a fibre service: the same type in lists and in detail. What a call does not know is absent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Order)]
pub(in crate::rest) struct Order {
    /// The order's number.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 20417)]
    id: u64,
    /// What kind of order it is; only `order` has ever been seen.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "order")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::status_as_read, required = false)]
    status: Option<String>,
    /// When it was placed: with seconds in lists, with minutes in details. In the hour that autumn repeats, the earlier of the
    /// two instants.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime, example = "2016-03-14T09:05:00+01:00")]
    ordered_at: Option<Time>,
    /// When the customer wants it delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime, example = "2016-03-14T09:05:00+01:00")]
    requested_delivery_at: Option<Time>,
    /// Whether the customer wants it as soon as possible; `requestedDeliveryAt` is absent then.
    deliver_asap: bool,
    /// What was ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    service: Option<Service>,
    /// Who provides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    provider: Option<Provider>,
    /// The network it is delivered in. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    network: Option<Network>,
    /// Who ordered it. Lists know only the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    customer: Option<Customer>,
    /// The log. Always an array in details, absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    messages: Option<Vec<Message>>,
    /// Further facts. Always an array in details, absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    details: Option<Vec<Detail>>,
}

/// The service that was ordered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Service)]
struct Service {
    /// The portal's number of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "3105")]
    id: Option<String>,
    /// The provider's own number of it. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "00100100")]
    uid: Option<String>,
    /// Its name. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "100/100 Mbit/s")]
    name: Option<String>,
    /// Where it stands in the portal's catalogue. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Privatpersoner: Internet / Via fiber")]
    category: Option<String>,
}

/// The service provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
struct Provider {
    /// The portal's number of the provider. Lists only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "40210")]
    id: Option<String>,
    /// Its name. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Ljusbolaget")]
    name: Option<String>,
}

/// The network that an order is delivered in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Network)]
struct Network {
    /// Its name.
    #[schema(example = "Övre Åsele Stadsnät")]
    name: String,
}

/// One further fact about an order. It may have a value, a monthly fee, both or neither.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Detail)]
struct Detail {
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "invoice type")]
    name: Option<String>,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Autogiro")]
    value: Option<String>,
    /// A monthly fee in SEK, as a decimal number in a string.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "222")]
    monthly_fee: Option<String>,
}

impl From<model::Order> for Order {
    fn from(order: model::Order) -> Self {
        let requested_delivery_at = match order.delivery {
            Some(Delivery::At(time)) => Some(Time(time)),
            Some(Delivery::Asap) | None => None,
        };
        Self {
            id: order.id.get(),
            kind: order.kind,
            status: order.status.map(|status| status.as_str().to_owned()),
            ordered_at: order.ordered_at.map(Time),
            requested_delivery_at,
            deliver_asap: order.delivery == Some(Delivery::Asap),
            service: service(order.service),
            provider: provider(order.provider),
            network: order.network_name.map(|name| Network { name }),
            customer: order.customer.map(customer),
            messages: order.messages.map(|rows| rows.into_iter().map(Message::from).collect()),
            details: order.details.map(|facts| facts.into_iter().map(detail).collect()),
        }
    }
}

fn customer(customer: OrderedBy) -> Customer {
    match customer {
        OrderedBy::Id(id) => model::Customer::new(id).into(),
        OrderedBy::Customer(customer) => (*customer).into(),
    }
}

/// An object without members would say nothing, so it is absent.
fn service(service: model::Service) -> Option<Service> {
    let model::Service { id, uid, name, category } = service;
    let is_known = id.is_some() || uid.is_some() || name.is_some() || category.is_some();
    is_known.then_some(Service { id, uid, name, category })
}

fn provider(provider: model::Provider) -> Option<Provider> {
    let model::Provider { id, name } = provider;
    (id.is_some() || name.is_some()).then_some(Provider { id, name })
}

fn detail(detail: model::Detail) -> Detail {
    let model::Detail { name, value, monthly_fee } = detail;
    Detail { name, value, monthly_fee }
}

/// A list of orders. It is written item by item; a list that was broken off is no JSON.
#[derive(ToSchema)]
#[schema(as = OrderList)]
#[expect(dead_code, reason = "the shape of what rest::list writes")]
pub(in crate::rest) struct OrderList {
    /// The orders in the order system's order.
    items: Vec<Order>,
    /// Items that could not be read; absent when there are none.
    #[schema(required = false)]
    unreadable: Vec<Unreadable>,
}
