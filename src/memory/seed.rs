//! Invented data: no person has these names, numbers and addresses; phone numbers are from the series that is kept free for
//! fiction, identity numbers from a century that has not come, but for the customary one of Tolvan Tolvansson.

use jiff::ToSpan;
use jiff::civil::{DateTime, datetime};

use super::Data;
use crate::model::{
    Customer, CustomerId, Delivery, Detail, Extensible, LocalTime, Message, MessageType, Order, OrderId, OrderStatus,
    OrderedBy, Person, Pii, Provider, Service, StrEnum, Zone,
};

const FIRST_ORDER: u64 = 20_417;
const FIRST_CUSTOMER: u64 = 18_020;
/// When the first order was placed.
const BEGIN: DateTime = datetime(2016, 3, 14, 9, 5, 0, 0);
/// The time from one order to the next, in minutes.
const STEP: i64 = 797;

const FIRST_NAMES: [&str; 12] =
    ["Tolvan", "Elva", "Åke", "Örjan", "Märta", "Ylva", "Göran", "Siv", "Pär", "Ängla", "Knut", "Zara"];
const LAST_NAMES: [&str; 10] =
    ["Tolvansson", "Elvasson", "Åsbrink", "Öhman", "Exempelsson", "Provberg", "Testlund", "Fiberkvist", "af Nät", "O'Dotter"];
const PLACES: [(&str, &str); 5] =
    [("01234", "Åsele"), ("01235", "Övre Åsele"), ("01240", "Västra Exempel"), ("01250", "Fiberby"), ("01260", "Ljusdal Övre")];

struct Offer {
    service: &'static str,
    uid: &'static str,
    name: &'static str,
    category: &'static str,
    provider: (&'static str, &'static str),
    monthly_fee: &'static str,
}

const OFFERS: [Offer; 4] = [
    Offer {
        service: "3105",
        uid: "00100100",
        name: "100/100 Mbit/s",
        category: "Privatpersoner: Internet / Via fiber",
        provider: ("40210", "Ljusbolaget"),
        monthly_fee: "222",
    },
    Offer {
        service: "3106",
        uid: "00250250",
        name: "250/250 Mbit/s",
        category: "Privatpersoner: Internet / Via fiber",
        provider: ("40210", "Ljusbolaget"),
        monthly_fee: "279.50",
    },
    Offer {
        service: "3207",
        uid: "01000100",
        name: "1000/100 Mbit/s & TV",
        category: "Privatpersoner: Paket",
        provider: ("40355", "Nätbåten Bredband"),
        monthly_fee: "449",
    },
    Offer {
        service: "4001",
        uid: "00050050",
        name: "Företag <50 anställda> 50/50",
        category: "Företag: Internet / Via fiber",
        provider: ("40412", "Bitfors"),
        monthly_fee: "595",
    },
];

/// So many orders and their customers, the last order placed at `today`.
pub(super) fn data(orders: u32, zone: &Zone, today: LocalTime) -> Data {
    let mut data = Data::default();
    for number in 0..u64::from(orders) {
        let is_last = number + 1 == u64::from(orders);
        let minutes = i64::try_from(number).unwrap_or_default().saturating_mul(STEP);
        let placed = zone.resolve(BEGIN.saturating_add(minutes.minutes()));
        let at = if is_last && number > 0 { today } else { placed };
        // Every fifth order is another one of a customer who is there already.
        let customer_number = number - number / 5;
        let Ok(customer_id) = CustomerId::try_new(FIRST_CUSTOMER + customer_number) else { continue };
        let customer = data.customers.entry(customer_id).or_insert_with(|| customer(customer_id, customer_number, at));
        let person = Person { registered_at: None, member_id: None, ..customer.person.clone() };
        let customer = Customer { id: customer_id, person };
        let Ok(id) = OrderId::try_new(FIRST_ORDER + number) else { continue };
        let status = if is_last { OrderStatus::New } else { status(number, u64::from(orders)) };
        data.orders.insert(id, order(id, number, at, status, customer, zone));
    }
    data
}

fn customer(id: CustomerId, number: u64, registered_at: LocalTime) -> Customer {
    let (first_name, last_name) = (pick(&FIRST_NAMES, number), pick(&LAST_NAMES, number));
    let (postal_code, city) = pick(&PLACES, number);
    let personal_identity_number = match number % 4 {
        _ if number == 0 => "191212121212".to_owned(),
        3 => "XXXXXXXXXX".to_owned(),
        _ => format!("2099{:02}{:02}{:04}", number % 12 + 1, number % 28 + 1, number % 10_000),
    };
    let has_access = number % 7 != 6;
    let person = Person {
        access_id: has_access
            .then(|| if number % 3 == 1 { format!("{}", 65_375 + number) } else { access_code(number) }.into()),
        personal_identity_number: Some(personal_identity_number.into()),
        first_name: Some(first_name.into()),
        last_name: Some(last_name.into()),
        email: (number % 5 != 4).then(|| format!("kund{number}@example.com").into()),
        address: Some(format!("Exempelgatan {}", number + 12).into()),
        postal_code: Some(postal_code.into()),
        city: Some(city.into()),
        phone: Some(format!("07017406{:02}", 5 + number % 95).into()),
        premise: has_access.then(|| format!("508-{:03}-{:02}-{:04}", 4 + number / 100, 6 + number % 90, 302 + number).into()),
        message: number.is_multiple_of(6).then(|| "Ring på dörren & vänta".into()),
        member_id: number.is_multiple_of(2).then(|| format!("{}", 1234 + number).into()),
        registered_at: Some(registered_at),
    };
    Customer { id, person }
}

