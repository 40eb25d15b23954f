//! Local times of the upstream, which returns them without a time zone.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// The current time. The only function that reads the wall clock.
#[expect(clippy::disallowed_methods, reason = "the only function that reads the wall clock")]
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A local time of the upstream with its UTC offset.
///
/// In the hour that repeats when daylight saving time ends, a local time is ambiguous. The earlier instant is displayed. The
/// later one is retained, so that a client that asks for orders since a time in that hour does not miss any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalTime {
    wall: DateTime,
    offset: Offset,
    later_offset: Offset,
}

impl LocalTime {
    /// The local time at an instant that is not ambiguous, in whole seconds, with an offset in whole minutes.
    pub(super) fn unambiguous(instant: Timestamp, offset: Offset) -> Self {
        Self { wall: offset.to_datetime(instant), offset, later_offset: offset }
    }

    /// The local time without its offset.
    #[must_use]
    pub const fn wall(self) -> DateTime {
        self.wall
    }

    /// The displayed instant: the earlier one of an ambiguous time.
    #[must_use]
    pub fn earliest(self) -> Timestamp {
        instant(self.wall, self.offset)
    }

    /// The later instant of an ambiguous time, else the same as [`Self::earliest`].
    #[must_use]
    pub fn latest(self) -> Timestamp {
        instant(self.wall, self.later_offset)
    }

    /// The first of its instants that is not before this one. `None` if both are.
    #[must_use]
    pub fn reading_since(self, since: Timestamp) -> Option<Self> {
        let readings = [self.offset, self.later_offset].map(|offset| Self { offset, later_offset: offset, ..self });
        readings.into_iter().find(|reading| reading.earliest() >= since)
    }
}

/// RFC 3339 with the UTC offset, in whole seconds.
impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_rfc3339(|text| f.write_str(text))
    }
}

impl LocalTime {
    /// Passes the time in RFC 3339 format, in whole seconds, to `use_text`. Every list item has two times, so the digits are
    /// written into a buffer on the stack.
    ///
    /// # Panics
    /// Never: the buffer holds ASCII only.
    #[expect(clippy::expect_used, reason = "an empty time would be invalid JSON data")]
    pub fn with_rfc3339<R>(self, use_text: impl FnOnce(&str) -> R) -> R {
        let (date, time) = (self.wall.date(), self.wall.time());
        let minutes = self.offset.seconds() / 60;
        let sign = if minutes < 0 { b'-' } else { b'+' };
        let ([c1, c2], [y1, y2]) = (two_digits(date.year() / 100), two_digits(date.year() % 100));
        let ([m1, m2], [d1, d2]) = (two_digits(date.month()), two_digits(date.day()));
        let ([h1, h2], [n1, n2], [s1, s2]) = (two_digits(time.hour()), two_digits(time.minute()), two_digits(time.second()));
        let ([o1, o2], [p1, p2]) = (two_digits(minutes.abs() / 60), two_digits(minutes.abs() % 60));
        let text =
            [c1, c2, y1, y2, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, sign, o1, o2, b':', p1, p2];
        use_text(std::str::from_utf8(&text).expect("digits and punctuation are ASCII"))
    }
}

/// The last two decimal digits.
#[inline]
fn two_digits(number: impl TryInto<u8>) -> [u8; 2] {
    let number = number.try_into().unwrap_or(0) % 100;
    [b'0' + number / 10, b'0' + number % 10]
}

/// UTC offsets of days of one time zone that have a single one, by day of the month. Answers have many times on few days, and an
/// offset lookup is expensive.
#[derive(Debug, Default)]
pub struct OffsetCache([AtomicU64; 32]);

impl OffsetCache {
    fn get(&self, day: Date) -> Option<Offset> {
        let entry = self.slot(day)?.load(Ordering::Relaxed);
        let (known_day, seconds) = (entry >> 32, u32::try_from(entry & u64::from(u32::MAX)).ok()?);
        if known_day == day_number(day) { Offset::from_seconds(seconds.cast_signed()).ok() } else { None }
    }

    fn insert(&self, day: Date, offset: Offset) {
        if let Some(slot) = self.slot(day) {
            slot.store(day_number(day) << 32 | u64::from(offset.seconds().cast_unsigned()), Ordering::Relaxed);
        }
    }

