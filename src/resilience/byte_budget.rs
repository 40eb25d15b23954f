//! One limit for everything that is held in memory as a whole: answers of upstreams, what is decoded from them, and bodies
//! that clients have not read yet.
//!
//! Each of them has a limit of its own; the budget bounds their sum, whatever the mix. What does not fit fails at once instead
//! of waiting, because it already holds memory that others would wait for.
//!
//! An eighth of the budget is reserved for writes and the reads that settle them: when reads have filled the rest, a write
//! that was sent can still be settled. Another eighth is reserved for what is small, as nearly all answers are: a few large ones,
//! which slow clients may hold for long, cannot shut out the others.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus::{IntCounter, IntGauge};

/// A number of bytes that all reservations share. Clones share state.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    held: AtomicUsize,
    gauge: IntGauge,
    rejections: IntCounter,
}

/// Who may use which part of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All but the part that is reserved for writes, and if it is large, all but the part for small ones too.
    Reads,
    /// All of it.
    Writes,
}

/// Why a reservation cannot grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// Others hold too much at present.
    #[error("the budget is used up")]
    Now,
    /// It would not fit if it were the only one.
    #[error("it is larger than the budget")]
    Never,
}

/// A part of a budget; released on drop.
#[derive(Debug)]
pub struct Reservation {
    budget: ByteBudget,
    share: Share,
    /// A multiple of [`BLOCK`].
    bytes: usize,
}

/// Reservations are made in blocks, so that a usual answer costs one update of the shared counter.
const BLOCK: usize = 16 * 1024;
/// The largest small reservation: several times a usual order.
const SMALL: usize = 4 * BLOCK;

/// Without a limit and without metrics.
impl Default for ByteBudget {
    #[expect(clippy::expect_used, reason = "the names are valid")]
    fn default() -> Self {
        let gauge = IntGauge::new("held", "-").expect("a valid name");
        Self::new(usize::MAX, gauge, IntCounter::new("rejections", "-").expect("a valid name"))
    }
}

impl ByteBudget {
    /// A budget of `limit` bytes. The metrics follow what is held and count what was rejected.
    #[must_use]
    pub fn new(limit: usize, gauge: IntGauge, rejections: IntCounter) -> Self {
        Self(Arc::new(Inner { limit, held: AtomicUsize::new(0), gauge, rejections }))
    }

    /// An empty reservation, which can grow.
    #[must_use]
    pub fn reservation(&self, share: Share) -> Reservation {
        Reservation { budget: self.clone(), share, bytes: 0 }
    }

    /// Reserves this many bytes.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn reserve(&self, share: Share, bytes: usize) -> Result<Reservation, Exhausted> {
        let mut reservation = self.reservation(share);
        reservation.resize(bytes)?;
        Ok(reservation)
    }

    /// What all may hold together when one of this share grows to `bytes`.
    fn limit_for(&self, share: Share, bytes: usize) -> usize {
        let eighths = match share {
            Share::Writes => 8,
            Share::Reads if bytes <= SMALL => 7,
            Share::Reads => 6,
        };
        self.0.limit / 8 * eighths
    }
}

impl Reservation {
    /// Grows or shrinks to this many bytes.
    ///
    /// # Errors
    /// When they do not fit. The reservation is unchanged then.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let bytes = bytes.div_ceil(BLOCK).saturating_mul(BLOCK);
        if bytes > self.bytes {
            self.grow(bytes - self.bytes)?;
        } else {
            self.release(self.bytes - bytes);
        }
        self.bytes = bytes;
        Ok(())
    }

    fn grow(&self, additional: usize) -> Result<(), Exhausted> {
        let Inner { held, gauge, rejections, .. } = &*self.budget.0;
        let limit = self.budget.limit_for(self.share, self.bytes.saturating_add(additional));
        let grown = |held: usize| held.checked_add(additional).filter(|held| *held <= limit);
        if held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok() {
            gauge.add(as_gauge(additional));
            return Ok(());
        }
        rejections.inc();
        Err(if self.bytes.saturating_add(additional) > limit { Exhausted::Never } else { Exhausted::Now })
    }

    fn release(&self, bytes: usize) {
        if bytes > 0 {
            self.budget.0.held.fetch_sub(bytes, Ordering::Relaxed);
            self.budget.0.gauge.sub(as_gauge(bytes));
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release(self.bytes);
    }
}

