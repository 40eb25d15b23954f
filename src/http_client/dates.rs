//! What the times in the head of an answer mean.

use std::time::Duration;

use jiff::SignedDuration;

use crate::model::now;

/// The longest `Retry-After` that is respected.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

/// How far the clock of a server is ahead of ours, whose answer has just begun and shows this `Date`. An answer from a cache,
/// which has an `Age`, is older than it looks.
pub(crate) fn clock_skew(date: Option<&str>, has_age: bool) -> Option<SignedDuration> {
    let date = date.filter(|_| !has_age)?;
    jiff::fmt::rfc2822::parse(date).ok().map(|there| there.timestamp().duration_since(now()))
}

/// The delay of a `Retry-After`: seconds, or a time by the clock of the server, which shows `date`.
pub(crate) fn retry_after(text: &str, date: Option<&str>) -> Option<Duration> {
    let time_of = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp());
    let wait = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => time_of(text)?.duration_since(date.and_then(time_of).unwrap_or_else(now)).try_into().unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let date = Some("Mon, 14 Mar 2016 08:05:00 GMT");
        for (text, seconds) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("3600", Some(60)),
            ("Mon, 14 Mar 2016 08:05:07 GMT", Some(7)),
            ("Mon, 14 Mar 2016 09:05:07 GMT", Some(60)),
            ("Mon, 14 Mar 2016 08:04:07 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, date), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after("Mon, 14 Mar 2016 08:05:00 GMT", None), Some(Duration::ZERO), "long ago by our own clock");
        assert_eq!(retry_after("Thu, 14 Mar 2216 08:05:00 GMT", Some("?")), Some(MAX_RETRY_AFTER));
    }
}