    fn slot(&self, day: Date) -> Option<&AtomicU64> {
        self.0.get(usize::try_from(day.day()).ok()?)
    }
}

/// A number of 32 bits that no other day has. Never 0.
fn day_number(day: Date) -> u64 {
    let [year, rest] = day.year().to_be_bytes();
    u32::from_be_bytes([year, rest, day.month().cast_unsigned(), day.day().cast_unsigned()]).into()
}

/// A name that is not in the time zone database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a time zone, such as Europe/Stockholm")]
pub struct UnknownZone;

/// The time zone of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The time zone with this IANA name, from the embedded database.
    ///
    /// # Errors
    /// [`UnknownZone`] when the database has no such name.
    pub fn parse(name: &str) -> Result<Self, UnknownZone> {
        TimeZone::get(name).map(Self).map_err(|_| UnknownZone)
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// `Europe/Stockholm`.
    ///
    /// # Panics
    /// Never: the database is embedded.
    #[must_use]
    #[expect(clippy::expect_used, reason = "any other zone would give wrong times")]
    pub fn stockholm() -> Self {
        Self::parse("Europe/Stockholm").expect("the embedded database has Europe/Stockholm")
    }

    /// Adds the UTC offset to a local time. A time that is skipped when daylight saving time begins moves forward by the length
    /// of the gap.
    #[must_use]
    pub fn resolve(&self, wall: DateTime) -> LocalTime {
        match self.0.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => local_time(wall, offset, offset),
            AmbiguousOffset::Fold { before, after } => local_time(wall, before, after),
            AmbiguousOffset::Gap { before, after } => {
                let skipped = (after.seconds() - before.seconds()).seconds();
                local_time(wall.saturating_add(skipped), after, after)
            }
        }
    }

    /// Same as [`Self::resolve`], faster for days in the cache.
    #[must_use]
    pub fn resolve_cached(&self, wall: DateTime, cache: &OffsetCache) -> LocalTime {
        let day = wall.date();
        if let Some(offset) = cache.get(day) {
            return LocalTime { wall, offset, later_offset: offset };
        }
        if let Some(offset) = self.single_offset(day) {
            cache.insert(day, offset);
        }
        self.resolve(wall)
    }

    /// The UTC offset of a day that has a single one.
    pub(super) fn single_offset(&self, day: Date) -> Option<Offset> {
        let midnight = |date: Date| self.resolve(date.to_datetime(jiff::civil::Time::midnight()));
        let (first, last) = (midnight(day), midnight(day.tomorrow().ok()?));
        // In zones that skip midnight, the first hour of the day does not exist.
        let starts_at_midnight = first.wall == day.to_datetime(jiff::civil::Time::midnight());
        let is_unambiguous = |time: LocalTime| time.offset == time.later_offset;
        (is_unambiguous(first) && is_unambiguous(last) && first.offset == last.offset && starts_at_midnight)
            .then_some(first.offset)
    }

    /// The local time at an instant, in whole seconds.
    #[must_use]
    pub fn at(&self, instant: Timestamp) -> LocalTime {
        let offset = self.0.to_offset(instant);
        let wall = offset.to_datetime(instant);
        // Removing a fraction cannot leave the calendar.
        let whole_seconds = wall.with().subsec_nanosecond(0).build().unwrap_or(wall);
        local_time(whole_seconds, offset, offset)
    }

    /// The local time of a time in another UTC offset; `None` beyond the calendar. The instant is known, so it is never
    /// ambiguous.
    #[must_use]
    pub fn convert(&self, wall: DateTime, offset: Offset) -> Option<LocalTime> {
        offset.to_timestamp(wall).ok().map(|instant| self.at(instant))
    }

    /// The date at an instant.
    #[must_use]
    pub fn date(&self, instant: Timestamp) -> Date {
        self.0.to_datetime(instant).date()
    }

    /// The first instant of a day.
    #[must_use]
    pub fn start_of(&self, date: Date) -> Timestamp {
        self.resolve(date.to_datetime(jiff::civil::Time::midnight())).earliest()
    }
}

