//! Changes of orders' statuses that may still be under way, and what shows that one has landed.
//!
//! The only proof is that the order is seen to turn from another status to the one that was wanted. Rows of its log may be
//! anybody's, and a status that is there at once may be the one from before.

use tokio::time::Instant;

use super::in_doubt::{InDoubt, InDoubtWrites, Ticket};
use crate::backend::{Error, Result};
use crate::model::{Extensible, Order, OrderId, OrderStatus};

/// Changes by their orders.
#[derive(Debug, Default)]
pub(super) struct InDoubtStatusChanges(InDoubtWrites<OrderId, Change>);

/// A change that may be under way.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// What it gives the order.
    pub(super) status: OrderStatus,
    /// It has only just been sent.
    awaits_answer: bool,
    /// The status that the order had without it, when it was seen last.
    before: Option<Extensible<OrderStatus>>,
    /// When that was.
    seen: Instant,
}

impl InDoubtStatusChanges {
    /// Remembers a change that is about to be sent to an order that has this status, where that is known.
    pub(super) fn begin(
        &self,
        id: OrderId,
        status: OrderStatus,
        before: Option<Extensible<OrderStatus>>,
        until: Instant,
    ) -> Ticket {
        self.0.remember(id, Change { status, awaits_answer: true, before, seen: Instant::now() }, until)
    }

    /// Takes over what was answered to a change that was sent then; without a clear answer it may be under way until `until`.
    ///
    /// The status that a confirmed change gives proves nothing of those that are open. It may be an old one by now, so a change
    /// that was seen without since then is told nothing but its own.
    pub(super) fn end(&self, id: OrderId, change: Ticket, answer: &Result<()>, sent: Instant, until: Instant) {
        self.0.edit(&id, |open| {
            let Some(ended) = open.iter_mut().find(|pending| pending.ticket == change) else { return };
            let status = ended.write.status;
            if matches!(answer, Err(Error::OutcomeUnknown { .. })) {
                ended.until = until;
                ended.write.awaits_answer = false;
                return;
            }
            open.retain(|pending| pending.ticket != change);
            let is_news = |change: &Change| change.status == status || change.seen <= sent;
            for pending in open.iter_mut().filter(|pending| answer.is_ok() && is_news(&pending.write)) {
                pending.write.note(Some(&Extensible::Known(status)));
            }
        });
    }

    /// Those of an order that may be under way.
    pub(super) fn in_doubt(&self, id: OrderId) -> Vec<InDoubt<Change>> {
        self.0.get(&id)
    }

    /// Takes down what a look that began then has shown. The change is forgotten that has landed: one turn is one change, and
    /// nothing else that happens to the order says anything about them.
    pub(super) fn record_read_back(&self, order: &Order, began: Instant) -> Option<Ticket> {
        let status = order.status.as_ref();
        self.0.edit(&order.id, |open| {
            // A change that is confirmed later may be the one that is seen.
            let may_be_confirmed = open.iter().any(|pending| pending.write.awaits_answer && pending.write.is_to(status));
            let shown = open.iter().filter(|pending| !may_be_confirmed && pending.write.is_shown_by(status, began));
            let landed = shown.min_by_key(|pending| pending.until).map(|pending| pending.ticket);
            open.retain(|pending| Some(pending.ticket) != landed);
            // What is older than what was seen last says nothing.
            for pending in open.iter_mut().filter(|pending| pending.write.seen <= began) {
                pending.write.note(status);
            }
            // Those that are over have had their last chance to be what was seen.
            open.retain(|pending| pending.until > began);
            landed
        })
    }
}

impl Change {
    fn is_to(&self, status: Option<&Extensible<OrderStatus>>) -> bool {
        status == Some(&Extensible::Known(self.status))
    }

    /// Whether an order that was seen with this status, in a look that began then, has turned to it.
    fn is_shown_by(&self, status: Option<&Extensible<OrderStatus>>, began: Instant) -> bool {
        self.seen <= began && self.is_to(status) && self.before.is_some() && !self.is_to(self.before.as_ref())
    }

