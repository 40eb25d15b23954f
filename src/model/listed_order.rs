//! Orders in lists.
//!
//! Lists are long and their orders small: nearly all consist of two ids, two times, a known status and three short texts. Such an
//! order is [`CompactOrder`], which is made, copied and written without allocations. Any other is an [`Order`].

use jiff::Timestamp;

use super::{
    CustomerId, Delivery, Extensible, HeldBytes, LocalTime, Order, OrderId, OrderStatus, OrderedBy, PlainText, Provider,
    RenderedTime, Service, ShortText, StrEnum,
};

/// An order in a list. Two are equal if they have the same values, in whatever form.
#[derive(Debug, Clone)]
pub enum ListedOrder {
    /// An order whose values all have the usual form.
    Compact(CompactOrder),
    /// Any order.
    Full(Box<Order>),
}

/// The values that a list has of an order, if all have the usual form.
#[derive(Debug, Clone, Copy)]
pub struct CompactOrder {
    /// Order id.
    pub id: OrderId,
    /// Type of order.
    pub kind: Option<PlainText>,
    /// Status of the order.
    pub status: OrderStatus,
    /// Time when the order was placed.
    pub ordered_at: RenderedTime,
    /// Delivery time that the customer asked for.
    pub delivery: Option<CompactDelivery>,
    /// Service id in the portal.
    pub service: Option<PlainText>,
    /// Provider id in the portal.
    pub provider: Option<PlainText>,
    /// Customer id.
    pub customer: CustomerId,
}

/// Requested delivery time of a [`CompactOrder`].
#[derive(Debug, Clone, Copy)]
pub enum CompactDelivery {
    /// As soon as possible.
    Asap,
    /// At this time.
    At(RenderedTime),
}

impl ListedOrder {
    /// Order id.
    #[must_use]
    pub fn id(&self) -> OrderId {
        match self {
            Self::Compact(order) => order.id,
            Self::Full(order) => order.id,
        }
    }

    /// Type of order.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::Compact(order) => order.kind.as_ref().map(PlainText::as_str),
            Self::Full(order) => order.kind.as_deref(),
        }
    }

    /// Status of the order.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        match self {
            Self::Compact(order) => Some(order.status.as_str()),
            Self::Full(order) => order.status.as_ref().map(Extensible::as_str),
        }
    }

    /// Customer id.
    #[must_use]
    pub fn customer_id(&self) -> Option<CustomerId> {
        match self {
            Self::Compact(order) => Some(order.customer),
            Self::Full(order) => order.customer.as_ref().and_then(|customer| customer.id),
        }
    }

    /// When the order was placed: the earlier and the later instant of an ambiguous time, usually the same.
    #[must_use]
    pub fn ordered_at(&self) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Compact(order) => Some((order.ordered_at.instant(), order.ordered_at.instant())),
            Self::Full(order) => order.ordered_at.map(|at| (at.earliest(), at.latest())),
        }
    }

    /// The order in the form that all calls share.
    #[must_use]
    pub fn into_order(self) -> Order {
        match self {
            Self::Compact(order) => order.into(),
            Self::Full(order) => *order,
        }
    }
}

impl From<Order> for ListedOrder {
    fn from(order: Order) -> Self {
        Self::Full(Box::new(order))
    }
}

impl From<CompactOrder> for Order {
    fn from(order: CompactOrder) -> Self {
        let CompactOrder { id, kind, status, ordered_at, delivery, service, provider, customer } = order;
        let text = |text: PlainText| ShortText::from(text.as_str());
        let delivery = delivery.map(|delivery| match delivery {
            CompactDelivery::Asap => Delivery::Asap,
            CompactDelivery::At(time) => Delivery::At(time.into()),
        });
        Self {
            kind: kind.map(text),
            status: Some(Extensible::Known(status)),
            ordered_at: Some(LocalTime::from(ordered_at)),
            delivery,
            service: Service { id: service.map(text), ..Service::default() },
            provider: Provider { id: provider.map(text), name: None },
            customer: Some(OrderedBy { id: Some(customer), person: None }),
            ..Self::new(id)
        }
    }
}

impl PartialEq for ListedOrder {
    fn eq(&self, other: &Self) -> bool {
        self.clone().into_order() == other.clone().into_order()
    }
}

impl Eq for ListedOrder {}

impl HeldBytes for ListedOrder {
    fn held_bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Compact(_) => 0,
                Self::Full(order) => order.held_bytes(),
            }
    }
}
