//! An order for a fibre service.

use compact_str::CompactString;

use super::{Customer, CustomerId, Extensible, FreeText, LocalTime, Message, OrderId, Pii, StrEnum};

/// A text that is short as a rule: up to 24 bytes it needs no memory of its own, which counts in long lists.
pub type ShortText = CompactString;

/// How far an order has come. No rules for going from one to another are published.
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

/// An order, as far as the call that was made knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The order's number.
    pub id: OrderId,
    /// What was ordered; only `order` has ever been seen.
    pub kind: Option<ShortText>,
    /// How far it has come.
    pub status: Option<Extensible<OrderStatus>>,
    /// When it was placed: with seconds in lists, with minutes in details.
    pub ordered_at: Option<LocalTime>,
    /// When the customer wants it.
    pub delivery: Option<Delivery>,
    /// What was ordered.
    pub service: Service,
    /// Who provides it.
    pub provider: Provider,
    /// Name of the network it is delivered in.
    pub network_name: Option<String>,
    /// Who ordered it.
    pub customer: Option<OrderedBy>,
    /// The log in its order; `None` where the answer does not tell.
    pub messages: Option<Vec<Message>>,
    /// Further facts in their order; `None` where the call does not tell.
    pub details: Option<Vec<Detail>>,
}

impl Order {
    /// An order of which only the number is known.
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

/// Who placed an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderedBy {
    /// Lists tell only the number. They are long, so that is all they carry.
    Id(CustomerId),
    /// Details tell who it is.
    Customer(Box<Customer>),
}

impl OrderedBy {
    /// The customer's number.
    #[must_use]
    pub fn id(&self) -> CustomerId {
        match self {
            Self::Id(id) => *id,
            Self::Customer(customer) => customer.id,
        }
    }

    /// Who it is, where that is told.
    #[must_use]
    pub fn customer(&self) -> Option<&Customer> {
        match self {
            Self::Id(_) => None,
            Self::Customer(customer) => Some(customer),
        }
    }
}

/// When an order is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As soon as possible.
    Asap,
    /// At this time.
    At(LocalTime),
}

/// The service that was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// The portal's number of the service.
    pub id: Option<ShortText>,
    /// The provider's own number of it.
    pub uid: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Where it stands in the portal's catalogue.
    pub category: Option<String>,
}

/// The service provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provider {
    /// The portal's number of the provider; only lists know it.
    pub id: Option<ShortText>,
    /// Its name; only details know it.
    pub name: Option<String>,
}

/// One further fact about an order; it may have a value, a monthly fee, both or neither.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detail {
    /// What it is.
    pub name: Option<Pii<FreeText>>,
    /// Its value.
    pub value: Option<Pii<FreeText>>,
    /// A monthly fee in SEK, as a decimal text.
    pub monthly_fee: Option<String>,
}