/// Truncates offsets to whole minutes, the precision of RFC 3339. Only offsets before 1900 have seconds.
fn local_time(wall: DateTime, offset: Offset, later_offset: Offset) -> LocalTime {
    LocalTime { wall, offset: whole_minutes(offset), later_offset: whole_minutes(later_offset) }
}

fn whole_minutes(offset: Offset) -> Offset {
    Offset::from_seconds(offset.seconds() / 60 * 60).unwrap_or(offset)
}

fn instant(wall: DateTime, offset: Offset) -> Timestamp {
    // Out of range only at the limits of the calendar: saturate.
    offset.to_timestamp(wall).unwrap_or(if wall.year() > 0 { Timestamp::MAX } else { Timestamp::MIN })
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    #[test]
    fn times_have_the_offset_of_their_season() {
        let zone = Zone::stockholm();
        assert_eq!(zone.resolve(datetime(2016, 3, 14, 9, 5, 0, 0)).to_string(), "2016-03-14T09:05:00+01:00");
        assert_eq!(zone.resolve(datetime(2016, 7, 1, 9, 5, 2, 0)).to_string(), "2016-07-01T09:05:02+02:00");
    }

    #[test]
    fn ambiguous_time_displays_the_earlier_instant() {
        let time = Zone::stockholm().resolve(datetime(2016, 10, 30, 2, 30, 0, 0));
        assert_eq!(time.to_string(), "2016-10-30T02:30:00+02:00");
        assert_eq!(time.latest().as_second() - time.earliest().as_second(), 3600);
    }

    #[test]
    fn reading_of_an_ambiguous_time_is_not_before_an_instant() {
        let time = Zone::stockholm().resolve(datetime(2016, 10, 30, 2, 30, 0, 0));
        let reading = |since: &str| time.reading_since(since.parse().unwrap()).map(|time| time.to_string());
        assert_eq!(reading("2016-10-30T00:30:00Z").as_deref(), Some("2016-10-30T02:30:00+02:00"));
        assert_eq!(reading("2016-10-30T00:30:01Z").as_deref(), Some("2016-10-30T02:30:00+01:00"));
        assert_eq!(reading("2016-10-30T01:30:01Z"), None);
    }

    #[test]
    fn skipped_time_moves_forward() {
        let time = Zone::stockholm().resolve(datetime(2016, 3, 27, 2, 30, 0, 0));
        assert_eq!(time.to_string(), "2016-03-27T03:30:00+02:00");
    }

    #[test]
    fn times_with_an_offset_are_exact() {
        let zone = Zone::stockholm();
        let convert = |wall, hours| zone.convert(wall, Offset::constant(hours)).unwrap();
        let half_past_two = datetime(2016, 10, 30, 2, 30, 0, 0);

        for (hours, expected) in [(2, "2016-10-30T02:30:00+02:00"), (1, "2016-10-30T02:30:00+01:00")] {
            let time = convert(half_past_two, hours);
            assert_eq!((time.to_string().as_str(), time.earliest()), (expected, time.latest()));
        }
        assert_eq!(convert(datetime(2016, 3, 14, 23, 30, 0, 0), 0).to_string(), "2016-03-15T00:30:00+01:00");
    }

    #[test]
    fn cached_days_resolve_the_same() {
        for zone in ["Europe/Stockholm", "America/Sao_Paulo", "Africa/Cairo"].map(|name| Zone::parse(name).unwrap()) {
            let cache = OffsetCache::default();
            for day in 1..=730 {
                let date = datetime(2016, 1, 1, 0, 0, 0, 0).saturating_add(day.days());
                for minutes in [0_i64, 30, 90, 150, 210, 30, 0, 1439] {
                    let wall = date.saturating_add(minutes.minutes());
                    assert_eq!(zone.resolve_cached(wall, &cache), zone.resolve(wall), "{wall} {zone:?}");
                }
            }
        }
    }

    #[test]
    fn offsets_before_1900_are_truncated_to_minutes() {
        assert_eq!(Zone::stockholm().resolve(datetime(1850, 1, 1, 0, 0, 0, 0)).to_string(), "1850-01-01T00:00:00+00:53");
    }

    #[test]
    fn unknown_zones_are_rejected() {
        assert_eq!(Zone::parse("Europe/Atlantis"), Err(UnknownZone));
    }
}
