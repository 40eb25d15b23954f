//! Changes of an order's status.

use std::time::Duration;

use tokio::time::Instant;

use super::in_doubt::{InDoubt, Ticket};
use super::{Inner, ReadBack, WriteFailure};
use crate::backend::{Error, RequestContext, WriteError, WriteResult};
use crate::model::{Extensible, Order, OrderId, OrderStatus};

/// What an order must be like for its status to be changed.
pub type Precondition = Box<dyn Fn(&Order) -> bool + Send + Sync>;

/// When the order is read back after a change whose response proved nothing.
const VERIFY_DELAYS: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

impl Inner {
    /// Unconditional change, without a preflight read. Runs concurrently with other unconditional changes (shared lock) but
    /// never with a conditional one, whose verification it would disturb.
    pub(super) async fn change_status(
        &self,
        context: &RequestContext,
        id: OrderId,
        status: OrderStatus,
    ) -> Result<(), WriteFailure> {
        let guard = self.wait(context, self.change_send_deadline(context), self.order_locks.read(id)).await?;
        let _guard = guard.ok_or(Error::Overloaded)?;

        let change = self.enter_in_doubt(context, id, status, None);
        let result = self.retry_unsent(context, "set_status", || self.send_status(context, id, status)).await;
        self.leave_in_doubt(id, change, &result);
        match result {
            Err(WriteError { source: unknown @ Error::OutcomeUnknown { .. }, .. }) => {
                let has_status = |order: &Order, read_back: ReadBack| {
                    self.status_changes.record_read_back(order, read_back.began);
                    (order.status == Some(Extensible::Known(status))).then_some(())
                };
                Ok(self.verify_by_read_back(context, id, &VERIFY_DELAYS, has_status).await.ok_or(unknown)?)
            }
            result => Ok(result.map(|_| ())?),
        }
    }

    /// Conditional change. The upstream has no compare-and-set: a writer between the preflight read and the change is not
    /// prevented, but noticed where the order is read back. While another change of the gateway is in doubt, the status that
    /// the order will have is not known, so nothing is sent.
    pub(super) async fn change_status_if(
        &self,
        context: &RequestContext,
        id: OrderId,
        status: OrderStatus,
        precondition: &(dyn Fn(&Order) -> bool + Send + Sync),
    ) -> Result<(), WriteFailure> {
        let context = &context.with_send_deadline(self.change_send_deadline(context));
        let guard = self.wait(context, context.send_deadline(), self.order_locks.write(id)).await?;
        let _guard = guard.ok_or(Error::Overloaded)?;

        let mut retry = 0;
        loop {
            // Listed before the read begins: a change may take effect during it, and be expired when it ends.
            let (mut in_doubt, began) = (self.status_changes.in_doubt(id), Instant::now());
            let before = self.preflight_read(context, id).await?;
            if let Some(resolved) = self.status_changes.record_read_back(&before, began) {
                in_doubt.retain(|change| change.ticket != resolved);
            }
            if !precondition(&before) {
                return Err(WriteFailure::PreconditionFailed(Box::new(before)));
            }
            if let Some(time_left) = in_doubt.iter().map(InDoubt::time_left).max() {
                let is_same = in_doubt.iter().any(|change| change.write.status == status);
                return Err(WriteFailure::InDoubt { time_left, is_same });
            }
            match self.change_from(context, &before, status).await {
                // What the preflight read showed is old by now, so the next attempt begins with another.
                Err(WriteFailure::Failed(error)) if self.wait_for_retry(context, "set_status", &error, retry).await => {
                    retry += 1;
                }
                done => return done,
            }
        }
    }

    /// Until when a change is worth sending. If the request is too short to verify it, one that may end in doubt is better
    /// than none.
    fn change_send_deadline(&self, context: &RequestContext) -> Instant {
        let now = Instant::now();
        let half = now + context.deadline().saturating_duration_since(now) / 2;
        self.send_deadline(context).map_or(half, |latest| latest.max(half))
    }

