//! Orders.

use std::borrow::Cow;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::customer::{Customer, OrderCustomer};
use super::enums::OpenOrderStatus;
use super::masked::{MaskedText, masked, open_text, open_value};
use super::{Items, Message, Time, UnreadableItem};
use crate::model::{self, Delivery, OrderedBy, Person, PiiAccess};
use crate::problem::Details;
use crate::rest::etag::EntityTag;

/// An order in a list: what the upstream lists of it. With `expand=detail` it also has the members of an order, or a `problem`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrderSummary)]
pub(in crate::rest) struct Order<'a> {
    /// Order id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 20417)]
    id: u64,
    /// Type of order. The only known value is `order`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "order", extensions(("x-extensible-enum" = json!(["order"]))))]
    kind: Option<Cow<'a, str>>,
    /// Status. Absent when the upstream returns none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = OpenOrderStatus, required = false)]
    status: Option<Cow<'a, str>>,
    /// Time when the order was placed: precise to the second in lists, to the minute in details. In the hour that repeats when
    /// daylight saving time ends, the earlier instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime, example = "2016-03-14T09:05:00+01:00")]
    ordered_at: Option<Time>,
    /// Delivery time that the customer asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime, example = "2016-03-14T09:05:00+01:00")]
    requested_delivery_at: Option<Time>,
    /// Whether the customer asked for delivery as soon as possible. `requestedDeliveryAt` is absent then.
    deliver_asap: bool,
    /// The ordered service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    service: Option<Service<'a>>,
    /// The service provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    provider: Option<Provider<'a>>,
    /// The network in which the service is delivered. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    network: Option<Network<'a>>,
    /// The customer, in lists with `id` only. Absent when nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = OrderCustomer)]
    customer: Option<CustomerRef<'a>>,
    /// The log entries, in log order. In lists only with `expand=detail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Vec<Message>)]
    messages: Option<Items<'a, model::Message, Message<'a>>>,
    /// Further details. In lists only with `expand=detail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Vec<Detail>)]
    details: Option<Items<'a, model::Detail, Detail<'a>>>,
    /// The `ETag` that `GET /orders/{id}/status` would have had: send it in `If-Match` to change the status of the order as you
    /// have read it. In lists only with `expand=detail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, example = "\"773a98eb6a544e91ed5fefc1ab6d3365\"")]
    status_tag: Option<EntityTag>,
    /// Why the details of this order could not be read. Only in lists with `expand=detail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Details)]
    problem: Option<Box<Details<'a>>>,
}

/// The customer of an order: complete, or with the id only.
#[derive(Debug)]
struct CustomerRef<'a>(&'a OrderedBy, PiiAccess);

impl Serialize for CustomerRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let OrderedBy { id, person } = self.0;
        if let Some(person) = person {
            return Customer::with_person(*id, person, self.1).serialize(serializer);
        }
        let mut customer = serializer.serialize_struct("Customer", id.iter().len())?;
        if let Some(id) = id {
            customer.serialize_field("id", &id.get())?;
        }
        customer.end()
    }
}

/// The ordered service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderService)]
struct Service<'a> {
    /// Service id in the portal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "3105")]
    id: Option<&'a str>,
    /// Service id of the provider. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "00100100")]
    uid: Option<&'a str>,
    /// Name. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "100/100 Mbit/s")]
    name: Option<Cow<'a, str>>,
    /// Category in the portal's catalogue. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Privatpersoner: Internet / Via fiber")]
    category: Option<Cow<'a, str>>,
}

/// The service provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderProvider)]
struct Provider<'a> {
    /// Provider id in the portal. Returned by `GET /orders` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "40210")]
    id: Option<&'a str>,
    /// Name. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Ljusbolaget")]
    name: Option<Cow<'a, str>>,
}

/// The network in which the service is delivered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderNetwork)]
struct Network<'a> {
    /// Name.
    #[schema(example = "Övre Åsele Stadsnät")]
    name: Cow<'a, str>,
}

/// A further detail of an order. It may have a value, a monthly fee, both or neither.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrderDetail)]
struct Detail<'a> {
    /// Name of the detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<MaskedText<'a>>,
    /// Value of the detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<MaskedText<'a>>,
    /// Monthly fee in SEK, a decimal number as string.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "222")]
    monthly_fee: Option<Cow<'a, str>>,
}

