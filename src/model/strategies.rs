//! Generated values for property tests: what either protocol can express.

use jiff::civil::{DateTime, datetime};
use proptest::option;
use proptest::prelude::*;

use super::{
    CustomerId, Delivery, Detail, Extensible, LocalTime, MAX_ID, Message, MessageType, Order, OrderId, OrderedBy, Person,
    Provider, Service, StrEnum, Zone,
};

/// A value as it is read: not blank, trimmed, without control characters and carriage returns.
pub(crate) fn text() -> impl Strategy<Value = String> {
    "x?[^\u{0}-\u{8}\u{b}-\u{1f}\u{7f}-\u{9f}\u{fffe}\u{ffff}]{0,12}"
        .prop_map(|text| format!("{text}x").trim_start_matches([' ', '\t', '\n']).to_owned())
}

/// Strings of digits that must not be parsed as numbers, and other text.
pub(crate) fn digits() -> impl Strategy<Value = String> {
    prop_oneof!["0{0,3}[0-9]{1,20}", "[A-Z]{2}[0-9]{4}[A-Z][0-9]{2}", "[0-9]{8}-[0-9]{4}", "[0-9]\\.[0-9]{2}", text()]
}

pub(crate) fn enum_value<E: StrEnum + std::fmt::Debug>() -> impl Strategy<Value = Extensible<E>> {
    let known = prop::sample::select(E::ALL).prop_map(Extensible::Known);
    prop_oneof![known, "[a-z]{1,8}x".prop_map(|unknown| Extensible::from_wire(&unknown))]
}

/// Times in steps of seconds. Local times that daylight saving skips are resolved here, because they would not round-trip.
pub(crate) fn time(step: i64) -> impl Strategy<Value = LocalTime> {
    const BEGIN: DateTime = datetime(1990, 1, 1, 0, 0, 0, 0);
    let seconds =
        (0_i64..2_000_000_000).prop_map(move |seconds| BEGIN.saturating_add(jiff::Span::new().seconds(seconds / step * step)));
    seconds.prop_map(|wall| Zone::stockholm().resolve(wall))
}

pub(crate) fn delivery(step: i64) -> impl Strategy<Value = Delivery> {
    prop_oneof![Just(Delivery::Asap), time(step).prop_map(Delivery::At)]
}

pub(crate) fn customer_id() -> impl Strategy<Value = CustomerId> {
    (1..=MAX_ID).prop_map(|id| CustomerId::try_new(id).expect("an id"))
}

pub(crate) fn order_id() -> impl Strategy<Value = OrderId> {
    (1..=MAX_ID).prop_map(|id| OrderId::try_new(id).expect("an id"))
}

pub(crate) fn identity() -> impl Strategy<Value = Person> {
    let strings = (option::of(digits()), option::of(digits()), option::of(text()), option::of(text()), option::of(text()));
    strings.prop_map(|(access_id, personal_identity_number, first_name, last_name, email)| Person {
        access_id: access_id.map(Into::into),
        personal_identity_number: personal_identity_number.map(Into::into),
        first_name: first_name.map(Into::into),
        last_name: last_name.map(Into::into),
        email: email.map(Into::into),
        ..Person::default()
    })
}

pub(crate) fn resident() -> impl Strategy<Value = Person> {
    let address = (option::of(text()), option::of(digits()), option::of(text()));
    let contact = (option::of(text()), option::of(digits()), option::of(digits()));
    (identity(), address, contact).prop_map(|(identity, (address, postal_code, city), (message, phone, premise))| Person {
        address: address.map(Into::into),
        postal_code: postal_code.map(Into::into),
        city: city.map(Into::into),
        phone: phone.map(Into::into),
        premise: premise.map(Into::into),
        message: message.map(Into::into),
        ..identity
    })
}

/// The customer of a detailed order: the id, the rest, or both.
pub(crate) fn ordered_by() -> impl Strategy<Value = Option<OrderedBy>> {
    (option::of(customer_id()), option::of(resident())).prop_map(|(id, person)| {
        let person = person.filter(|person| *person != Person::default()).map(Box::new);
        (id.is_some() || person.is_some()).then_some(OrderedBy { id, person })
    })
}

pub(crate) fn listed_order() -> impl Strategy<Value = Order> {
    let fields = (option::of(text()), option::of(enum_value()), option::of(digits()), option::of(digits()));
    let times = (option::of(time(1)), option::of(delivery(1)));
    (order_id(), fields, times, option::of(customer_id())).prop_map(
        |(id, (kind, status, service, provider), (ordered_at, delivery), customer)| Order {
            kind: kind.map(Into::into),
            status,
            ordered_at,
            delivery,
            service: Service { id: service.map(Into::into), ..Service::default() },
            provider: Provider { id: provider.map(Into::into), name: None },
            customer: customer.map(|id| OrderedBy { id: Some(id), person: None }),
            ..Order::new(id)
        },
    )
}

pub(crate) fn log_entry() -> impl Strategy<Value = Message> {
    (option::of(time(1)), option::of(enum_value::<MessageType>()), option::of(text())).prop_map(|(at, kind, text)| Message {
        at,
        kind,
        text: text.map(Into::into),
    })
}

pub(crate) fn detail() -> impl Strategy<Value = Detail> {
    let fields = (option::of(text()), option::of(text()), option::of(digits()));
    fields.prop_map(|(name, value, monthly_fee)| Detail {
        name: name.map(Into::into),
        value: value.map(Into::into),
        monthly_fee: monthly_fee.map(Into::into),
    })
}

pub(crate) fn detailed_order() -> impl Strategy<Value = Order> {
    let service = (option::of(digits()), option::of(digits()), option::of(text()), option::of(text()));
    let others = (option::of(text()), option::of(text()), ordered_by());
    let lists = (option::of(prop::collection::vec(log_entry(), 0..4)), prop::collection::vec(detail(), 0..4));
    (listed_order(), time(60), delivery(60), service, others, lists).prop_map(
        |(listed, at, delivery, (id, uid, name, category), (provider, network_name, customer), (messages, details))| Order {
            ordered_at: Some(at),
            delivery: Some(delivery),
            service: Service {
                id: id.map(Into::into),
                uid: uid.map(Into::into),
                name: name.map(Into::into),
                category: category.map(Into::into),
            },
            provider: Provider { id: None, name: provider.map(Into::into) },
            network_name: network_name.map(Into::into),
            customer,
            messages,
            details: Some(details),
            ..listed
        },
    )
}