fn access_code(number: u64) -> String {
    format!("KC{:04}A{:02}", 101 + number / 90, 6 + number % 90)
}

fn order(id: OrderId, number: u64, at: LocalTime, status: OrderStatus, customer: Customer, zone: &Zone) -> Order {
    let offer = &OFFERS.get(usize::try_from(number % 4).unwrap_or_default()).unwrap_or(&OFFERS[0]);
    let wanted = zone.resolve(at.wall().date().saturating_add(7.days()).to_datetime(jiff::civil::Time::midnight()));
    Order {
        id,
        kind: Some("order".into()),
        status: Some(Extensible::Known(status)),
        ordered_at: Some(at),
        delivery: match number % 3 {
            0 => Some(Delivery::At(wanted)),
            1 => Some(Delivery::Asap),
            _ => None,
        },
        service: Service {
            id: Some(offer.service.into()),
            uid: Some(offer.uid.into()),
            name: Some(offer.name.into()),
            category: Some(offer.category.into()),
        },
        provider: Provider { id: Some(offer.provider.0.into()), name: Some(offer.provider.1.into()) },
        network_name: Some("Övre Åsele Stadsnät".into()),
        messages: Some(log(at, status, &customer, zone)),
        details: Some(details(number, offer)),
        customer: Some(OrderedBy { id: Some(customer.id), person: Some(Box::new(customer.person)) }),
    }
}

/// The log that leads to a status.
fn log(at: LocalTime, status: OrderStatus, customer: &Customer, zone: &Zone) -> Vec<Message> {
    let serial = customer.person.personal_identity_number.as_ref().map(Pii::expose).unwrap_or_default();
    let mut entries = vec![
        entry(at, Some(MessageType::System), "Saved order".to_owned()),
        entry(at, Some(MessageType::System), format!("Attaching order to existing customer ({serial})")),
        entry(at, None, "Found address for the provider: <order@example.net>".to_owned()),
    ];
    let path: &[OrderStatus] = match status {
        OrderStatus::New => &[],
        OrderStatus::Received => &[OrderStatus::Received],
        OrderStatus::Active => &[OrderStatus::Received, OrderStatus::Active],
        OrderStatus::Waiting => &[OrderStatus::Received, OrderStatus::Waiting],
        OrderStatus::Cancelled => &[OrderStatus::Received, OrderStatus::Cancelled],
        OrderStatus::Delivered => &[OrderStatus::Received, OrderStatus::Active, OrderStatus::Delivered],
    };
    let mut time = at.wall();
    for status in path {
        time = time.saturating_add(95.minutes());
        entries.push(entry(zone.resolve(time), Some(MessageType::System), format!("Status changed to {}", status.as_str())));
    }
    if status == OrderStatus::Waiting {
        entries.push(entry(zone.resolve(time), Some(MessageType::Alert), "Väntar på fastighetsägaren".to_owned()));
    }
    if status == OrderStatus::Cancelled {
        entries.push(entry(
            zone.resolve(time),
            Some(MessageType::Error),
            "API doesn't report the service as activated".to_owned(),
        ));
    }
    entries
}

fn entry(at: LocalTime, kind: Option<MessageType>, text: String) -> Message {
    Message { at: Some(at), kind: kind.map(Extensible::Known), text: Some(text.into()) }
}

fn details(number: u64, offer: &Offer) -> Vec<Detail> {
    let fact = |name: &str, value: Option<&str>, monthly_fee: Option<&str>| Detail {
        name: Some(name.into()),
        value: value.map(Pii::from),
        monthly_fee: monthly_fee.map(Into::into),
    };
    let mut facts = vec![
        fact("invoice type", Some(if number.is_multiple_of(2) { "Autogiro" } else { "E-faktura" }), None),
        fact("monthly fee", None, Some(offer.monthly_fee)),
    ];
    if number.is_multiple_of(3) {
        facts.push(fact("Vårkampanj: halva priset i 6 månader", None, None));
    }
    facts
}

/// The first order is new, the latest are, and those between have come all ways that there are.
fn status(number: u64, orders: u64) -> OrderStatus {
    match number % 10 {
        _ if number == 0 || number + 10 > orders => OrderStatus::New,
        0 => OrderStatus::Received,
        1 | 2 => OrderStatus::Active,
        3 => OrderStatus::Waiting,
        4 => OrderStatus::Cancelled,
        _ => OrderStatus::Delivered,
    }
}

fn pick<T: Copy>(list: &[T], number: u64) -> T {
    let index = usize::try_from(number).unwrap_or_default() % list.len();
    #[expect(clippy::indexing_slicing, reason = "the index is below the length")]
    list[index]
}
