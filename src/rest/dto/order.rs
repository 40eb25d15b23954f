//! Orders.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::masked::{MaskedText, masked};
use super::{Customer, Message, Time, Unreadable, enums};
use crate::model::{self, Delivery, Extensible, OrderedBy, PiiAccess};
use crate::problem::Details;

/// An order for a fibre service: the same type in lists and in detail. What a call does not know is absent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Order)]
pub(in crate::rest) struct Order<'a> {
    /// The order's number.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 20417)]
    id: u64,
    /// What kind of order it is; only `order` has ever been seen.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "order")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = enums::status_as_read, required = false)]
    status: Option<&'a str>,
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
    service: Option<Service<'a>>,
    /// Who provides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    provider: Option<Provider<'a>>,
    /// The network it is delivered in. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    network: Option<Network<'a>>,
    /// Who ordered it. Lists know only the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Customer)]
    customer: Option<CustomerRef<'a>>,
    /// The log. Always an array in details, absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    messages: Option<Vec<Message<'a>>>,
    /// Further facts. Always an array in details, absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    details: Option<Vec<Detail<'a>>>,
    /// Why the details of this order are missing. Only in lists with `expand=detail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Details)]
    problem: Option<Box<Details<'a>>>,
}

/// Who ordered: a whole customer, or one of whom only the number is known.
#[derive(Debug)]
struct CustomerRef<'a>(&'a OrderedBy, PiiAccess);

impl Serialize for CustomerRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            OrderedBy::Customer(customer) => Customer::new(customer, self.1).serialize(serializer),
            OrderedBy::Id(id) => {
                let mut customer = serializer.serialize_struct("Customer", 1)?;
                customer.serialize_field("id", &id.get())?;
                customer.end()
            }
        }
    }
}

/// The service that was ordered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Service)]
struct Service<'a> {
    /// The portal's number of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "3105")]
    id: Option<&'a str>,
    /// The provider's own number of it. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "00100100")]
    uid: Option<&'a str>,
    /// Its name. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "100/100 Mbit/s")]
    name: Option<&'a str>,
    /// Where it stands in the portal's catalogue. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Privatpersoner: Internet / Via fiber")]
    category: Option<&'a str>,
}

/// The service provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
struct Provider<'a> {
    /// The portal's number of the provider. Lists only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "40210")]
    id: Option<&'a str>,
    /// Its name. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Ljusbolaget")]
    name: Option<&'a str>,
}

/// The network that an order is delivered in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Network)]
struct Network<'a> {
    /// Its name.
    #[schema(example = "Övre Åsele Stadsnät")]
    name: &'a str,
}

/// One further fact about an order. It may have a value, a monthly fee, both or neither.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Detail)]
struct Detail<'a> {
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<MaskedText<'a>>,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<MaskedText<'a>>,
    /// A monthly fee in SEK, as a decimal number in a string.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "222")]
    monthly_fee: Option<&'a str>,
}

impl<'a> Order<'a> {
    /// The order as somebody sees it.
    pub(in crate::rest) fn new(order: &'a model::Order, sight: PiiAccess) -> Self {
        let requested_delivery_at = match order.delivery {
            Some(Delivery::At(time)) => Some(Time(time)),
            Some(Delivery::Asap) | None => None,
        };
        // Details always have a log, be it one that the order system did not tell.
        let rows = order.messages.as_deref().or(order.details.as_ref().map(|_| &[][..]));
        Self {
            id: order.id.get(),
            kind: order.kind.as_deref(),
            status: order.status.as_ref().map(Extensible::as_str),
            ordered_at: order.ordered_at.map(Time),
            requested_delivery_at,
            deliver_asap: order.delivery == Some(Delivery::Asap),
            service: service(&order.service),
            provider: provider(&order.provider),
            network: order.network_name.as_deref().map(|name| Network { name }),
            customer: order.customer.as_ref().map(|customer| CustomerRef(customer, sight)),
            messages: rows.map(|rows| rows.iter().map(|row| Message::new(row, sight)).collect()),
            details: order.details.as_ref().map(|facts| facts.iter().map(|fact| detail(fact, sight)).collect()),
            problem: None,
        }
    }

    /// The same order with the reason why its details are missing.
    pub(in crate::rest) fn with_problem(self, problem: Option<Details<'a>>) -> Self {
        Self { problem: problem.map(Box::new), ..self }
    }
}

/// An object without members would say nothing, so it is absent.
fn service(service: &model::Service) -> Option<Service<'_>> {
    let model::Service { id, uid, name, category } = service;
    let is_known = id.is_some() || uid.is_some() || name.is_some() || category.is_some();
    is_known.then_some(Service { id: id.as_deref(), uid: uid.as_deref(), name: name.as_deref(), category: category.as_deref() })
}

fn provider(provider: &model::Provider) -> Option<Provider<'_>> {
    let model::Provider { id, name } = provider;
    (id.is_some() || name.is_some()).then_some(Provider { id: id.as_deref(), name: name.as_deref() })
}

fn detail(detail: &model::Detail, sight: PiiAccess) -> Detail<'_> {
    let model::Detail { name, value, monthly_fee } = detail;
    Detail { name: masked(name.as_ref(), sight), value: masked(value.as_ref(), sight), monthly_fee: monthly_fee.as_deref() }
}

/// A list of orders. It is written item by item; a list that was broken off is no JSON.
#[derive(ToSchema)]
#[schema(as = OrderList, rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of what rest::list writes")]
pub(in crate::rest) struct OrderList {
    /// The orders in the order system's order.
    items: Vec<Order<'static>>,
    /// Leads to the next page; absent on the last one and without `limit`.
    #[schema(required = false)]
    next_cursor: String,
    /// Items that could not be read; absent when there are none.
    #[schema(required = false)]
    unreadable: Vec<Unreadable>,
}
