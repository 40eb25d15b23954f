//! Messages with an idempotency key that the upstream confirmed, until a later read of their order shows their markers.
//!
//! A legacy system that changes texts beyond recognition, or drops entries, would add a message again with every repetition. The
//! first read after the confirmation shows whether it does. A message that is missing then is *lost*: that is logged and counted
//! as schema drift, and a repetition of its key is answered from here, because its confirmation is evidence too.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::idempotency::IdempotencyMarker;
use crate::model::{Order, OrderId};

/// The last [`CAPACITY`] messages.
#[derive(Debug, Default)]
pub(super) struct ConfirmedMessages(Mutex<VecDeque<Confirmed>>);

#[derive(Debug)]
struct Confirmed {
    order: OrderId,
    marker: IdempotencyMarker,
    at: Instant,
    is_lost: bool,
}

/// How many messages are remembered: most are read soon, and some never.
const CAPACITY: usize = 1_024;

impl ConfirmedMessages {
    /// Remembers a message that was confirmed just now.
    pub(super) fn remember(&self, order: OrderId, marker: IdempotencyMarker) {
        let mut messages = self.0.lock();
        messages.truncate(CAPACITY - 1);
        messages.push_front(Confirmed { order, marker, at: Instant::now(), is_lost: false });
    }

    /// Compares the log of an order, from a read that began at `began`, with the messages confirmed before. Returns how many
    /// turned out to be lost.
    pub(super) fn compare(&self, order: &Order, began: Instant) -> usize {
        let Some(log) = &order.messages else { return 0 };
        let is_due = |message: &Confirmed| message.order == order.id && message.at <= began && !message.is_lost;
        let mut messages = self.0.lock();
        messages.retain(|message| !(is_due(message) && message.marker.is_in(log)));
        let lost = messages.iter_mut().filter(|message| is_due(message));
        lost.map(|message| message.is_lost = true).count()
    }

    /// The marker of a lost message with the same key as one of these.
    pub(super) fn lost(&self, candidates: &[IdempotencyMarker]) -> Option<IdempotencyMarker> {
        let messages = self.0.lock();
        let mut lost = messages.iter().filter(|message| message.is_lost).map(|message| &message.marker);
        lost.find(|marker| candidates.iter().any(|candidate| candidate.key_part == marker.key_part)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Message;

    fn marker(number: usize) -> IdempotencyMarker {
        IdempotencyMarker { key_part: format!("KEYPART{number:05}"), content: "ABCDEF".to_owned() }
    }

    fn order(log: &[String]) -> Order {
        let entry = |text: &String| Message { text: Some(text.as_str().into()), ..Message::default() };
        Order { messages: Some(log.iter().map(entry).collect()), ..Order::new(OrderId::try_new(1).unwrap()) }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_read_after_the_confirmation_decides() {
        let messages = ConfirmedMessages::default();
        let shown = order(&[format!("{} hej", marker(1))]);
        let before = Instant::now();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        for number in [1, 2] {
            messages.remember(shown.id, marker(number));
        }

        assert_eq!(messages.compare(&shown, before), 0, "an older read proves nothing");
        assert_eq!(messages.compare(&Order::new(shown.id), Instant::now()), 0, "neither does one without a log");
        assert_eq!(messages.compare(&Order::new(OrderId::try_new(2).unwrap()), Instant::now()), 0);
        assert_eq!(messages.compare(&shown, Instant::now()), 1);
        assert_eq!(messages.compare(&shown, Instant::now()), 0, "it is reported once");
        assert_eq!((messages.lost(&[marker(1)]), messages.lost(&[marker(2)])), (None, Some(marker(2))));
    }

    #[test]
    fn only_the_last_are_remembered() {
        let messages = ConfirmedMessages::default();
        for number in 0..CAPACITY + 3 {
            messages.remember(OrderId::try_new(1).unwrap(), marker(number));
        }
        assert_eq!(messages.compare(&order(&[]), Instant::now()), CAPACITY);
        assert_eq!((messages.lost(&[marker(2)]), messages.lost(&[marker(3)])), (None, Some(marker(3))));
    }
}
