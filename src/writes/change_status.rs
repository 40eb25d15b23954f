//! Changes of an order's status.

use std::collections::HashMap;
use std::time::Duration;

use jiff::civil::DateTime;
use tokio::time::Instant;

use super::evidence::WriteTime;
use super::in_doubt::{InDoubt, Ticket};
use super::{Inner, ReadBack, WriteFailure};
use crate::backend::{Error, RequestContext, Sent, WriteError, WriteResult};
use crate::idempotency::IdempotencyMarker;
use crate::model::{Extensible, LocalTime, Message, MessageType, Order, OrderId, OrderStatus, Pii};
use crate::resilience::Reserved;

/// What an order must be like for its status to be changed.
pub type Precondition = Box<dyn Fn(&Order) -> bool + Send + Sync>;

/// A status change that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusReceipt {
    /// The order as a conditional change left it. `None` if it could not be read afterwards, or is contested.
    pub order: Option<Reserved<Order>>,
    /// Whether another writer changed the status between the preflight read of a conditional change and the read after it.
    pub is_contested: bool,
}

/// When the order is read back after a change whose response proved nothing.
pub(crate) const VERIFY_DELAYS: [Duration; 4] =
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
        let result = self.retry_unsent(context, "set_status", || self.backend().set_status(context, id, status)).await;
        let shows = |order: &Order, sent: Sent, read_back| WriteTime::new(sent, read_back).may_show_status(status, order);
        let result = self.check_rejection(context, id, None, result, shows).await;
        self.leave_in_doubt(id, change, &result);
        match result {
            Err(WriteError { source: unknown @ Error::OutcomeUnknown { .. }, .. }) => {
                let has_status = |order: &Reserved<Order>, read_back: ReadBack| {
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
    ) -> Result<StatusReceipt, WriteFailure> {
        let context = &context.with_send_deadline(self.change_send_deadline(context));
        let guard = self.wait(context, context.send_deadline(), self.order_locks.write(id)).await?;
        let _guard = guard.ok_or(Error::Overloaded)?;

        let mut retry = 0;
        loop {
            // The address may have died, and what another one shows must begin with the read.
            let context = &context.pinned();
            // Listed before the read begins: a change may take effect during it, and be expired when it ends.
            let (mut in_doubt, began) = (self.status_changes.in_doubt(id), Instant::now());
            let before = self.preflight_read(context, id).await?;
            if let Some(resolved) = self.status_changes.record_read_back(&before, began) {
                in_doubt.retain(|change| change.ticket != resolved);
            }
            if !precondition(&before) {
                return Err(WriteFailure::PreconditionFailed(before));
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
    async fn change_from(
        &self,
        context: &RequestContext,
        before: &Order,
        status: OrderStatus,
    ) -> Result<StatusReceipt, WriteFailure> {
        let change = self.enter_in_doubt(context, before.id, status, before.status.clone());
        let result = self.backend().set_status(context, before.id, status).await;
        let shows = |after: &Order, _, _| Transition { before, after }.is_to(status);
        let result = self.check_rejection(context, before.id, None, result, shows).await;
        self.leave_in_doubt(before.id, change, &result);
        match result {
            Ok(_) => {
                let after = self.read_back(context, before.id).await.ok();
                Ok(after.map(|(after, _)| self.receipt_of_change(before, after, status)).unwrap_or_default())
            }
            Err(WriteError { source: unknown @ Error::OutcomeUnknown { .. }, .. }) => {
                self.verify_change(context, before, status, unknown).await
            }
            Err(error) => Err(error.into()),
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
    ) -> Result<StatusReceipt, WriteFailure> {
        let evidence = |after: &Reserved<Order>, read_back: ReadBack| {
            self.status_changes.record_read_back(after, read_back.began);
            let transition = Transition { before, after };
            if transition.is_to(status) {
                Some(Ok(self.receipt_of_change(before, after.clone(), status)))
            } else if transition.is_to_other_than(status) {
                self.settings.metrics.conflict();
                Some(Err(WriteFailure::Conflict(Box::new(Order { status: after.status.clone(), ..Order::new(after.id) }))))
            } else {
                None
            }
        };
        self.verify_by_read_back(context, before.id, &VERIFY_DELAYS, evidence).await.unwrap_or(Err(unknown.into()))
    }

    /// What a change of an order made of it. Another writer between the preflight read and the change is not prevented, so it is
    /// reported: both may believe that the order is theirs.
    fn receipt_of_change(&self, before: &Order, after: Reserved<Order>, status: OrderStatus) -> StatusReceipt {
        let is_contested = Transition { before, after: &after }.is_contested(status);
        if is_contested {
            self.settings.metrics.conflict();
        }
        StatusReceipt { order: (!is_contested).then_some(after), is_contested }
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

/// An order before a change and after it.
#[derive(Debug)]
struct Transition<'o> {
    before: &'o Order,
    after: &'o Order,
}

impl Transition<'_> {
    /// Whether the order got this status. If it had the same one before, the entry that every change adds is the evidence.
    fn is_to(&self, status: OrderStatus) -> bool {
        has_status(self.after, status) && (has_status_other_than(self.before, status) || !self.new_entries().is_empty())
    }

    /// Whether the order got a status that is not this one.
    fn is_to_other_than(&self, status: OrderStatus) -> bool {
        has_status_other_than(self.after, status) && self.before.status.is_some() && self.after.status != self.before.status
    }

    /// Whether more changes than the one to this status were made: they left more than one entry, or another status.
    fn is_contested(&self, status: OrderStatus) -> bool {
        // Clients write messages of the other types.
        let is_system = |entry: &&&Message| !matches!(entry.kind, Some(Extensible::Known(kind)) if kind != MessageType::System);
        let entries = self.new_entries();
        let changes = match entries.iter().filter(is_system).count() {
            // The legacy system gives the entries of status changes another type.
            0 => entries.len(),
            count => count,
        };
        changes > 1 || has_status_other_than(self.after, status)
    }

    /// The entries that are not in the log before, wherever they stand. None if one of the logs is not known.
    fn new_entries(&self) -> Vec<&Message> {
        let (Some(before), Some(after)) = (&self.before.messages, &self.after.messages) else { return Vec::new() };
        let mut known = HashMap::new();
        for entry in before {
            *known.entry(content(entry)).or_insert(0_usize) += 1;
        }
        let mut new = Vec::new();
        for entry in after.iter().filter(|entry| !is_marked(entry)) {
            match known.get_mut(&content(entry)) {
                Some(count @ 1..) => *count -= 1,
                _ => new.push(entry),
            }
        }
        new
    }
}

/// What distinguishes one entry from another.
fn content(entry: &Message) -> (Option<DateTime>, Option<&str>, Option<&str>) {
    (entry.at.map(LocalTime::wall), entry.kind.as_ref().map(Extensible::as_str), entry.text.as_ref().map(Pii::expose))
}

/// Whether an entry is a message that the gateway added, and no status change.
fn is_marked(entry: &Message) -> bool {
    entry.text.as_ref().is_some_and(|text| IdempotencyMarker::split(text.expose()).is_some())
}

fn has_status(order: &Order, status: OrderStatus) -> bool {
    order.status == Some(Extensible::Known(status))
}

fn has_status_other_than(order: &Order, status: OrderStatus) -> bool {
    order.status.is_some() && !has_status(order, status)
}
