//! Property tests: what the DTOs write is read again.

use proptest::option;
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::backend::UndecodableItem;
use crate::model::strategies::{customer_id, detailed_order, digits, listed_order, resident, time};
use crate::model::{
    Customer, CustomerId, Delivery, ListedOrder, LocalTime, Message, Order, OrderId, OrderStatus, Person, PiiAccess, Scope,
};
use crate::problem::Code;
use crate::rest::{dto, json};

fn zone() -> Zone {
    Zone::stockholm()
}

fn written(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    json::write(value, &mut out).unwrap();
    out
}

/// What JSON tells of a time: its earlier instant.
fn canonical_time(time: LocalTime) -> LocalTime {
    zone().at(time.earliest())
}

fn canonical_person(person: Person) -> Person {
    Person { registered_at: person.registered_at.map(canonical_time), ..person }
}

fn canonical(mut order: Order) -> Order {
    order.ordered_at = order.ordered_at.map(canonical_time);
    if let Some(Delivery::At(time)) = &mut order.delivery {
        *time = canonical_time(*time);
    }
    if order.details.is_some() {
        order.messages.get_or_insert_default();
    }
    for message in order.messages.iter_mut().flatten() {
        message.at = message.at.map(canonical_time);
    }
    if let Some(person) = order.customer.as_mut().and_then(|customer| customer.person.as_mut()) {
        **person = canonical_person((**person).clone());
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn detailed_orders_round_trip(order in detailed_order()) {
        let json = written(&dto::Order::new(&order, PiiAccess::Full));

        let read: Order = read_details(&json, &zone()).unwrap();

        prop_assert_eq!(written(&dto::Order::new(&read, PiiAccess::Full)), json);
        prop_assert_eq!(read, canonical(order));
    }

    #[test]
    fn listed_orders_round_trip(order in listed_order()) {
        let json = written(&dto::Order::new(&order, PiiAccess::Full));

        let line = read_line::<ListedOrder>(&json, 1, &zone());

        prop_assert_eq!(line, Ok(Line::Item(canonical(order).into())));
    }

    #[test]
    fn customers_round_trip(
        id in customer_id(),
        resident in resident(),
        member_id in option::of(digits()),
        registered_at in option::of(time(60)),
    ) {
        let person = Person { member_id: member_id.map(Into::into), registered_at, ..resident };
        let customer = Customer { id, person };
        let json = written(&dto::Customer::new(&customer, PiiAccess::Full));
        let canonical = Customer { id, person: canonical_person(customer.person) };

        prop_assert_eq!(read_line(&json, 1, &zone()), Ok(Line::Item(canonical.clone())));
        prop_assert_eq!(read_details(&json, &zone()), Ok(canonical));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(text in "[{}\\[\\]\",:a-z0-9é]{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for json in [text.as_bytes(), &bytes] {
            let _ = read_details::<Order>(json, &zone());
            let _ = read_line::<Customer>(json, 1, &zone());
            let _ = read_document(json);
            let _ = (Problem::read(json), read_scopes(json), AddedMessage::read(json, &zone()));
        }
    }
}

fn order(members: &Value) -> Result<Order, &'static str> {
    let mut order = json!({"id": 7, "deliverAsap": false, "messages": [], "details": []});
    let all = order.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        all.insert(name.clone(), value.clone());
    }
    read_details(order.to_string().as_bytes(), &zone()).map_err(|ReadError(reason)| reason)
}

fn empty_order() -> Order {
    let id = OrderId::try_new(7).unwrap();
    Order { messages: Some(Vec::new()), details: Some(Vec::new()), ..Order::new(id) }
}

#[test]
fn absent_null_blank_and_unknown_members_are_the_same() {
    for members in [
        json!({}),
        json!({"status": null, "customer": null, "orderedAt": null}),
        json!({"type": " \n", "status": "", "orderedAt": " ", "service": {"id": ""}, "customer": {}, "network": {}}),
        json!({"statusTag": "\"x\"", "further": {"id": [1, {}]}, "provider": {"further": 1}}),
    ] {
        assert_eq!(order(&members), Ok(empty_order()), "{members}");
    }
}

