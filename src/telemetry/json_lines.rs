//! Log lines in JSON: one object per line, `timestamp` and `level` first, then the fields of the event in their order.
//!
//! `tracing_subscriber::fmt::format::Json` writes the same lines through serde's maps and a formatter of `dyn Write`, and formats
//! the date of each. Measured for a line of the access log, that takes twice the instructions.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::io::Write as _;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;

use crate::model;

/// Writes each event as a line of JSON, with one call of the writer.
#[derive(Debug)]
pub(super) struct JsonLines<W>(pub(super) W);

/// Capacity that the buffer of a thread keeps for its next line.
const KEPT_CAPACITY: usize = 16 * 1024;

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        LINE.with(|line| match line.try_borrow_mut() {
            Ok(mut line) => self.write(event, &mut line),
            // The value of a field logs while it is formatted.
            Err(_) => self.write(event, &mut String::new()),
        });
    }
}

impl<W: for<'w> MakeWriter<'w>> JsonLines<W> {
    fn write(&self, event: &Event<'_>, line: &mut String) {
        line.clear();
        line.shrink_to(KEPT_CAPACITY);
        line.push_str("{\"timestamp\":\"");
        push_time(line, model::now());
        line.push_str("\",\"level\":\"");
        line.push_str(event.metadata().level().as_str());
        line.push('"');
        event.record(&mut Members(line));
        line.push_str("}\n");
        // The queue counts what it drops, and there is no other place to report an error to.
        let _ = self.0.make_writer_for(event.metadata()).write_all(line.as_bytes());
    }
}

/// Length of `2016-03-14T09:05:00`.
const SECOND: usize = 19;

thread_local! {
    /// The last second that this thread has formatted: most lines of a busy gateway share it with the line before.
    static FORMATTED: Cell<(i64, [u8; SECOND])> = const { Cell::new((i64::MIN, [0; SECOND])) };
}

/// Appends a time in UTC with microseconds.
fn push_time(line: &mut String, time: Timestamp) {
    let second = time.as_second();
    let (mut formatted, mut text) = FORMATTED.get();
    if formatted != second {
        let date_and_time = Timestamp::from_second(second).unwrap_or_default().to_string();
        formatted = second;
        text = date_and_time.as_bytes().first_chunk().copied().unwrap_or(text);
        FORMATTED.set((formatted, text));
    }
    line.push_str(str::from_utf8(&text).unwrap_or_default());
    let _ = write!(line, ".{:06}Z", time.subsec_microsecond());
}

/// Appends the fields of an event as members of an object that has members already.
struct Members<'l>(&'l mut String);

impl Members<'_> {
    fn push_name(&mut self, field: &Field) {
        self.0.push_str(",\"");
        push_escaped(self.0, field.name());
        self.0.push_str("\":");
    }

    fn push_plain(&mut self, field: &Field, value: &str) {
        self.push_name(field);
        self.0.push_str(value);
    }
}

impl Visit for Members<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_plain(field, if value { "true" } else { "false" });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_plain(field, itoa::Buffer::new().format(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_plain(field, itoa::Buffer::new().format(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has neither infinity nor NaN.
        self.push_plain(field, &if value.is_finite() { format!("{value:?}") } else { "null".to_owned() });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push_name(field);
        self.0.push('"');
        push_escaped(self.0, value);
        self.0.push('"');
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push_name(field);
        self.0.push('"');
        // A value that fails to format itself is cut off there.
        let _ = write!(Escaped(self.0), "{value:?}");
        self.0.push('"');
    }
}

/// Escapes what is written to it for a string of JSON.
struct Escaped<'l>(&'l mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

/// Appends text with the escapes of `serde_json`: quotation mark, backslash and control characters, some in short forms.
fn push_escaped(line: &mut String, mut text: &str) {
    let needs_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // A byte below 0x80 is a character of its own in UTF-8.
    while let Some(position) = text.bytes().position(needs_escape) {
        let (plain, rest) = text.split_at(position);
        line.push_str(plain);
        let (escaped, rest) = rest.split_at(1);
        match escaped {
            "\"" => line.push_str("\\\""),
            "\\" => line.push_str("\\\\"),
            "\n" => line.push_str("\\n"),
            "\r" => line.push_str("\\r"),
            "\t" => line.push_str("\\t"),
            "\x08" => line.push_str("\\b"),
            "\x0c" => line.push_str("\\f"),
            control => control.bytes().for_each(|byte| {
                let _ = write!(line, "\\u{byte:04x}");
            }),
        }
        text = rest;
    }
    line.push_str(text);
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

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
        tracing::subscriber::with_default(registry().with(JsonLines(lines.clone())), log);
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
            push_time(&mut text, time.parse().unwrap());

            assert_eq!(text, time);
        }
    }

    #[test]
    fn value_that_logs_while_it_is_formatted_does_not_mix_lines() {
        struct Logging;

        impl fmt::Display for Logging {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                tracing::info!("inner");
                f.write_str("formatted")
            }
        }

        let text = logged(|| tracing::info!(value = %Logging, "outer"));

        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // `tracing` passes no event to a subscriber that is handling one.
        let last = lines.last().unwrap();
        assert_eq!((&last["message"], &last["value"]), (&json!("outer"), &json!("formatted")), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_is_escaped_like_serde_json(text in any::<String>()) {
            let mut escaped = String::new();
            push_escaped(&mut escaped, &text);

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