impl<'a> Order<'a> {
    /// Masks the order according to `pii_access`.
    pub(in crate::rest) fn new(order: &'a model::Order, pii_access: PiiAccess) -> Self {
        let requested_delivery_at = match order.delivery {
            Some(Delivery::At(time)) => Some(Time(time)),
            Some(Delivery::Asap) | None => None,
        };
        // The contract promises an array in details, even when the upstream returned no log.
        let entries = order.messages.as_deref().or(order.details.as_ref().map(|_| &[][..]));
        Self {
            id: order.id.get(),
            kind: open_text(order.kind.as_deref(), pii_access),
            status: open_value(order.status.as_ref(), pii_access),
            ordered_at: order.ordered_at.map(Time),
            requested_delivery_at,
            deliver_asap: order.delivery == Some(Delivery::Asap),
            service: service(&order.service, pii_access),
            provider: provider(&order.provider, pii_access),
            network: open_text(order.network_name.as_deref(), pii_access).map(|name| Network { name }),
            customer: order.customer.as_ref().and_then(|customer| customer_ref(customer, pii_access)),
            messages: entries.map(|models| Items { models, pii_access, convert: Message::new }),
            details: order.details.as_deref().map(|models| Items { models, pii_access, convert: detail }),
            status_tag: None,
            problem: None,
        }
    }

    /// Adds the entity tag of the status, if the log was read.
    pub(in crate::rest) fn with_status_tag(self, status_tag: Option<EntityTag>) -> Self {
        Self { status_tag, ..self }
    }

    /// Adds the reason why the details could not be read, if they could not.
    pub(in crate::rest) fn with_problem(self, problem: Option<Details<'a>>) -> Self {
        Self { problem: problem.map(Box::new), ..self }
    }
}

/// `None` instead of an object without members.
fn customer_ref(customer: &OrderedBy, pii_access: PiiAccess) -> Option<CustomerRef<'_>> {
    let is_empty = |person: &Person| Customer::with_person(None, person, pii_access).is_empty();
    let is_hidden = customer.id.is_none() && customer.person.as_deref().is_none_or(is_empty);
    (!is_hidden).then_some(CustomerRef(customer, pii_access))
}

fn service(service: &model::Service, pii_access: PiiAccess) -> Option<Service<'_>> {
    let model::Service { id, uid, name, category } = service;
    let is_known = id.is_some() || uid.is_some() || name.is_some() || category.is_some();
    is_known.then(|| Service {
        id: id.as_deref(),
        uid: uid.as_deref(),
        name: open_text(name.as_deref(), pii_access),
        category: open_text(category.as_deref(), pii_access),
    })
}

fn provider(provider: &model::Provider, pii_access: PiiAccess) -> Option<Provider<'_>> {
    let model::Provider { id, name } = provider;
    (id.is_some() || name.is_some()).then(|| Provider { id: id.as_deref(), name: open_text(name.as_deref(), pii_access) })
}

fn detail(detail: &model::Detail, pii_access: PiiAccess) -> Detail<'_> {
    let model::Detail { name, value, monthly_fee } = detail;
    Detail {
        name: masked(name.as_ref(), pii_access),
        value: masked(value.as_ref(), pii_access),
        monthly_fee: open_text(monthly_fee.as_deref(), pii_access),
    }
}

/// The schema of an [`Order`] with its details.
pub(in crate::rest) struct DetailedOrder;

impl PartialSchema for DetailedOrder {
    fn schema() -> RefOr<Schema> {
        let mut schema = Order::schema();
        if let RefOr::T(Schema::Object(order)) = &mut schema {
            order.description = Some("An order for a fibre service, with its customer, its log and its details.".to_owned());
            order.properties.remove("problem");
            order.required.extend(["messages", "details", "statusTag"].map(str::to_owned));
        }
        schema
    }
}

impl ToSchema for DetailedOrder {
    fn name() -> Cow<'static, str> {
        "Order".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Order::schemas(schemas);
    }
}

/// A list of orders. It may be streamed; a truncated stream is invalid JSON.
#[derive(ToSchema)]
#[schema(as = OrderList, rename_all = "camelCase")]
#[expect(dead_code, reason = "only the schema is used: list::Encoder writes the items one by one")]
pub(in crate::rest) struct OrderList {
    /// The orders: in upstream order, or by time and id with `limit`.
    items: Vec<Order<'static>>,
    /// Cursor of the next page. Absent on the last page and without `limit`.
    #[schema(required = false)]
    next_cursor: String,
    /// Items that could not be decoded. Absent when there are none.
    #[schema(required = false)]
    unreadable: Vec<UnreadableItem>,
}
