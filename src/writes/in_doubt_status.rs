//! Status changes in doubt, and the evidence that one has taken effect.
//!
//! ```text
//!            begin                 end: confirmed or rejected
//! (to send) ───────► sent ────────────────────────────────────────────────► resolved
//!                      │                                                       ▲
//!                      │ end: unknown, or rejected and perhaps shown           │ a read-back shows a transition
//!                      ▼                                                       │ from another status to the wanted one
//!                   in doubt ──────────────────────────────────────────────────┘
//!                      │
//!                      │ settle_time over
//!                      ▼
//!                   expired ── the next read-back still lets it claim a transition, then it is forgotten
//! ```
//!
//! A transition is the only proof: log entries may be another writer's, and a status that is there at the first read may be the
//! one from before. Each observed transition resolves exactly one change, the one that expires first.
//!
//! Example. An order is `new`; a change to `received` gets no response (A, in doubt), and the client sends another (B, in
//! doubt). A read-back shows `new`: both are known not to have taken effect yet. The next shows `received`: A is resolved, B
//! stays in doubt, because it may still be applied and undo what happens meanwhile. A read-back that shows `received` again
//! proves nothing about B. When B expires, conditional changes of the order are possible again.

use tokio::time::Instant;

use super::in_doubt::{InDoubt, InDoubtWrites, Ticket};
use crate::backend::WriteResult;
use crate::model::{Extensible, Order, OrderId, OrderStatus};

/// Changes by their orders.
#[derive(Debug, Default)]
pub(super) struct InDoubtStatusChanges(InDoubtWrites<OrderId, Change>);

/// A change that may still be applied.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// The status that it sets.
    pub(super) status: OrderStatus,
    /// Whether its response is outstanding.
    awaits_response: bool,
    /// The status that the order had without this change, when it was observed last.
    before: Option<Extensible<OrderStatus>>,
    /// When that was.
    observed: Instant,
}

impl InDoubtStatusChanges {
    /// Enters a change that is about to be sent to an order with the status `before`, if that is known.
    pub(super) fn begin(
        &self,
        id: OrderId,
        status: OrderStatus,
        before: Option<Extensible<OrderStatus>>,
        until: Instant,
    ) -> Ticket {
        self.0.remember(id, Change { status, awaits_response: true, before, observed: Instant::now() }, until)
    }

    /// Records the response to a change that was sent at `sent`. Without a clear answer it stays in doubt until `until`.
    ///
    /// The status that a confirmed change set is no evidence for the others, and by now it may be an old one. So only those
    /// take it over that want the same status, or were not observed since it was sent.
    pub(super) fn end(&self, id: OrderId, change: Ticket, result: &WriteResult, sent: Instant, until: Instant) {
        self.0.edit(&id, |changes| {
            let Some(ended) = changes.iter_mut().find(|other| other.ticket == change) else { return };
            if matches!(result, Err(error) if error.source.leaves_doubt()) {
                ended.until = until;
                ended.write.awaits_response = false;
                return;
            }
            let status = ended.write.status;
            changes.retain(|other| other.ticket != change);
            if result.is_ok() {
                let is_affected = |change: &Change| change.status == status || change.observed <= sent;
                for other in changes.iter_mut().filter(|other| is_affected(&other.write)) {
                    other.write.observe(Some(&Extensible::Known(status)));
                }
            }
        });
    }

    /// The changes of an order that may still be applied.
    pub(super) fn in_doubt(&self, id: OrderId) -> Vec<InDoubt<Change>> {
        self.0.get(&id)
    }

    /// Records a read-back that was started at `began`. If it shows a transition to a wanted status, exactly one change is
    /// resolved, and returned; log entries resolve none.
    pub(super) fn record_read_back(&self, order: &Order, began: Instant) -> Option<Ticket> {
        let status = order.status.as_ref();
        self.0.edit(&order.id, |changes| {
            // A change whose response is outstanding may be confirmed later, and then the transition was its own.
            let may_be_confirmed = changes.iter().any(|change| change.write.awaits_response && change.write.is_to(status));
            let shown = changes.iter().filter(|change| !may_be_confirmed && change.write.is_shown_by(status, began));
            let resolved = shown.min_by_key(|change| change.until).map(|change| change.ticket);
            changes.retain(|change| Some(change.ticket) != resolved);
            // A read-back that began before the last observation shows an older state.
            for change in changes.iter_mut().filter(|change| change.write.observed <= began) {
                change.write.observe(status);
            }
            // Expired changes had their last chance to claim the transition.
            changes.retain(|change| change.until > began);
            resolved
        })
    }
}

impl Change {
    fn is_to(&self, status: Option<&Extensible<OrderStatus>>) -> bool {
        status == Some(&Extensible::Known(self.status))
    }

    /// Whether a read-back with this status shows a transition to the wanted one.
    fn is_shown_by(&self, status: Option<&Extensible<OrderStatus>>, began: Instant) -> bool {
        self.observed <= began && self.is_to(status) && self.before.is_some() && !self.is_to(self.before.as_ref())
    }

