//! What an order that was read after a write shows about it.
//!
//! A log entry has neither an id nor an author. It is recognised by its text, and by its time stamp, which may have several
//! readings: in the hour that repeats in autumn, and where the clock in the `Date` header differs from ours, because the log may
//! be stamped by either. Which reading is right decides nothing if all of them agree:
//!
//! | | to report success | to doubt a rejection |
//! | --- | --- | --- |
//! | text | type and text of the message, whatever its white space and composition of letters | contains the message, or is the beginning of it, in whatever layout |
//! | stamp | in *no* reading is it older than the write, and by one of the clocks not younger than the read-back | *any* reading lies in between, or there is none |
//!
//! A log with entries from the future is stamped by neither clock, and proves nothing. A stamp without seconds, or with a date
//! alone, may be of any moment of its minute or day.

use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp, Unit};

use super::ReadBack;
use crate::backend::{Receipt, Sent};
use crate::idempotency::{IdempotencyMarker, fold};
use crate::model::{Extensible, LocalTime, Message, NewMessage, Order, OrderStatus, Pii, compose};

/// How far clocks with a resolution of a second may differ although they agree.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);
/// The shortest beginning of a message, in letters and digits, by which a truncated one may be recognised.
const MIN_BEGINNING: usize = 8;

/// The time of a write, from its sending to the read-back, and the clocks by which the log may be stamped.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteTime {
    sent: Timestamp,
    read: Timestamp,
    clock_skew: Option<SignedDuration>,
}

impl WriteTime {
    pub(super) fn new(sent: Sent, read_back: ReadBack) -> Self {
        Self { sent: sent.on, read: read_back.ended, clock_skew: read_back.clock_skew }
    }

    /// The entry that proves that a message without a marker was added.
    pub(super) fn proof_of<'o>(&self, message: &NewMessage, order: &'o Order) -> Option<&'o Message> {
        let log = order.messages.as_deref().unwrap_or_default();
        if log.iter().filter_map(|entry| entry.at).any(|at| self.is_future(at)) {
            return None;
        }
        log.iter().find(|entry| is_equal(entry, message) && entry.at.is_some_and(|at| self.certainly_contains(at)))
    }

    /// Whether an order may show that a message was added.
    pub(super) fn may_show_message(&self, message: &NewMessage, order: &Order) -> bool {
        order.messages.iter().flatten().any(|entry| self.may_have_added(entry) && may_be_equal(entry, message))
    }

    /// Whether an order may show that it got this status: by the status, and by a log entry from the time of the change. A log
    /// that is not known may have one.
    pub(super) fn may_show_status(&self, status: OrderStatus, order: &Order) -> bool {
        let has_status = order.status == Some(Extensible::Known(status));
        has_status && order.messages.as_ref().is_none_or(|log| log.iter().any(|entry| self.may_have_added(entry)))
    }

    /// Whether an entry may be from the time of the write, as far as its stamp says.
    fn may_have_added(&self, entry: &Message) -> bool {
        entry.at.is_none_or(|at| self.possibly_contains(at))
    }

    /// Whether a stamp is not older than the write in any reading, and of the time of the write by one of the clocks. A stamp has
    /// whole seconds, so the second in which the write was sent counts, and nothing before it.
    fn certainly_contains(&self, at: LocalTime) -> bool {
        let is_since = |skew: &SignedDuration| whole_second(self.sent + *skew) <= at.earliest();
        let is_until = |skew: &SignedDuration| at.latest() <= self.read + *skew + CLOCK_TOLERANCE;
        self.clock_skews().iter().all(is_since) && self.clock_skews().iter().any(is_until)
    }

    /// Whether a reading of a stamp lies within the time of the write.
    fn possibly_contains(&self, at: LocalTime) -> bool {
        let imprecision = imprecision(at);
        let contains = |at: Timestamp, skew: SignedDuration| {
            self.sent + skew - CLOCK_TOLERANCE <= at + imprecision && at <= self.read + skew + CLOCK_TOLERANCE
        };
        self.clock_skews().iter().any(|skew| contains(at.earliest(), *skew) || contains(at.latest(), *skew))
    }

    /// How far the clocks that may stamp the log are ahead of ours: ours, and that of `Date` if there is one.
    fn clock_skews(&self) -> [SignedDuration; 2] {
        [SignedDuration::ZERO, self.clock_skew.unwrap_or_default()]
    }

    /// Whether no clock shows the time of a stamp yet.
    fn is_future(&self, at: LocalTime) -> bool {
        at.earliest() > self.read + self.clock_skew.unwrap_or_default().max(SignedDuration::ZERO) + CLOCK_TOLERANCE
    }
}

