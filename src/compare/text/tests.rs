use std::collections::BTreeMap;

use jiff::civil::date;

use super::*;
use crate::compare::field::FieldSet;
use crate::compare::report::Unknown;
use crate::compare::values::How;

fn report() -> Report {
    let mut orders = Tally {
        listed: Both { left: 1204, right: 1203 },
        equal: 1197,
        only: Both { left: vec![21377], right: Vec::new() },
        moved: vec![1, 2],
        ..Tally::default()
    };
    for id in [20455, 20981, 21002] {
        orders.count(id, Field::Phone, Some(How::MissingRight));
        orders.different.push((id, FieldSet::of(&[Field::Phone])));
    }
    orders.count(20760, Field::Messages, Some(How::Rows { left: 2, right: 0 }));
    orders.different.push((20760, FieldSet::of(&[Field::Messages])));
    Report {
        reason: None,
        names: Both { left: "old".to_owned(), right: "new".to_owned() },
        since: date(2026, 9, 1),
        until: Some(date(2026, 11, 26)),
        orders,
        customers: None,
        unknown: Unknown::default(),
        calls: Both { left: 1209, right: 1207 },
        duration: Duration::from_secs(242),
    }
}

#[test]
fn report_is_a_table() {
    let expected = "\
compare  old ⇄ new   orders placed 2026-09-01 … 2026-11-26          nothing was written
                        old      new
orders                1 204    1 203     only in old: 21377
equal                 1 197              moved meanwhile: 2
different                 4
   customer.phone         3   missing in new      e.g. 20455, 20981, 21002
   messages               1   2 rows more in old  20760
not readable              0        0
DIFFERENT · 1 209 + 1 207 calls · 4 min 2 s · exit 1
";
    assert_eq!(report().to_text(), expected);
}

#[test]
fn report_says_what_is_not_known_and_why_it_is_not_complete() {
    let mut report = report();
    report.reason = Some("2 orders could not be read".to_owned());
    report.orders.not_readable = vec![(Some(7), Which::Left), (None, Which::Right)];
    report.unknown.in_calls = vec![("details of orders", vec!["provider.id", "messages.reference"])];
    let text = report.to_text();
    assert!(text.contains("\nnot readable              1        1     7\n"), "{text}");
    assert!(text.contains("\nnot known         provider.id, messages.reference, in details of orders\n"), "{text}");
    assert!(text.contains("\nreason            2 orders could not be read\nNOT COMPARED · "), "{text}");
}

#[test]
fn kinds_of_one_field_are_counted_each() {
    let mut tally = Tally::default();
    for how in [How::MissingLeft, How::MissingRight, How::MissingRight, How::OtherValue] {
        tally.count(1, Field::Status, Some(how));
    }
    tally.count(1, Field::Details, Some(How::Rows { left: 1, right: 2 }));
    tally.count(1, Field::City, None);
    let report = Report { orders: tally, ..report() };
    let text = report.to_text();
    assert!(text.contains("missing in old: 1, missing in new: 2, other value: 1"), "{text}");
    assert!(text.contains("1 row only in old, 2 rows only in new"), "{text}");
    assert_eq!(report.orders.fields.keys().copied().collect::<Vec<_>>(), [Field::Status, Field::City, Field::Details]);
    assert_eq!(BTreeMap::from_iter(report.orders.fields).len(), 3);
}

#[test]
fn numbers_and_times_are_readable() {
    assert_eq!([0, 12, 123, 1234, 1_234_567].map(grouped), ["0", "12", "123", "1 234", "1 234 567"]);
    let times = [300, 2_000, 242_000, 3_780_000].map(|time| duration(Duration::from_millis(time)));
    assert_eq!(times, ["300 ms", "2 s", "4 min 2 s", "1 h 3 min"]);
    assert_eq!(some_of(&[1, 2, 3]), "1, 2, 3");
    assert_eq!(some_of(&[1, 2, 3, 4, 5, 6]), "6 (e.g. 1, 2, 3, 4, 5)");
}