    /// Sends a change of an order that was like this.
    async fn change_from(&self, context: &RequestContext, before: &Order, status: OrderStatus) -> Result<(), WriteFailure> {
        let change = self.enter_in_doubt(context, before.id, status, before.status.clone());
        let result = self.send_status(context, before.id, status).await;
        self.leave_in_doubt(before.id, change, &result);
        match result {
            Err(WriteError { source: unknown @ Error::OutcomeUnknown { .. }, .. }) => {
                self.verify_change(context, before, status, unknown).await
            }
            result => Ok(result.map(|_| ())?),
        }
    }

    /// Verifies a change of an order that was like this. After a conflict too it may still take effect, and undo what the
    /// other writer did.
    async fn verify_change(
        &self,
        context: &RequestContext,
        before: &Order,
        status: OrderStatus,
        unknown: Error,
    ) -> Result<(), WriteFailure> {
        let evidence_before = StatusEvidence::of(before);
        let evidence = |order: &Order, read_back: ReadBack| {
            self.status_changes.record_read_back(order, read_back.began);
            let after = StatusEvidence::of(order);
            if after.shows_change_to(status, &evidence_before) {
                Some(Ok(after.entries_since(&evidence_before)))
            } else if after.shows_other_change(status, &evidence_before) {
                Some(Err(WriteFailure::Conflict(Box::new(order.clone()))))
            } else {
                None
            }
        };
        let found = self.verify_by_read_back(context, before.id, &VERIFY_DELAYS, evidence).await;
        // Our change made one entry. More than that means another writer between the preflight read and the change.
        if matches!(found, Some(Err(_) | Ok(2..))) {
            self.settings.metrics.conflict();
        }
        found.map_or(Err(unknown.into()), |done| done.map(|_| ()))
    }

    /// Enters a change before it is sent, so that it is not forgotten if this task panics or the runtime stops.
    fn enter_in_doubt(
        &self,
        context: &RequestContext,
        id: OrderId,
        status: OrderStatus,
        before: Option<Extensible<OrderStatus>>,
    ) -> Ticket {
        self.status_changes.begin(id, status, before, context.deadline() + self.settings.settle_time)
    }

    /// Records the response to a change: only without a clear answer it stays in doubt.
    fn leave_in_doubt(&self, id: OrderId, change: Ticket, result: &WriteResult) {
        let sent = match result {
            Ok(receipt) => Some(receipt.sent),
            Err(error) => error.sent,
        };
        let sent_at = sent.map_or_else(Instant::now, |sent| sent.at);
        self.status_changes.end(id, change, result, sent_at, self.in_doubt_until(sent));
    }
}

/// What shows whether an order's status was changed.
#[derive(Debug)]
struct StatusEvidence {
    /// `None` if the answer did not contain it.
    status: Option<Extensible<OrderStatus>>,
    /// Length of the log; `None` if the answer did not contain it.
    entries: Option<usize>,
}

impl StatusEvidence {
    fn of(order: &Order) -> Self {
        Self { status: order.status.clone(), entries: order.messages.as_ref().map(Vec::len) }
    }

    fn has_status(&self, status: OrderStatus) -> bool {
        self.status == Some(Extensible::Known(status))
    }

    fn has_status_other_than(&self, status: OrderStatus) -> bool {
        self.status.is_some() && !self.has_status(status)
    }

    fn entries_since(&self, before: &Self) -> usize {
        self.entries.zip(before.entries).map_or(0, |(entries, before)| entries.saturating_sub(before))
    }

    /// Whether the order got this status since. If it had the same one before, the entry that every change adds is the
    /// evidence.
    fn shows_change_to(&self, status: OrderStatus, before: &Self) -> bool {
        self.has_status(status) && (before.has_status_other_than(status) || self.entries_since(before) > 0)
    }

    /// Whether the order got a status since that is not this one.
    fn shows_other_change(&self, status: OrderStatus, before: &Self) -> bool {
        self.has_status_other_than(status) && before.status.is_some() && self.status != before.status
    }
}