#[test]
fn texts_are_trimmed_and_enums_are_read_in_any_case() {
    let read = order(&json!({"status": " Received", "network": {"name": "\tÖvre Åsele\r\n"}})).unwrap();
    assert_eq!(read.status.unwrap(), crate::model::Extensible::Known(OrderStatus::Received));
    assert_eq!(read.network_name.as_deref(), Some("Övre Åsele"));
}

#[test]
fn types_ids_and_times_are_strict() {
    const MISMATCH: &str = "it is not an order of the API";
    const TIME: &str = "one of its times is not a time in RFC 3339 format";
    for (members, reason) in [
        (json!({"id": "7"}), MISMATCH),
        (json!({"id": 7.0}), MISMATCH),
        (json!({"id": -7}), MISMATCH),
        (json!({"id": 0}), "its id is not a valid order id"),
        (json!({"id": 9_007_199_254_740_992_u64}), "its id is not a valid order id"),
        (json!({"customer": {"id": 0}}), "its customer id is not a valid customer id"),
        (json!({"customer": [18020]}), MISMATCH),
        (json!({"customer": "18020"}), MISMATCH),
        (json!({"service": {"id": 3105}}), MISMATCH),
        (json!({"status": 1}), MISMATCH),
        (json!({"deliverAsap": "true"}), MISMATCH),
        (json!({"deliverAsap": null}), MISMATCH),
        (json!({"messages": null}), MISMATCH),
        (json!({"details": null}), MISMATCH),
        (json!({"messages": [["2016-03-14T09:05:00+01:00", "log", "hej"]]}), MISMATCH),
        (json!({"orderedAt": "2016-03-14"}), TIME),
        (json!({"orderedAt": "2016-03-14T09:05:00"}), TIME),
        (json!({"messages": [{"at": "igår"}]}), TIME),
        (
            json!({"deliverAsap": true, "requestedDeliveryAt": "2016-03-14T09:05:00Z"}),
            "it is to be delivered as soon as possible, and at a time",
        ),
    ] {
        assert_eq!(order(&members), Err(reason), "{members}");
    }
    for foreign in [
        "[]",
        "7",
        "null",
        "{}",
        r#"{"id":7}"#,
        r#"{"id":7,"name":"Widget"}"#,
        r#"[7,"order"]"#,
        "<html>",
        "",
        r#"{"id":7,"id":7,"deliverAsap":false,"messages":[],"details":[]}"#,
        r#"{"id":7,"deliverAsap":false,"messages":[],"details":[]} {}"#,
    ] {
        assert_eq!(read_details::<Order>(foreign.as_bytes(), &zone()), Err(ReadError(MISMATCH)), "{foreign}");
    }
}

#[test]
fn times_are_shown_as_the_clocks_of_the_zone_showed_them() {
    for (text, shown) in [
        ("2016-03-14T09:05:00+01:00", "2016-03-14T09:05:00+01:00"),
        ("2016-03-14T08:05:00Z", "2016-03-14T09:05:00+01:00"),
        ("2016-07-01T23:05:59.999-02:00", "2016-07-02T03:05:59+02:00"),
        ("2016-10-30T02:30:00+02:00", "2016-10-30T02:30:00+02:00"),
        ("2016-10-30T02:30:00+01:00", "2016-10-30T02:30:00+01:00"),
    ] {
        let read = order(&json!({"orderedAt": text})).unwrap().ordered_at.unwrap();
        assert_eq!(read.to_string(), shown, "{text}");
        assert_eq!(read.earliest(), read.latest(), "{text}");
    }
}

#[test]
fn loss_time_in_the_repeated_hour_becomes_its_earlier_instant() {
    let time = zone().resolve("2016-10-30T02:30:00".parse().unwrap());
    let order = Order { ordered_at: Some(time), ..empty_order() };

    let read: Order = read_details(&written(&dto::Order::new(&order, PiiAccess::Full)), &zone()).unwrap();

    let read = read.ordered_at.unwrap();
    assert_eq!((read.wall(), read.earliest(), read.latest()), (time.wall(), time.earliest(), time.earliest()));
    assert_ne!(time.earliest(), time.latest());
}

