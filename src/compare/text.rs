//! The report for people.

use std::fmt::Write;
use std::time::Duration;

use super::both::{Both, Which};
use super::field::Field;
use super::report::{FieldTally, Outcome, Report, Tally, count};
use super::subject::Subject;

/// At most so many ids are shown of a kind.
const SHOWN: usize = 5;
const LABEL: usize = 18;
const COLUMN: usize = 9;
/// After a blank, so that long names stay apart.
const RIGHT_COLUMN: usize = COLUMN - 1;
/// Of a field, below its subject.
const FIELD: usize = LABEL + COLUMN - 6;

impl Report {
    /// The report as text, with some of the ids.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Both { left, right } = &self.names;
        let until = self.until.map_or_else(String::new, |until| format!(" {until}"));
        let mut text =
            format!("compare  {left} ⇄ {right}   orders placed {} …{until}          nothing was written\n", self.since);
        // Cannot fail: it writes into memory.
        let _ = writeln!(text, "{:LABEL$}{left:>COLUMN$} {right:>RIGHT_COLUMN$}", "");
        self.add(&mut text, &self.orders, Subject::Orders);
        if let Some(customers) = &self.customers {
            self.add(&mut text, customers, Subject::Customers);
        }
        for (number, (call, names)) in self.unknown.in_calls.iter().enumerate() {
            let label = if number == 0 { "not known" } else { "" };
            let _ = writeln!(text, "{label:<LABEL$}{}, in {call}", names.join(", "));
        }
        if let Some(reason) = &self.reason {
            let _ = writeln!(text, "{:<LABEL$}{reason}", "reason");
        }
        let outcome = self.outcome();
        let word = match outcome {
            Outcome::Equal => "EQUAL",
            Outcome::Different => "DIFFERENT",
            Outcome::NotCompared => "NOT COMPARED",
        };
        let calls = self.calls.map(|calls| grouped(*calls));
        let (time, code) = (duration(self.duration), outcome.exit_code());
        let _ = writeln!(text, "{word} · {} + {} calls · {time} · exit {code}", calls.left, calls.right);
        text
    }

    fn add(&self, text: &mut String, tally: &Tally, subject: Subject) {
        let only = |which| {
            let ids = tally.only.of(which);
            (!ids.is_empty()).then(|| format!("only in {}: {}", self.names.of(which), some_of(ids)))
        };
        let (only_left, only_right) = (only(Which::Left), only(Which::Right));
        let (first, second) = if only_left.is_some() { (only_left, only_right) } else { (only_right, None) };
        line(text, subject.plural(), tally.listed.map(|count| Some(*count)), &first.unwrap_or_default());
        if let Some(second) = second {
            line(text, "", Both::default(), &second);
        }
        let moved = if tally.moved.is_empty() { String::new() } else { format!("moved meanwhile: {}", tally.moved.len()) };
        line(text, "equal", Both { left: Some(tally.equal), right: None }, &moved);
        line(text, "different", Both { left: Some(count(tally.different.len())), right: None }, "");
        for (field, found) in &tally.fields {
            self.add_field(text, subject.field_name(*field), *field, found);
        }
        let of = |which| Some(count(tally.not_readable.iter().filter(|(_, side)| *side == which).count()));
        let unreadable = Both { left: of(Which::Left), right: of(Which::Right) };
        let ids: Vec<_> = tally.not_readable.iter().filter_map(|(id, _)| *id).collect();
        line(text, "not readable", unreadable, &if ids.is_empty() { String::new() } else { some_of(&ids) });
    }

    fn add_field(&self, text: &mut String, name: &str, field: Field, found: &FieldTally) {
        let how = if matches!(field, Field::Messages | Field::Details) { self.rows(found) } else { self.values(found) };
        let ids = found.examples.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let example = if found.count > 1 { "e.g. " } else { "" };
        // Cannot fail: it writes into memory.
        let _ = writeln!(text, "   {name:<FIELD$}{:>3}   {how:<18}  {example}{ids}", grouped(found.count));
    }

    fn rows(&self, found: &FieldTally) -> String {
        let Both { left, right } = &self.names;
        let rows = |count: usize| format!("{count} {}", if count == 1 { "row" } else { "rows" });
        match (found.rows.left, found.rows.right) {
            (0, 0) => String::new(),
            (only_left, 0) => format!("{} more in {left}", rows(only_left)),
            (0, only_right) => format!("{} more in {right}", rows(only_right)),
            (only_left, only_right) => format!("{} only in {left}, {} only in {right}", rows(only_left), rows(only_right)),
        }
    }

    fn values(&self, found: &FieldTally) -> String {
        let missing = |which| (format!("missing in {}", self.names.of(which)), *found.missing.of(which));
        let kinds = [missing(Which::Left), missing(Which::Right), ("other value".to_owned(), found.other_value)];
        let kinds: Vec<_> = kinds.into_iter().filter(|(_, count)| *count > 0).collect();
        match kinds.as_slice() {
            [(kind, _)] => kind.clone(),
            kinds => kinds.iter().map(|(kind, count)| format!("{kind}: {count}")).collect::<Vec<_>>().join(", "),
        }
    }
}

fn line(text: &mut String, label: &str, numbers: Both<Option<u64>>, note: &str) {
    let Both { left, right } = numbers.map(|number| number.map_or_else(String::new, grouped));
    let line = format!("{label:<LABEL$}{left:>COLUMN$} {right:>RIGHT_COLUMN$}     {note}");
    text.push_str(line.trim_end());
    text.push('\n');
}

fn some_of(ids: &[u64]) -> String {
    let shown = ids.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if ids.len() > SHOWN { format!("{} (e.g. {shown})", grouped(count(ids.len()))) } else { shown }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{} ms", time.as_millis()),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests;
