//! Log lines in JSON: one object per line, `timestamp` and `level` first, then the fields of the event in their order.
//!
//! `tracing_subscriber::fmt::format::Json` writes the same lines through serde's maps and formats the date of each. Measured for
//! a line of the access log, that takes four times the instructions.

use std::cell::Cell;
use std::fmt::{self, Write};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::model;

/// Formats an event as a line of JSON.
#[derive(Debug)]
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writer.write_str("{\"timestamp\":\"")?;
        write_time(&mut writer, model::now())?;
        writer.write_str("\",\"level\":\"")?;
        writer.write_str(event.metadata().level().as_str())?;
        writer.write_char('"')?;
        let mut members = Members { writer, result: Ok(()) };
        event.record(&mut members);
        let Members { mut writer, result } = members;
        result?;
        writer.write_str("}\n")
    }
}

/// Length of `2016-03-14T09:05:00`.
const SECOND: usize = 19;

thread_local! {
    /// The last second that this thread has formatted: most lines of a busy gateway share it with the line before.
    static FORMATTED: Cell<(i64, [u8; SECOND])> = const { Cell::new((i64::MIN, [0; SECOND])) };
}

/// Writes a time in UTC with microseconds.
fn write_time(writer: &mut impl Write, time: Timestamp) -> fmt::Result {
    let second = time.as_second();
    let (mut formatted, mut text) = FORMATTED.get();
    if formatted != second {
        let date_and_time = Timestamp::from_second(second).unwrap_or_default().to_string();
        formatted = second;
        text = date_and_time.as_bytes().first_chunk().copied().unwrap_or(text);
        FORMATTED.set((formatted, text));
    }
    writer.write_str(str::from_utf8(&text).unwrap_or_default())?;
    write!(writer, ".{:06}Z", time.subsec_microsecond())
}

/// Writes the fields of an event as members of an object that has members already. Stops at the first error.
struct Members<'w> {
    writer: Writer<'w>,
    result: fmt::Result,
}

impl Members<'_> {
    fn write(&mut self, field: &Field, write_value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let writer = &mut self.writer;
        let write = || {
            writer.write_str(",\"")?;
            write_escaped(writer, field.name())?;
            writer.write_str("\":")?;
            write_value(writer)
        };
        self.result = self.result.and_then(|()| write());
    }

    fn write_text(&mut self, field: &Field, text: impl FnOnce(&mut Escaped<'_, '_>) -> fmt::Result) {
        self.write(field, |writer| {
            writer.write_char('"')?;
            text(&mut Escaped(writer))?;
            writer.write_char('"')
        });
    }

    fn write_number(&mut self, field: &Field, number: impl itoa::Integer) {
        self.write(field, |writer| writer.write_str(itoa::Buffer::new().format(number)));
    }
}

impl Visit for Members<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, |writer| writer.write_str(if value { "true" } else { "false" }));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write_number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write_number(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has neither infinity nor NaN.
        self.write(field, |writer| if value.is_finite() { write!(writer, "{value:?}") } else { writer.write_str("null") });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write_text(field, |text| text.write_str(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write_text(field, |text| write!(text, "{value:?}"));
    }
}

/// Escapes what is written to it for a string of JSON.
struct Escaped<'e, 'w>(&'e mut Writer<'w>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_escaped(self.0, text)
    }
}

/// Writes text with the escapes of `serde_json`: quotation mark, backslash and control characters, these in their short forms.
fn write_escaped(writer: &mut impl Write, mut text: &str) -> fmt::Result {
    let needs_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // A byte below 0x80 is a character of its own in UTF-8.
    while let Some(position) = text.bytes().position(needs_escape) {
        let (plain, rest) = text.split_at(position);
        writer.write_str(plain)?;
        let (escaped, rest) = rest.split_at(1);
        match escaped {
            "\"" => writer.write_str("\\\"")?,
            "\\" => writer.write_str("\\\\")?,
            "\n" => writer.write_str("\\n")?,
            "\r" => writer.write_str("\\r")?,
            "\t" => writer.write_str("\\t")?,
            "\x08" => writer.write_str("\\b")?,
            "\x0c" => writer.write_str("\\f")?,
            control => control.bytes().try_for_each(|byte| write!(writer, "\\u{byte:04x}"))?,
        }
        text = rest;
    }
    writer.write_str(text)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{fmt as subscriber, registry};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// The text that is logged meanwhile.
    fn logged(log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let layer = subscriber::layer().with_writer(lines.clone()).event_format(JsonLines);
        tracing::subscriber::with_default(registry().with(layer), log);
        String::from_utf8(lines.0.lock().clone()).unwrap()
    }

    #[test]
    fn line_has_time_level_and_fields_in_order() {
        let nothing: Option<u64> = None;
        let text = logged(|| {
            tracing::warn!(
                request.id = "a\"b",
                status = 200_u64,
                change = -1,
                is_set = true,
                nothing,
                ratio = 0.5,
                none = f64::NAN,
                shown = %"å\n",
                "done {}",
                1
            );
        });

        let (head, rest) = text.split_at("{\"timestamp\":\"".len());
        let (time, rest) = rest.split_at("2016-03-14T09:05:00.000000Z".len());
        assert_eq!(head, "{\"timestamp\":\"");
        assert!(time.parse::<Timestamp>().is_ok() && time.ends_with('Z'), "{time}");
        let fields = "\"request.id\":\"a\\\"b\",\"status\":200,\"change\":-1,\"is_set\":true,\"ratio\":0.5,\"none\":null";
        let expected = format!("\",\"level\":\"WARN\",\"message\":\"done 1\",{fields},\"shown\":\"å\\n\"}}\n");
        assert_eq!(rest, expected);
    }

    #[test]
    fn time_has_microseconds_in_utc() {
        for time in ["2016-03-14T09:05:00.000000Z", "2016-03-14T09:05:00.123456Z", "2016-12-31T23:59:59.999999Z"] {
            let mut text = String::new();
            write_time(&mut text, time.parse().unwrap()).unwrap();

            assert_eq!(text, time);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_escaped_like_serde_json(text in any::<String>()) {
            let mut escaped = String::new();
            write_escaped(&mut escaped, &text).unwrap();

            prop_assert_eq!(format!("\"{escaped}\""), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn any_field_makes_one_line_that_reads_back(text in any::<String>(), number in any::<u64>(), pieces in any::<Vec<String>>()) {
            let line = logged(|| tracing::info!(text, number, debug = ?pieces, displayed = %text, "{text}"));

            prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
            let mut value: Value = serde_json::from_str(&line).unwrap();
            value.as_object_mut().unwrap().remove("timestamp");
            let expected = json!({
                "level": "INFO", "message": text, "text": text, "number": number, "displayed": text, "debug": format!("{pieces:?}"),
            });
            prop_assert_eq!(value, expected);
        }
    }
}