#[test]
fn loss_time_before_1900_moves_by_the_seconds_of_its_offset() {
    let time = zone().resolve("1850-01-01T00:00:00".parse().unwrap());
    let order = Order { ordered_at: Some(time), ..empty_order() };

    let read: Order = read_details(&written(&dto::Order::new(&order, PiiAccess::Full)), &zone()).unwrap();

    assert_eq!(read.ordered_at.unwrap().to_string(), "1850-01-01T00:00:28+00:53");
}

#[test]
fn loss_log_that_is_not_known_becomes_an_empty_one() {
    let order = Order { messages: None, ..empty_order() };
    let read: Order = read_details(&written(&dto::Order::new(&order, PiiAccess::Full)), &zone()).unwrap();
    assert_eq!(read.messages, Some(Vec::new()));
}

#[test]
fn loss_marker_is_removed_from_a_text() {
    let entry = |text: &str| Message { text: Some(text.into()), ..Message::default() };
    let messages = Some(vec![entry("gw:ABCDEFGHIJKLMNOPQ2 Ring"), entry("gw:ABCDEFGHIJKLMNOPQ2")]);
    let order = Order { messages, ..empty_order() };

    let read: Order = read_details(&written(&dto::Order::new(&order, PiiAccess::Full)), &zone()).unwrap();

    assert_eq!(read.messages, Some(vec![entry("Ring"), Message::default()]));
}

#[test]
fn lists_leave_out_what_only_details_have() {
    let line = br#"{"id":7,"deliverAsap":true,"service":{"id":"3105","name":"100/100"},"provider":{"id":"40210","name":"Ljusbolaget"},
        "customer":{"id":18020,"firstName":"Tolvan"},"network":{"name":"Stadsnet"},"messages":[{"text":"hej"}],"details":[{"name":"x"}]}"#;

    let Ok(Line::Item(order)) = read_line::<ListedOrder>(line, 1, &zone()) else { panic!("no item") };

    let order = order.into_order();
    assert_eq!((order.service.id.as_deref(), order.service.name), (Some("3105"), None));
    assert_eq!((order.provider.id.as_deref(), order.provider.name, order.network_name), (Some("40210"), None, None));
    assert_eq!((order.messages, order.details, order.delivery), (None, None, Some(Delivery::Asap)));
    let customer = order.customer.unwrap();
    assert_eq!((customer.id, customer.person), (CustomerId::try_new(18020).ok(), None));
}