    /// Takes down that the order has this status now, and not by this change.
    fn note(&mut self, status: Option<&Extensible<OrderStatus>>) {
        self.before = status.cloned().or(self.before.take());
        self.seen = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use OrderStatus::{New, Received, Waiting};
    use tokio::time::advance;

    use super::*;

    const SETTLE_TIME: Duration = Duration::from_secs(35);
    const UNKNOWN: Result<()> = Err(Error::OutcomeUnknown { retry_after: SETTLE_TIME });

    fn id() -> OrderId {
        OrderId::try_new(1).expect("an id")
    }

    fn order(status: OrderStatus) -> Order {
        Order { status: Some(Extensible::Known(status)), ..Order::new(id()) }
    }

    impl InDoubtStatusChanges {
        /// A change that is sent a second after everything else.
        async fn sent(&self, status: OrderStatus) -> (Ticket, Instant) {
            advance(Duration::from_secs(1)).await;
            (self.begin(id(), status, None, Instant::now() + 2 * SETTLE_TIME), Instant::now())
        }

        /// One whose answer told nothing.
        async fn lost(&self, status: OrderStatus) -> Ticket {
            let (ticket, sent) = self.sent(status).await;
            self.end(id(), ticket, &UNKNOWN, sent, sent + SETTLE_TIME);
            ticket
        }

        /// A look that begins a second after everything else.
        async fn look(&self, status: OrderStatus) -> Option<Ticket> {
            advance(Duration::from_secs(1)).await;
            self.record_read_back(&order(status), Instant::now())
        }

        fn tickets(&self) -> Vec<Ticket> {
            self.in_doubt(id()).into_iter().map(|pending| pending.ticket).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_turn_ends_the_one_that_ends_first() {
        let changes = InDoubtStatusChanges::default();
        let (first, second) = (changes.lost(Received).await, changes.lost(Received).await);
        assert_eq!(changes.look(New).await, None);
        assert_eq!(changes.look(Received).await, Some(first));
        assert_eq!(changes.look(Received).await, None);
        assert_eq!(changes.tickets(), [second]);
        changes.look(Waiting).await;
        assert_eq!(changes.look(Received).await, Some(second));
        assert_eq!(changes.tickets(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_that_is_there_at_the_first_look_proves_nothing() {
        let changes = InDoubtStatusChanges::default();
        let lost = changes.lost(Received).await;
        assert_eq!(changes.look(Received).await, None);
        assert_eq!(changes.tickets(), [lost]);
        advance(SETTLE_TIME).await;
        assert_eq!(changes.tickets(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_takes_a_turn_that_it_may_have_made_and_no_later_one() {
        for is_seen_not_to_have_landed in [false, true] {
            let changes = InDoubtStatusChanges::default();
            let first = changes.lost(Received).await;
            changes.look(New).await;
            advance(SETTLE_TIME / 2).await;
            let second = changes.lost(Received).await;
            advance(SETTLE_TIME / 2).await;
            assert_eq!(changes.tickets(), [second], "the first is over");
            if is_seen_not_to_have_landed {
                changes.look(New).await;
            }
            assert_eq!(changes.look(Received).await, Some(if is_seen_not_to_have_landed { second } else { first }));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_may_be_confirmed_ends_none() {
        let changes = InDoubtStatusChanges::default();
        let lost = changes.lost(Received).await;
        changes.look(New).await;
        let (answered, sent) = changes.sent(Received).await;
        assert_eq!(changes.look(Received).await, None);
        changes.end(id(), answered, &Ok(()), sent, sent);
        assert_eq!((changes.look(Received).await, changes.tickets()), (None, vec![lost]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_confirmation_does_not_make_a_status_new_again() {
        let changes = InDoubtStatusChanges::default();
        let lost = changes.lost(Received).await;
        changes.look(New).await;
        let (slow, sent) = changes.sent(Waiting).await;
        let (quick, sent_later) = changes.sent(Received).await;
        changes.end(id(), quick, &Ok(()), sent_later, sent_later);
        advance(Duration::from_secs(1)).await;
        changes.end(id(), slow, &Ok(()), sent, sent);
        assert_eq!((changes.look(Received).await, changes.tickets()), (None, vec![lost]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_picture_says_nothing() {
        let changes = InDoubtStatusChanges::default();
        let began = Instant::now();
        let lost = changes.lost(Received).await;
        changes.look(Received).await;
        assert_eq!(changes.record_read_back(&order(New), began), None);
        assert_eq!((changes.look(Received).await, changes.tickets()), (None, vec![lost]));
        changes.look(New).await;
        assert_eq!((changes.record_read_back(&order(Received), began), changes.tickets()), (None, vec![lost]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_forgotten_and_tells_nothing() {
        let changes = InDoubtStatusChanges::default();
        let lost = changes.lost(Received).await;
        changes.look(New).await;
        let (refused, sent) = changes.sent(Received).await;
        changes.end(id(), refused, &Err(Error::Refused { message: None }), sent, sent);
        assert_eq!(changes.tickets(), [lost]);
        assert_eq!(changes.look(Received).await, Some(lost));
    }
}
