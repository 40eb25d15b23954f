//! Writes compact orders as JSON.
//!
//! The bytes equal those of [`dto::Order`](crate::rest::dto::Order), with which a property test compares them, and take a tenth
//! of the instructions: nothing has to be escaped, and nearly every piece has a fixed size, so that copying it needs no call.

use serde::ser::Error as _;

use crate::model::{CompactDelivery, CompactOrder, FreeText, PiiAccess, PiiKind, PlainText, StrEnum};

/// More than an order takes: its member names are 200 bytes, its values 170.
const MAX_BYTES: usize = 448;

/// Appends an order.
pub(super) fn write(order: &CompactOrder, pii_access: PiiAccess, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let start = out.len();
    out.resize(start + MAX_BYTES, 0);
    let mut object = out.get_mut(start..).and_then(|rest| rest.first_chunk_mut()).map(|bytes| Window { bytes, length: 0 });
    let length = object.as_mut().map_or(usize::MAX, |object| object.order(order, pii_access));
    if length > MAX_BYTES {
        return Err(serde_json::Error::custom("an order is too long"));
    }
    out.truncate(start + length);
    Ok(())
}

/// Space for one order.
struct Window<'o> {
    bytes: &'o mut [u8; MAX_BYTES],
    /// Number of bytes written so far.
    length: usize,
}

impl Window<'_> {
    /// Writes an order and returns its length.
    fn order(&mut self, order: &CompactOrder, pii_access: PiiAccess) -> usize {
        let CompactOrder { id, kind, status, ordered_at, delivery, service, provider, customer } = order;
        self.piece(b"{\"id\":");
        self.number(id.get());
        if let Some(kind) = kind {
            self.kind(kind, pii_access);
        }
        self.piece(b",\"status\":\"");
        self.text(status.as_str());
        self.piece(b"\",\"orderedAt\":\"");
        self.piece(ordered_at.text());
        match delivery {
            Some(CompactDelivery::At(time)) => {
                self.piece(b"\",\"requestedDeliveryAt\":\"");
                self.piece(time.text());
                self.piece(b"\",\"deliverAsap\":false");
            }
            Some(CompactDelivery::Asap) => self.piece(b"\",\"deliverAsap\":true"),
            None => self.piece(b"\",\"deliverAsap\":false"),
        }
        if let Some(id) = service {
            self.piece(b",\"service\":{\"id\":\"");
            self.plain(id);
            self.piece(b"\"}");
        }
        if let Some(id) = provider {
            self.piece(b",\"provider\":{\"id\":\"");
            self.plain(id);
            self.piece(b"\"}");
        }
        self.piece(b",\"customer\":{\"id\":");
        self.number(customer.get());
        self.piece(b"}}");
        self.length
    }

    /// The type is open: an unknown one is text of the upstream, which may be masked. What masks it needs no escaping either.
    fn kind(&mut self, kind: &PlainText, pii_access: PiiAccess) {
        match pii_access {
            PiiAccess::Full => {
                self.piece(b",\"type\":\"");
                self.plain(kind);
                self.piece(b"\"");
            }
            PiiAccess::Masked => {
                let Some(text) = FreeText::view(kind.as_str(), pii_access) else { return };
                self.piece(b",\"type\":\"");
                self.text(&text);
                self.piece(b"\"");
            }
        }
    }

    fn piece<const N: usize>(&mut self, piece: &[u8; N]) {
        if let Some(to) = self.bytes.get_mut(self.length..).and_then(|rest| rest.first_chunk_mut()) {
            *to = *piece;
        }
        self.length += N;
    }

    /// A text that has nothing to escape. What is written after it is overwritten.
    fn plain(&mut self, text: &PlainText) {
        let (bytes, length) = text.padded();
        let end = self.length + length;
        self.piece(bytes);
        self.length = end;
    }

    fn number(&mut self, number: u64) {
        self.text(itoa::Buffer::new().format(number));
    }

    fn text(&mut self, text: &str) {
        let end = self.length + text.len();
        if let Some(to) = self.bytes.get_mut(self.length..end) {
            to.copy_from_slice(text.as_bytes());
        }
        self.length = end;
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::model::{CustomerId, DayCache, MAX_ID, Order, OrderId, OrderStatus, RenderedTime, Zone};
    use crate::rest::{dto, json};

    fn time() -> impl Strategy<Value = RenderedTime> {
        (1_u8..28, 0_u8..24, 0_u8..60).prop_map(|(day, hour, minute)| {
            let (date, time) = (format!("2016-06-{day:02}"), format!("{hour:02}:{minute:02}:59"));
            let bytes = |text: &str| text.as_bytes().to_vec();
            let (date, time) = (bytes(&date).try_into().unwrap(), bytes(&time).try_into().unwrap());
            Zone::stockholm().render(date, time, &mut DayCache::default(), |text| text.parse().ok()).unwrap()
        })
    }

    fn order() -> impl Strategy<Value = CompactOrder> {
        let text = || option::of("[!#-%'-;=?-\\[\\]-~]{1,15}".prop_map(|text| PlainText::new(text.as_bytes()).unwrap()));
        let id = || prop_oneof![1..=MAX_ID, Just(MAX_ID), 1..100_000_u64];
        let delivery = prop_oneof![Just(CompactDelivery::Asap), time().prop_map(CompactDelivery::At)];
        let values = (time(), option::of(delivery), prop::sample::select(OrderStatus::ALL));
        (id(), id(), text(), text(), text(), values).prop_map(
            |(id, customer, kind, service, provider, (ordered_at, delivery, status))| CompactOrder {
                id: OrderId::try_new(id).unwrap(),
                kind,
                status,
                ordered_at,
                delivery,
                service,
                provider,
                customer: CustomerId::try_new(customer).unwrap(),
            },
        )
    }

    proptest! {
        #[test]
        fn bytes_equal_those_of_the_dto(order in order(), before in "[a-z]{0,3}") {
            for pii_access in [PiiAccess::Full, PiiAccess::Masked] {
                let (mut written, mut expected) = (before.clone().into_bytes(), before.clone().into_bytes());

                write(&order, pii_access, &mut written).unwrap();

                json::write(&dto::Order::new(&Order::from(order), pii_access), &mut expected).unwrap();
                prop_assert_eq!(String::from_utf8(written).unwrap(), String::from_utf8(expected).unwrap());
            }
        }
    }
}
