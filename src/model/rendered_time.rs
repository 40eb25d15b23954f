//! Local times whose text is known already, for long lists.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

use super::{LocalTime, Zone};

/// A local time on a day with a single UTC offset, so that it is one instant, with its text in RFC 3339 format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenderedTime {
    instant: Timestamp,
    text: [u8; LENGTH],
}

/// Length of a text such as `2016-03-14T09:05:00+01:00`.
const LENGTH: usize = 25;

/// Days that have a single UTC offset, by day of the month. Lists have many times on few days.
#[derive(Debug, Default)]
pub struct DayCache([Option<Day>; 32]);

/// A day with a single UTC offset.
#[derive(Debug, Clone, Copy)]
struct Day {
    /// As in `2016-03-14`.
    date: [u8; 10],
    /// The first second of the day, in seconds since 1970.
    midnight: i64,
    /// As in `+01:00`.
    offset: [u8; 6],
}

impl RenderedTime {
    /// The instant.
    #[must_use]
    pub const fn instant(&self) -> Timestamp {
        self.instant
    }

    /// The time in RFC 3339 format, with its UTC offset and in whole seconds: ASCII.
    #[must_use]
    pub const fn text(&self) -> &[u8; LENGTH] {
        &self.text
    }

    /// The time at `time`, for example `09:05:00`, of a day.
    fn on(day: &Day, time: [u8; 8]) -> Option<Self> {
        let instant = Timestamp::from_second(day.midnight + i64::from(seconds_of_day(time)?)).ok()?;
        let mut text = [b'T'; LENGTH];
        text[..10].copy_from_slice(&day.date);
        text[11..19].copy_from_slice(&time);
        text[19..].copy_from_slice(&day.offset);
        Some(Self { instant, text })
    }
}

impl From<RenderedTime> for LocalTime {
    fn from(time: RenderedTime) -> Self {
        let [sign, h1, h2, _, m1, m2] = *time.text.last_chunk().unwrap_or(b"+00:00");
        let digits = |tens: u8, ones: u8| i32::from(tens & 0xf) * 10 + i32::from(ones & 0xf);
        let seconds = (digits(h1, h2) * 60 + digits(m1, m2)) * 60;
        let offset = Offset::from_seconds(if sign == b'-' { -seconds } else { seconds }).unwrap_or(Offset::UTC);
        Self::unambiguous(time.instant, offset)
    }
}

impl Zone {
    /// The local time of a date such as `2016-03-14` and a time of day such as `09:05:00`. `None` if there is no such time or
    /// the day has more than one UTC offset. A date that is not in the cache is read by `parse_date`.
    pub(crate) fn render(
        &self,
        date: [u8; 10],
        time: [u8; 8],
        cache: &mut DayCache,
        parse_date: fn(&str) -> Option<Date>,
    ) -> Option<RenderedTime> {
        let day_of_month = (date[8] & 0xf) * 10 + (date[9] & 0xf);
        let slot = cache.0.get_mut(usize::from(day_of_month))?;
        match slot {
            Some(day) if day.date == date => RenderedTime::on(day, time),
            _ => RenderedTime::on(slot.insert(self.day(date, parse_date)?), time),
        }
    }

    fn day(&self, date: [u8; 10], parse_date: fn(&str) -> Option<Date>) -> Option<Day> {
        let day = parse_date(std::str::from_utf8(&date).ok()?)?;
        let offset = self.single_offset(day)?;
        let midnight = offset.to_timestamp(day.to_datetime(Time::midnight())).ok()?.as_second();
        let local = LocalTime::unambiguous(Timestamp::from_second(midnight).ok()?, offset);
        let offset = local.with_rfc3339(|text| text.as_bytes().last_chunk().copied())?;
        Some(Day { date, midnight, offset })
    }
}

/// The seconds since midnight of a time such as `09:05:00`. All bytes are checked and converted at once, because every list
/// item has two times.
fn seconds_of_day(time: [u8; 8]) -> Option<u32> {
    // Digits become their values, colons zero.
    let values = u64::from_le_bytes(time) ^ u64::from_le_bytes(*b"00:00:00");
    // A digit above nine has a carry when six is added.
    let carried = values.wrapping_add(u64::from_le_bytes([6, 6, 0, 6, 6, 0, 6, 6]));
    if (values | carried) & u64::from_le_bytes([0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xff, 0xf0, 0xf0]) != 0 {
        return None;
    }
    // Every byte times ten plus the next one; the first of each pair is the number.
    let [hour, _, _, minute, _, _, second, _] = (values * 10 + (values >> 8)).to_le_bytes();
    let is_valid = hour < 24 && minute < 60 && second < 60;
    is_valid.then_some((u32::from(hour) * 60 + u32::from(minute)) * 60 + u32::from(second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse_date(text: &str) -> Option<Date> {
        text.parse().ok()
    }

    fn zone() -> impl Strategy<Value = Zone> {
        prop::sample::select(vec!["Europe/Stockholm", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kathmandu"])
            .prop_map(|name| Zone::parse(name).unwrap())
    }

    proptest! {
        #[test]
        fn rendered_times_equal_resolved_ones(
            zone in zone(),
            times in prop::collection::vec((0_i64..20_000, 0_i64..86_400), 1..40),
        ) {
            let mut cache = DayCache::default();
            for (day, second) in times {
                let date = jiff::civil::date(1880, 1, 1).saturating_add(jiff::Span::new().days(day * 3));
                let wall = date.to_datetime(Time::midnight()).saturating_add(jiff::Span::new().seconds(second));
                let text = wall.strftime("%Y-%m-%d%H:%M:%S").to_string();
                let (date, time) = text.as_bytes().split_first_chunk().unwrap();
                let expected = zone.resolve(wall);

                match zone.render(*date, time.try_into().unwrap(), &mut cache, parse_date) {
                    Some(time) => {
                        prop_assert_eq!(LocalTime::from(time), expected);
                        prop_assert_eq!((time.instant(), time.instant()), (expected.earliest(), expected.latest()));
                        prop_assert_eq!(std::str::from_utf8(time.text()), Ok(&*expected.to_string()));
                    }
                    None => prop_assert!(zone.single_offset(wall.date()).is_none()),
                }
            }
        }

        #[test]
        fn times_of_day_are_checked(time in prop::array::uniform8(any::<u8>()), text in "[0-3:/]{2}[:;9][0-7:/]{2}:[0-9]{2}") {
            for time in [time, text.as_bytes().try_into().unwrap()] {
                let read = std::str::from_utf8(&time).ok().and_then(|text| Time::strptime("%H:%M:%S", text).ok());
                let is_canonical = read.is_some_and(|read| read.strftime("%H:%M:%S").to_string().as_bytes() == time);
                let expected = read.filter(|_| is_canonical).map(|time| time.duration_since(Time::midnight()).as_secs());
                prop_assert_eq!(seconds_of_day(time).map(i64::from), expected);
            }
        }
    }

    #[test]
    fn days_with_two_offsets_and_dates_that_do_not_exist_are_not_rendered() {
        let (zone, mut cache) = (Zone::stockholm(), DayCache::default());
        let mut render = |date: &[u8; 10]| zone.render(*date, *b"01:30:00", &mut cache, parse_date).map(|time| time.text);
        for date in [b"2016-10-30", b"2016-03-27", b"2016-02-30", b"2016-04-31", b"2016-13-01", b"2016-03-3?", b"9999-12-31"] {
            assert_eq!(render(date), None);
            assert_eq!(render(b"2016-03-30"), Some(*b"2016-03-30T01:30:00+02:00"));
        }
    }
}
