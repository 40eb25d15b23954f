use jiff::Timestamp;
use jiff::civil::datetime;

use super::*;
use crate::model::{CustomerId, FreeText, MessageType, OrderId, OrderStatus, StrEnum};

fn order() -> Order {
    Order::new(OrderId::try_new(1).unwrap())
}

fn at(wall: DateTime) -> LocalTime {
    Zone::stockholm().resolve(wall)
}

fn differences(left: &Order, right: &Order) -> Differences {
    let reader = Reader::new(Zone::stockholm());
    reader.order(left).differences(&reader.order(right), FieldSet::of(&Field::ALL))
}

fn message(second: i8, text: &str) -> Message {
    Message {
        at: Some(at(datetime(2026, 9, 1, 9, 5, second, 0))),
        kind: Some(Extensible::Known(MessageType::Log)),
        text: Some(Pii::<FreeText>::from(text)),
    }
}

fn with_log(messages: Vec<Message>) -> Order {
    Order { messages: Some(messages), ..order() }
}

#[test]
fn each_field_differs_alone() {
    let phone = |number: &str| Person { phone: Some(number.into()), ..Person::default() };
    let customer = |id, person: Person| Some(OrderedBy { id: CustomerId::try_new(id).ok(), person: Some(Box::new(person)) });
    let known = Order { customer: customer(1, phone("0701740605")), ..order() };
    for (other, expected) in [
        (Order { kind: Some("order".into()), ..known.clone() }, (Field::Type, How::MissingLeft)),
        (Order { customer: customer(2, phone("0701740605")), ..known.clone() }, (Field::CustomerId, How::OtherValue)),
        (Order { customer: customer(1, Person::default()), ..known.clone() }, (Field::Phone, How::MissingRight)),
        (Order { customer: customer(1, phone("0701740606")), ..known.clone() }, (Field::Phone, How::OtherValue)),
        (Order { delivery: Some(Delivery::Asap), ..known.clone() }, (Field::DeliverAsap, How::OtherValue)),
        (Order { details: Some(vec![Detail::default()]), ..known.clone() }, (Field::Details, How::Rows { left: 0, right: 1 })),
    ] {
        assert_eq!(differences(&known, &other), [expected]);
        assert_eq!(differences(&other, &other), []);
    }
}

#[test]
fn statuses_are_equal_by_meaning() {
    let with = |status: &str| Order { status: Some(Extensible::from_wire(status)), ..order() };
    assert_eq!(differences(&with("new"), &with("NEW")), []);
    assert_eq!(differences(&with("new"), &with(OrderStatus::Active.as_str())), [(Field::Status, How::OtherValue)]);
}

#[test]
fn times_are_equal_to_the_minute_and_in_the_hour_that_repeats() {
    let with = |wall| Order { ordered_at: Some(at(wall)), ..order() };
    let minute = with(datetime(2026, 9, 1, 9, 5, 0, 0));
    assert_eq!(differences(&minute, &with(datetime(2026, 9, 1, 9, 5, 59, 0))), []);
    assert_eq!(differences(&minute, &with(datetime(2026, 9, 1, 9, 7, 0, 0))), [(Field::OrderedAt, How::OtherValue)]);

    let later: Timestamp = "2026-10-25T01:30:00Z".parse().unwrap();
    let exact = Order { ordered_at: Some(Zone::stockholm().at(later)), ..order() };
    assert_eq!(differences(&with(datetime(2026, 10, 25, 2, 30, 0, 0)), &exact), []);
}

#[test]
fn white_space_composition_and_final_zeros_make_no_difference() {
    let with = |name: &str, fee: &str| Order {
        network_name: Some(name.into()),
        details: Some(vec![Detail { name: Some("fee".into()), value: None, monthly_fee: Some(fee.into()) }]),
        ..order()
    };
    assert_eq!(differences(&with("Övre  Åsele", "279.50"), &with(" O\u{308}vre A\u{30a}sele", "279.5")), []);
    assert_eq!(differences(&with("", "100"), &with(" ", "100.00")), []);
    assert_eq!(differences(&with("a", "100"), &with("a", "1")), [(Field::Details, How::Rows { left: 1, right: 1 })]);
}

#[test]
fn rows_of_the_log_are_equal_within_two_seconds_in_any_order_and_without_markers() {
    let log = with_log(vec![message(0, "a"), message(3, "b"), message(3, "b")]);
    let same = with_log(vec![message(5, "b"), message(1, "b"), message(2, "a")]);
    assert_eq!(differences(&log, &same), []);
    let late = with_log(vec![message(3, "a"), message(3, "b")]);
    assert_eq!(differences(&log, &late), [(Field::Messages, How::Rows { left: 2, right: 1 })]);

    let marked = with_log(vec![message(0, "gw:MZXW6YTBOI2AABCDEF på väg")]);
    assert_eq!(differences(&marked, &with_log(vec![message(0, "på väg")])), []);
    // An empty log and none are the same.
    assert_eq!(differences(&order(), &with_log(Vec::new())), []);
}

#[test]
fn only_compared_fields_differ() {
    let reader = Reader::new(Zone::stockholm());
    let (left, right) = (reader.order(&order()), reader.order(&Order { kind: Some("order".into()), ..order() }));
    assert_eq!(left.differences(&right, FieldSet::of(&Field::ALL).without(FieldSet::of(&[Field::Type]))), []);
}