/// The receipt of a message without a marker, if an order proves that it was added between its sending and the end of the read
/// at `read`. For clients that settle their own writes.
pub(crate) fn proof_of_message(
    message: &NewMessage,
    sent: Sent,
    order: &Order,
    read: Timestamp,
    clock_skew: Option<SignedDuration>,
) -> Option<Receipt> {
    let time = WriteTime { sent: sent.on, read, clock_skew };
    time.proof_of(message, order).map(|entry| Receipt { sent, logged_at: stamp_since(sent, entry) })
}

/// The stamp of an entry that this write added, in the reading that is not before it. `None` if there is none, by our clock.
pub(super) fn stamp_since(sent: Sent, entry: &Message) -> Option<LocalTime> {
    entry.at?.reading_since(whole_second(sent.on))
}

/// Whether an entry has a message's type and text.
fn is_equal(entry: &Message, message: &NewMessage) -> bool {
    let (ours, theirs) = (compose(message.text.expose()), entry.text.as_ref().map(|text| compose(text.expose())));
    entry.kind == Some(Extensible::Known(message.kind))
        && theirs.is_some_and(|theirs| theirs.split_whitespace().eq(ours.split_whitespace()))
}

/// Whether an entry without a marker may be a message, changed in layout, case or punctuation.
fn may_be_equal(entry: &Message, message: &NewMessage) -> bool {
    let Some(text) = entry.text.as_ref().map(Pii::expose).filter(|text| IdempotencyMarker::split(text).is_none()) else {
        return false;
    };
    let (ours, theirs) = (fold(message.text.expose()), fold(text));
    let is_beginning = theirs.chars().count() >= MIN_BEGINNING && ours.starts_with(&theirs);
    if ours.is_empty() { is_equal(entry, message) } else { theirs.contains(&ours) || is_beginning }
}

/// How much later than its stamp an entry may be, if the stamp has no seconds or is a date alone.
fn imprecision(at: LocalTime) -> SignedDuration {
    match at.wall().time() {
        time if time == Time::midnight() => SignedDuration::from_hours(24),
        time if time.second() == 0 => SignedDuration::from_mins(1),
        _ => SignedDuration::ZERO,
    }
}