#[test]
fn lines_are_items_unreadable_or_the_end() {
    let undecodable = |position, id, detail| UndecodableItem { position, id, detail };
    let read = |line: &str| read_line::<Customer>(line.as_bytes(), 3, &zone());
    let end = |count, next_cursor: Option<&str>| Ok(Line::End { count, next_cursor: next_cursor.map(str::to_owned) });

    assert_eq!(read(r#"{"complete":true,"count":2}"#), end(2, None));
    assert_eq!(read(r#"{"count":2,"further":{},"nextCursor":"c","complete":true}"#), end(2, Some("c")));
    let unreadable = undecodable(9, Some(4), "the server could not read it");
    assert_eq!(read(r#"{"unreadable":{"position":9,"id":4,"detail":"it has no date"}}"#), Ok(Line::Unreadable(unreadable)));
    for (line, id, detail) in [
        (r#"{"complete":false,"count":2}"#, None, "it has no id"),
        (r#"{"complete":true}"#, None, "it has no id"),
        (r#"{"id":4,"city":5}"#, Some(4), "it is not a customer of the API"),
        (r#"{"id":4,"registeredAt":"igår"}"#, Some(4), "one of its times is not a time in RFC 3339 format"),
        (r#"{"id":4"#, None, "it is not a customer of the API"),
        ("{}", None, "it has no id"),
        ("[4]", None, "it is not a customer of the API"),
    ] {
        assert_eq!(read(line), Err(undecodable(3, id, detail)), "{line}");
    }
}

#[test]
fn documents_are_lists_of_items_that_stand_for_themselves() {
    let json =
        br#"{"items":[{"id":1}, {"id":0},{"id":3}],"unreadable":[{"position":2,"detail":"x"}],"nextCursor":"c","total":4}"#;

    let Document { items, unreadable, next_cursor } = read_document(json).unwrap();

    let read = |(position, range): (u64, std::ops::Range<usize>)| read_item::<Customer>(&json[range], position, &zone());
    let items: Vec<_> = (1..).zip(items).map(read).map(|item| item.map(|customer| customer.id.get())).collect();
    let undecodable = UndecodableItem { position: 2, id: Some(0), detail: "its customer id is not a valid customer id" };
    assert_eq!(items, [Ok(1), Err(undecodable), Ok(3)]);
    assert_eq!(unreadable, [UndecodableItem { position: 2, id: None, detail: "the server could not read it" }]);
    assert_eq!(next_cursor.as_deref(), Some("c"));
    for foreign in [
        r#"{"items":[],"complete":false}"#,
        "[]",
        "{}",
        r#"{"items":{}}"#,
        r#"{"items":null}"#,
        r#"{"items":[{]}"#,
        r#"{"items":[]"#,
        "<html>",
        "",
    ] {
        assert!(read_document(foreign.as_bytes()).is_err(), "{foreign}");
    }
}

#[test]
fn problems_are_read_as_far_as_they_are_known() {
    let problem = |json: Value| Problem::read(json.to_string().as_bytes());
    let full = problem(json!({"type": "/problems/x", "status": 409, "code": "refused-by-upstream", "outcome": "not-applied",
        "upstreamMessage": "Ordern kan inte ändras", "errors": [{"pointer": "/text"}, {"detail": "must not be blank"}]}));
    assert_eq!(
        full,
        Some(Problem {
            code: Some(Code::RefusedByUpstream),
            outcome: Some(Outcome::NotApplied),
            upstream_message: Some("Ordern kan inte ändras".to_owned()),
            first_fault: Some("must not be blank".to_owned()),
        })
    );
    let other = problem(json!({"code": "quota-exceeded", "outcome": "applied"})).unwrap();
    assert_eq!((other.code, other.outcome), (None, Some(Outcome::Unknown)));
    assert_eq!(problem(json!({"outcome": true})), None);
    assert_eq!(problem(json!(["refused-by-upstream"])), None);
}

#[test]
fn only_what_was_asked_for_confirms_a_write() {
    let status = |json: Value| has_status(json.to_string().as_bytes(), OrderStatus::Received);
    assert!(status(json!({"status": "received", "contested": true})));
    for other in [json!({"status": "new"}), json!({"status": "Received"}), json!({}), json!(["received"]), json!("received")] {
        assert!(!status(other.clone()), "{other}");
    }
    let message = |json: Value| AddedMessage::read(json.to_string().as_bytes(), &zone());
    let added = message(json!({"type": "log", "text": "hej", "at": "2016-03-14T08:05:00Z"})).unwrap();
    assert_eq!(added.at.unwrap().to_string(), "2016-03-14T09:05:00+01:00");
    assert_eq!(message(json!({"type": "log", "text": "hej", "at": "igår"})), Some(AddedMessage { at: None }));
    for other in
        [json!({"type": "log"}), json!({"text": "hej"}), json!({"type": "log", "text": 1}), json!([null, "log", "hej"])]
    {
        assert_eq!(message(other.clone()), None, "{other}");
    }
}

#[test]
fn scopes_that_are_not_known_are_ignored() {
    let scopes = read_scopes(br#"{"client":"x","scopes":["orders:read","orders:delete"]}"#).unwrap();
    assert!(scopes.has(Scope::OrdersRead) && !scopes.has(Scope::OrdersWrite));
    assert_eq!(read_scopes(br#"{"scopes":"orders:read"}"#), None);
}