fn as_gauge(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A value with the memory that is reserved for it. Clones share both.
#[derive(Debug)]
pub struct Reserved<T>(Arc<(T, Option<Reservation>)>);

impl<T> Reserved<T> {
    /// A value for which this memory is reserved.
    #[must_use]
    pub fn new(value: T, memory: Reservation) -> Self {
        Self(Arc::new((value, Some(memory))))
    }
}

impl<T: Clone> Reserved<T> {
    /// The value itself, for a change of it, with memory of its own. It is cloned only when others share it.
    ///
    /// # Errors
    /// When the memory for a clone does not fit.
    pub fn into_owned(self) -> Result<(T, Option<Reservation>), Exhausted> {
        Arc::try_unwrap(self.0).or_else(|shared| {
            let memory = shared.1.as_ref().map(|memory| memory.budget.reserve(memory.share, memory.bytes)).transpose()?;
            Ok((shared.0.clone(), memory))
        })
    }
}

/// A value that no budget counts.
impl<T> From<T> for Reserved<T> {
    fn from(value: T) -> Self {
        Self(Arc::new((value, None)))
    }
}

impl<T> Deref for Reserved<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T> Clone for Reserved<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: PartialEq> PartialEq for Reserved<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Reserved<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(blocks: usize) -> ByteBudget {
        ByteBudget::new(blocks * BLOCK, IntGauge::new("held", "-").unwrap(), IntCounter::new("rejections", "-").unwrap())
    }

    fn held(budget: &ByteBudget) -> (usize, i64) {
        (budget.0.held.load(Ordering::Relaxed) / BLOCK, budget.0.gauge.get() / 16_384)
    }

    #[test]
    fn sum_of_all_reservations_is_bounded() {
        let budget = budget(16);
        let mut first = budget.reserve(Share::Reads, 8 * BLOCK).unwrap();

        assert_eq!(budget.reserve(Share::Reads, 5 * BLOCK).unwrap_err(), Exhausted::Now);
        assert_eq!(first.resize(13 * BLOCK), Err(Exhausted::Never));
        assert_eq!(held(&budget), (8, 8), "a rejected reservation holds nothing, and the old one what it held");

        first.resize(BLOCK + 1).unwrap();
        assert_eq!(held(&budget), (2, 2));
        drop(first);
        assert_eq!(held(&budget), (0, 0));
        assert_eq!(budget.0.rejections.get(), 2);
    }

    #[test]
    fn large_reads_leave_room_for_small_ones_and_these_for_writes() {
        let budget = budget(16);
        let _large = budget.reserve(Share::Reads, 12 * BLOCK).unwrap();

        assert_eq!(budget.reserve(Share::Reads, 5 * BLOCK).unwrap_err(), Exhausted::Now);
        let mut small = budget.reserve(Share::Reads, 2 * BLOCK).unwrap();
        assert_eq!(small.resize(3 * BLOCK), Err(Exhausted::Now));
        let _write = budget.reserve(Share::Writes, 2 * BLOCK).unwrap();
        assert_eq!(budget.reserve(Share::Writes, 1).unwrap_err(), Exhausted::Now);
    }

    #[test]
    fn shared_value_is_reserved_once_and_a_clone_of_it_again() {
        let budget = budget(16);
        let value = Reserved::new("order".to_owned(), budget.reserve(Share::Reads, 5 * BLOCK).unwrap());
        let other = value.clone();
        assert_eq!(held(&budget).0, 5);

        let owned = value.into_owned().unwrap();
        assert_eq!((&*owned.0, held(&budget).0), ("order", 10));
        let third = other.clone();
        assert_eq!(third.into_owned().unwrap_err(), Exhausted::Now);

        drop(owned);
        assert_eq!(other.into_owned().unwrap().0, "order", "the last owner needs no clone");
        assert_eq!(held(&budget).0, 0);
    }

    #[test]
    fn racing_reservations_never_exceed_the_limit() {
        let budget = budget(8);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let reservation = budget.reserve(Share::Writes, 3 * BLOCK);
                        assert!(held(&budget).0 <= 8);
                        drop(reservation);
                    }
                });
            }
        });
        assert_eq!(held(&budget), (0, 0));
    }
}