fn whole_second(time: Timestamp) -> Timestamp {
    // Out of range only at the limits of the calendar.
    time.round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::model::{MessageType, OrderId, Zone};

    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    const SECOND: SignedDuration = SignedDuration::from_secs(1);

    fn entry(text: &str, at: Option<LocalTime>) -> Message {
        Message { at, kind: Some(Extensible::Known(MessageType::Log)), text: Some(text.into()) }
    }

    fn message(text: &str) -> NewMessage {
        NewMessage { kind: MessageType::Log, text: text.into() }
    }

    /// Whether an entry stamped at this time proves a message that was sent at `sent`, and whether it may be that message.
    fn judge(sent: &str, clock_skew: Option<SignedDuration>, stamped: &str) -> (bool, bool) {
        let sent: Timestamp = sent.parse().unwrap();
        let at = Zone::stockholm().resolve(stamped.parse().unwrap());
        let read_back = ReadBack { began: Instant::now(), ended: sent + 4 * SECOND, clock_skew };
        let time = WriteTime::new(Sent { at: Instant::now(), on: sent }, read_back);
        let order = Order { messages: Some(vec![entry("hej", Some(at))]), ..Order::new(OrderId::try_new(1).unwrap()) };
        (time.proof_of(&message("hej"), &order).is_some(), time.may_show_message(&message("hej"), &order))
    }

    #[test]
    fn a_stamp_is_proof_only_if_no_reading_is_older_than_the_write() {
        let agreeing = Some(SignedDuration::ZERO);
        for (sent, clock_skew, stamped, expected) in [
            ("2016-03-14T08:05:02.7Z", agreeing, "2016-03-14T09:05:02", (true, true)),
            ("2016-03-14T08:05:02.7Z", agreeing, "2016-03-14T09:05:08", (true, true)),
            // A second before the request: perhaps a clock that is slow, perhaps another message.
            ("2016-03-14T08:05:02.7Z", agreeing, "2016-03-14T09:05:01", (false, true)),
            ("2016-03-14T08:05:02.7Z", agreeing, "2016-03-14T09:04:59", (false, false)),
            ("2016-03-14T08:05:02.7Z", agreeing, "2016-03-14T09:05:09", (false, false)),
            // `Date` has whole seconds, so a clock that agrees looks up to a second late.
            ("2016-03-14T08:05:02.7Z", Some(-SECOND), "2016-03-14T09:05:02", (true, true)),
            // No `Date`: there is only our clock.
            ("2016-03-14T08:05:02.7Z", None, "2016-03-14T09:05:03", (true, true)),
            ("2016-03-14T08:05:02.7Z", None, "2016-03-14T09:05:01", (false, true)),
            // `Date` is an hour late: an entry of an hour before, or one of now by that clock.
            ("2016-03-14T08:05:02.7Z", Some(-HOUR), "2016-03-14T08:05:03", (false, true)),
            ("2016-03-14T08:05:02.7Z", Some(-HOUR), "2016-03-14T09:05:03", (true, true)),
            ("2016-03-14T08:05:02.7Z", Some(-HOUR), "2016-03-14T08:35:03", (false, false)),
            // `Date` is an hour early, and so are the stamps: an entry of an hour before would have the present time.
            ("2016-03-14T08:05:02.7Z", Some(HOUR), "2016-03-14T10:05:03", (true, true)),
            ("2016-03-14T08:05:02.7Z", Some(HOUR), "2016-03-14T09:05:03", (false, true)),
            // A stamp without seconds, a date alone.
            ("2016-03-14T08:05:42.7Z", agreeing, "2016-03-14T09:05:00", (false, true)),
            ("2016-03-14T08:06:12.7Z", agreeing, "2016-03-14T09:05:00", (false, false)),
            ("2016-03-14T08:05:02.7Z", agreeing, "2016-03-14T00:00:00", (false, true)),
            ("2016-03-14T08:05:02.7Z", agreeing, "2016-03-13T00:00:00", (false, false)),
            // Both passes of the hour that repeats: the entry may be an hour older or younger than the other reading says.
            ("2016-10-30T00:30:00Z", agreeing, "2016-10-30T02:30:01", (false, true)),
            ("2016-10-30T01:30:00Z", agreeing, "2016-10-30T02:30:01", (false, true)),
            // The hours before and after it, and the hour that is skipped in spring.
            ("2016-10-29T23:59:50Z", agreeing, "2016-10-30T01:59:52", (true, true)),
            ("2016-10-30T02:00:00Z", agreeing, "2016-10-30T03:00:01", (true, true)),
            ("2016-03-27T01:00:00Z", agreeing, "2016-03-27T03:00:01", (true, true)),
        ] {
            assert_eq!(judge(sent, clock_skew, stamped), expected, "{sent} {clock_skew:?} {stamped}");
        }
    }

    #[test]
    fn a_log_with_entries_from_the_future_proves_nothing() {
        let sent: Timestamp = "2016-03-14T08:05:02Z".parse().unwrap();
        let read_back = ReadBack { began: Instant::now(), ended: sent, clock_skew: Some(SignedDuration::ZERO) };
        let time = WriteTime::new(Sent { at: Instant::now(), on: sent }, read_back);
        let at = |time: Timestamp| Some(Zone::stockholm().at(time));
        let with = |others: &[Message]| Order {
            messages: Some([&[entry("hej", at(sent))], others].concat()),
            ..Order::new(OrderId::try_new(1).unwrap())
        };

        assert!(time.proof_of(&message("hej"), &with(&[entry("annat", at(sent - HOUR))])).is_some());
        assert!(time.proof_of(&message("hej"), &with(&[entry("annat", at(sent + HOUR / 2))])).is_none());
    }

    #[test]
    fn a_rejection_is_doubted_whatever_the_layout() {
        for (sent, shown, may_be) in [
            ("Ring kunden", "RING  KUNDEN!", true),
            ("Ring kunden", "[TL] <b>Ring</b> kunden", true),
            ("Ring kunden efter kl. 16", "Ring kunden ef", true),
            ("e\u{301}tt", "ÉTT", true),
            ("Ring kunden", "Ring inte kunden", false),
            ("Ring kunden", "Ring", false),
            ("Ring kunden", "gw:ABCDEFGHIJKLMNOPQR Ring kunden", false),
            ("!!", "!!", true),
            ("!!", "?", false),
        ] {
            assert_eq!(may_be_equal(&entry(shown, None), &message(sent)), may_be, "{sent} {shown}");
        }
    }
}
