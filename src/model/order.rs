//! An order for a fibre service.

use compact_str::CompactString;

use super::{CustomerId, Extensible, FreeText, LocalTime, Message, OrderId, Person, Pii, StrEnum};

/// A text that is usually short: up to 24 bytes are stored inline, without an allocation.
pub type ShortText = CompactString;

/// Order status. The upstream publishes no rules for transitions between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    /// Unhandled.
    New,
    /// Picked up by the service provider.
    Received,
    /// Being handled.
    Active,
    /// Waiting for another party.
    Waiting,
    /// Cancelled.
    Cancelled,
    /// Fulfilled.
    Delivered,
}

impl StrEnum for OrderStatus {
    const ALL: &'static [Self] = &[Self::New, Self::Received, Self::Active, Self::Waiting, Self::Cancelled, Self::Delivered];

    fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Received => "received",
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Cancelled => "cancelled",
            Self::Delivered => "delivered",
        }
    }
}

/// An order. Which values are present depends on the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Order id.
    pub id: OrderId,
    /// Type of order. The only known value is `order`.
    pub kind: Option<ShortText>,
    /// Status of the order.
    pub status: Option<Extensible<OrderStatus>>,
    /// Time when the order was placed: precise to the second in lists, to the minute in details.
    pub ordered_at: Option<LocalTime>,
    /// Delivery time that the customer asked for.
    pub delivery: Option<Delivery>,
    /// The ordered service.
    pub service: Service,
    /// The service provider.
    pub provider: Provider,
    /// Name of the network in which the service is delivered.
    pub network_name: Option<ShortText>,
    /// The customer.
    pub customer: Option<OrderedBy>,
    /// The log entries, in log order; `None` when the answer has no log.
    pub messages: Option<Vec<Message>>,
    /// Further details, in upstream order; `None` when the call does not return any.
    pub details: Option<Vec<Detail>>,
}

impl Order {
    /// An order with nothing but an id.
    #[must_use]
    pub fn new(id: OrderId) -> Self {
        Self {
            id,
            kind: None,
            status: None,
            ordered_at: None,
            delivery: None,
            service: Service::default(),
            provider: Provider::default(),
            network_name: None,
            customer: None,
            messages: None,
            details: None,
        }
    }
}

/// The customer of an order: the id, the rest, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedBy {
    /// Customer id; `None` if the upstream returned none, or one that is no id.
    pub id: Option<CustomerId>,
    /// Only details have it. Boxed, because lists are long.
    pub person: Option<Box<Person>>,
}

/// Requested delivery time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As soon as possible.
    Asap,
    /// At this time.
    At(LocalTime),
}

/// The ordered service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// Service id in the portal.
    pub id: Option<ShortText>,
    /// Service id of the provider.
    pub uid: Option<ShortText>,
    /// Name.
    pub name: Option<ShortText>,
    /// Category in the portal's catalogue.
    pub category: Option<ShortText>,
}

/// The service provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provider {
    /// Provider id in the portal. Only lists have it.
    pub id: Option<ShortText>,
    /// Name. Only details have it.
    pub name: Option<ShortText>,
}

/// A further detail of an order. It may have a value, a monthly fee, both or neither.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Detail {
    /// Name of the detail.
    pub name: Option<Pii<FreeText>>,
    /// Value of the detail.
    pub value: Option<Pii<FreeText>>,
    /// Monthly fee in SEK, as decimal text.
    pub monthly_fee: Option<ShortText>,
}
