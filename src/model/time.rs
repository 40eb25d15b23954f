//! Local time of the order system, which states times without a zone.

use std::cell::Cell;
use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// The present moment: the one place that reads the wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A wall-clock time of the order system together with the offset it had.
///
/// In the hour that autumn repeats, a wall-clock time means two instants. The earlier one is shown; the later one is
/// kept, because a reader who asks for orders since a time in that hour must not miss any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    wall: DateTime,
    offset: Offset,
    later_offset: Offset,
}

impl LocalTime {
    /// The wall-clock time, without a zone.
    #[must_use]
    pub const fn wall(self) -> DateTime {
        self.wall
    }

    /// The instant that is shown: the earlier one where there are two.
    #[must_use]
    pub fn earliest(self) -> Timestamp {
        instant(self.wall, self.offset)
    }

    /// The later of two instants in the repeated hour, else the same as [`Self::earliest`].
    #[must_use]
    pub fn latest(self) -> Timestamp {
        instant(self.wall, self.later_offset)
    }
}

/// RFC 3339 with the offset of the order system's zone, in whole seconds.
impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_rfc3339(|text| f.write_str(text))
    }
}

impl LocalTime {
    /// Shows the time as RFC 3339 with the offset of the order system's zone, in whole seconds. Lists have two in each item,
    /// so it is written digit by digit into a place of fixed size.
    pub fn with_rfc3339<R>(self, see: impl FnOnce(&str) -> R) -> R {
        let (date, time) = (self.wall.date(), self.wall.time());
        let minutes = self.offset.seconds() / 60;
        let mut text = *b"0000-00-00T00:00:00+00:00";
        let numbers = [
            (0, i32::from(date.year()) / 100),
            (2, i32::from(date.year()) % 100),
            (5, i32::from(date.month())),
            (8, i32::from(date.day())),
            (11, i32::from(time.hour())),
            (14, i32::from(time.minute())),
            (17, i32::from(time.second())),
            (20, minutes.abs() / 60),
            (23, minutes.abs() % 60),
        ];
        for (place, number) in numbers {
            if let (Some(digits), Ok(number)) = (text.get_mut(place..place + 2), u8::try_from(number)) {
                digits.copy_from_slice(&[b'0' + number / 10, b'0' + number % 10]);
            }
        }
        if minutes < 0 {
            text[19] = b'-';
        }
        see(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Days that were met before and have one offset only: for each day of the month, the last such one. Lists speak of few days
/// and of each of them often.
#[derive(Debug, Default)]
pub struct OffsetCache([Cell<Option<(Date, Offset)>>; 32]);

impl OffsetCache {
    fn slot(&self, day: Date) -> Option<&Cell<Option<(Date, Offset)>>> {
        self.0.get(usize::try_from(day.day()).ok()?)
    }
}

/// A name that the time zone database does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no name of a time zone, such as Europe/Stockholm")]
pub struct UnknownZone;

/// The time zone of an order system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone with this IANA name, from the database inside the program.
    ///
    /// # Errors
    /// [`UnknownZone`] when there is none.
    pub fn parse(name: &str) -> Result<Self, UnknownZone> {
        TimeZone::get(name).map(Self).map_err(|_| UnknownZone)
    }

    /// The zone of Swedish order systems.
    ///
    /// # Panics
    /// Never: the database is part of the program, which a test makes sure of.
    #[must_use]
    #[expect(clippy::expect_used, reason = "another zone would be a lie")]
    pub fn stockholm() -> Self {
        Self::parse("Europe/Stockholm").expect("the database has Europe/Stockholm")
    }

    /// Gives a wall-clock time its offset. A time that spring skips moves forward by the length of the gap.
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

    /// The same as [`Self::local`], faster for days that were met before.
    #[must_use]
    pub fn resolve_cached(&self, wall: DateTime, known: &OffsetCache) -> LocalTime {
        let day = wall.date();
        let Some(place) = known.slot(day) else { return self.resolve(wall) };
        match place.get() {
            Some((same, offset)) if same == day => LocalTime { wall, offset, later_offset: offset },
            _ => {
                place.set(self.only_offset(day).map(|offset| (day, offset)));
                self.resolve(wall)
            }
        }
    }

    /// The offset of a day that has only one.
    fn only_offset(&self, day: Date) -> Option<Offset> {
        let midnight = |date: Date| self.resolve(date.to_datetime(jiff::civil::Time::midnight()));
        let (first, last) = (midnight(day), midnight(day.tomorrow().ok()?));
        // Where spring skips midnight, the day has times that move.
        let starts_at_midnight = first.wall == day.to_datetime(jiff::civil::Time::midnight());
        let is_plain = |time: LocalTime| time.offset == time.later_offset;
        (is_plain(first) && is_plain(last) && first.offset == last.offset && starts_at_midnight).then_some(first.offset)
    }

    /// The wall-clock time at an instant, in whole seconds.
    #[must_use]
    pub fn at(&self, instant: Timestamp) -> LocalTime {
        let offset = self.0.to_offset(instant);
        let wall = offset.to_datetime(instant);
        let whole = wall.with().subsec_nanosecond(0).build().unwrap_or(wall);
        local_time(whole, offset, offset)
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

/// Offsets are kept in whole minutes, all that RFC 3339 can say; only those before 1900 had seconds.
fn local_time(wall: DateTime, offset: Offset, later_offset: Offset) -> LocalTime {
    LocalTime { wall, offset: whole_minutes(offset), later_offset: whole_minutes(later_offset) }
}

fn whole_minutes(offset: Offset) -> Offset {
    Offset::from_seconds(offset.seconds() / 60 * 60).unwrap_or(offset)
}

fn instant(wall: DateTime, offset: Offset) -> Timestamp {
    // Out of range only at the ends of the calendar, in years that no order has.
    offset.to_timestamp(wall).unwrap_or(if wall.year() > 0 { Timestamp::MAX } else { Timestamp::MIN })
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    #[test]
    fn a_time_is_shown_with_the_offset_of_its_season() {
        let zone = Zone::stockholm();
        assert_eq!(zone.resolve(datetime(2016, 3, 14, 9, 5, 0, 0)).to_string(), "2016-03-14T09:05:00+01:00");
        assert_eq!(zone.resolve(datetime(2016, 7, 1, 9, 5, 2, 0)).to_string(), "2016-07-01T09:05:02+02:00");
    }

    #[test]
    fn the_repeated_autumn_hour_keeps_both_instants_and_shows_the_earlier() {
        let time = Zone::stockholm().resolve(datetime(2016, 10, 30, 2, 30, 0, 0));
        assert_eq!(time.to_string(), "2016-10-30T02:30:00+02:00");
        assert_eq!(time.latest().as_second() - time.earliest().as_second(), 3600);
    }

    #[test]
    fn a_time_that_spring_skips_moves_forward() {
        let time = Zone::stockholm().resolve(datetime(2016, 3, 27, 2, 30, 0, 0));
        assert_eq!(time.to_string(), "2016-03-27T03:30:00+02:00");
    }

    #[test]
    fn a_known_day_changes_nothing() {
        for zone in ["Europe/Stockholm", "America/Sao_Paulo", "Africa/Cairo"].map(|name| Zone::parse(name).unwrap()) {
            let known = OffsetCache::default();
            for day in 1..=730 {
                let date = datetime(2016, 1, 1, 0, 0, 0, 0).saturating_add(day.days());
                for minutes in [0_i64, 30, 90, 150, 210, 30, 0, 1439] {
                    let wall = date.saturating_add(minutes.minutes());
                    assert_eq!(zone.resolve_cached(wall, &known), zone.resolve(wall), "{wall} {zone:?}");
                }
            }
        }
    }

    #[test]
    fn an_offset_before_1900_is_cut_to_whole_minutes() {
        assert_eq!(Zone::stockholm().resolve(datetime(1850, 1, 1, 0, 0, 0, 0)).to_string(), "1850-01-01T00:00:00+00:53");
    }

    #[test]
    fn unknown_zones_are_refused() {
        assert_eq!(Zone::parse("Europe/Atlantis"), Err(UnknownZone));
    }
}