    /// Records the status that the order has now, not by this change.
    fn observe(&mut self, status: Option<&Extensible<OrderStatus>>) {
        self.before = status.cloned().or(self.before.take());
        self.observed = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use OrderStatus::{New, Received, Waiting};
    use tokio::time::advance;

    use super::*;
    use crate::backend::{Error, Receipt, Sent, WriteError};

    const SETTLE_TIME: Duration = Duration::from_secs(35);
    const UNKNOWN: WriteResult = Err(WriteError { source: Error::OutcomeUnknown { retry_after: SETTLE_TIME }, sent: None });

    fn receipt() -> Receipt {
        Receipt { sent: Sent::now(), logged_at: None }
    }

    fn id() -> OrderId {
        OrderId::try_new(1).expect("an id")
    }

    fn order(status: OrderStatus) -> Order {
        Order { status: Some(Extensible::Known(status)), ..Order::new(id()) }
    }

    impl InDoubtStatusChanges {
        /// A change that is sent a second after everything before it.
        async fn sent(&self, status: OrderStatus) -> (Ticket, Instant) {
            advance(Duration::from_secs(1)).await;
            (self.begin(id(), status, None, Instant::now() + 2 * SETTLE_TIME), Instant::now())
        }

        /// A change whose outcome is unknown.
        async fn lost(&self, status: OrderStatus) -> Ticket {
            let (ticket, sent) = self.sent(status).await;
            self.end(id(), ticket, &UNKNOWN, sent, sent + SETTLE_TIME);
            ticket
        }

        /// A read-back a second after everything before it.
        async fn read_back(&self, status: OrderStatus) -> Option<Ticket> {
            advance(Duration::from_secs(1)).await;
            self.record_read_back(&order(status), Instant::now())
        }

        fn tickets(&self) -> Vec<Ticket> {
            self.in_doubt(id()).into_iter().map(|change| change.ticket).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_transition_resolves_the_change_that_expires_first() {
        let changes = InDoubtStatusChanges::default();
        let (first, second) = (changes.lost(Received).await, changes.lost(Received).await);
        assert_eq!(changes.read_back(New).await, None);
        assert_eq!(changes.read_back(Received).await, Some(first));
        assert_eq!(changes.read_back(Received).await, None);
        assert_eq!(changes.tickets(), [second]);
        changes.read_back(Waiting).await;
        assert_eq!(changes.read_back(Received).await, Some(second));
        assert_eq!(changes.tickets(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_seen_at_the_first_read_back_proves_nothing() {
        let changes = InDoubtStatusChanges::default();
        let lost = changes.lost(Received).await;
        assert_eq!(changes.read_back(Received).await, None);
        assert_eq!(changes.tickets(), [lost]);
        advance(SETTLE_TIME).await;
        assert_eq!(changes.tickets(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_change_claims_only_earlier_transitions() {
        for is_seen_unchanged in [false, true] {
            let changes = InDoubtStatusChanges::default();
            let first = changes.lost(Received).await;
            changes.read_back(New).await;
            advance(SETTLE_TIME / 2).await;
            let second = changes.lost(Received).await;
            advance(SETTLE_TIME / 2).await;
            assert_eq!(changes.tickets(), [second], "the first is expired");
            if is_seen_unchanged {
                changes.read_back(New).await;
            }
            assert_eq!(changes.read_back(Received).await, Some(if is_seen_unchanged { second } else { first }));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_transition_that_may_be_confirmed_resolves_none() {
        let changes = InDoubtStatusChanges::default();
        let lost = changes.lost(Received).await;
        changes.read_back(New).await;
        let (answered, sent) = changes.sent(Received).await;
        assert_eq!(changes.read_back(Received).await, None);
        changes.end(id(), answered, &Ok(receipt()), sent, sent);
        assert_eq!((changes.read_back(Received).await, changes.tickets()), (None, vec![lost]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_confirmation_does_not_revive_an_old_status() {
        let changes = InDoubtStatusChanges::default();
        let lost = changes.lost(Received).await;
        changes.read_back(New).await;
        let (slow, sent) = changes.sent(Waiting).await;
        let (quick, sent_later) = changes.sent(Received).await;
        changes.end(id(), quick, &Ok(receipt()), sent_later, sent_later);
        advance(Duration::from_secs(1)).await;
        changes.end(id(), slow, &Ok(receipt()), sent, sent);
        assert_eq!((changes.read_back(Received).await, changes.tickets()), (None, vec![lost]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_read_back_proves_nothing() {
        let changes = InDoubtStatusChanges::default();
        let began = Instant::now();
        let lost = changes.lost(Received).await;
        changes.read_back(Received).await;
        assert_eq!(changes.record_read_back(&order(New), began), None);
        assert_eq!((changes.read_back(Received).await, changes.tickets()), (None, vec![lost]));
        changes.read_back(New).await;
        assert_eq!((changes.record_read_back(&order(Received), began), changes.tickets()), (None, vec![lost]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejected_change_is_forgotten_and_proves_nothing() {
        let changes = InDoubtStatusChanges::default();
        let lost = changes.lost(Received).await;
        changes.read_back(New).await;
        let (refused, sent) = changes.sent(Received).await;
        changes.end(id(), refused, &Err(Error::Refused { message: None }.into()), sent, sent);
        assert_eq!(changes.tickets(), [lost]);
        assert_eq!(changes.read_back(Received).await, Some(lost));
    }
}
