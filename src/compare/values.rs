//! The values of an order or a customer, as far as they are compared: hashes, so that no value is kept and none can be shown.
//!
//! Values are compared by type. Times are equal to the minute, and texts whatever their white space and the composition of
//! their letters. Rows of the log and of the details are equal in any order, those of the log within two seconds and without
//! the markers of gateways.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, RandomState};

use jiff::SignedDuration;
use jiff::civil::DateTime;

use super::field::{Field, FieldSet};
use crate::idempotency::IdempotencyMarker;
use crate::model::{
    Customer, Delivery, Detail, Extensible, LocalTime, Message, Order, OrderedBy, Person, Pii, Provider, Service, Zone, compose,
};

/// Two rows of a log with the same text are one if their times differ by no more.
const MESSAGE_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// The values of an order or a customer.
pub(super) struct Values {
    /// By field; 0 for a value that is missing.
    scalars: [u64; Field::ALL.len()],
    messages: Vec<Row>,
    details: Vec<Row>,
}

/// A row of a list: what it says, and when.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    content: u64,
    at: Option<DateTime>,
}

/// How a field differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Only the right system has a value.
    MissingLeft,
    /// Only the left system has a value.
    MissingRight,
    /// Both have one.
    OtherValue,
    /// Rows that the other system does not have.
    Rows { left: usize, right: usize },
}

/// The fields that differ.
pub(super) type Differences = Vec<(Field, How)>;

pub(super) fn fields_of(differences: &Differences) -> FieldSet {
    differences.iter().fold(FieldSet::default(), |set, (field, _)| set.with(*field))
}

impl Values {
    pub(super) fn scalar(&self, field: Field) -> u64 {
        self.scalars.get(field as usize).copied().unwrap_or_default()
    }

    /// The fields among `compared` that differ.
    pub(super) fn differences(&self, right: &Self, compared: FieldSet) -> Differences {
        let how = |field| match field {
            Field::Messages => unmatched(&self.messages, &right.messages),
            Field::Details => unmatched(&self.details, &right.details),
            field => how(self.scalar(field), right.scalar(field)),
        };
        compared.iter().filter_map(|field| how(field).map(|how| (field, how))).collect()
    }
}

/// How two hashes differ.
pub(super) fn how<T: Copy + PartialEq + Default>(left: T, right: T) -> Option<How> {
    match (left == T::default(), right == T::default()) {
        _ if left == right => None,
        (true, _) => Some(How::MissingLeft),
        (_, true) => Some(How::MissingRight),
        _ => Some(How::OtherValue),
    }
}

/// The numbers of rows that have no equal one on the other side. Both are sorted by content and time, so that the first ones
/// that can belong together always may.
fn unmatched(left: &[Row], right: &[Row]) -> Option<How> {
    let (mut only_left, mut only_right) = (0, 0);
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        if one.is_same(other) {
            left.next();
            right.next();
        } else if one < other {
            only_left += 1;
            left.next();
        } else {
            only_right += 1;
            right.next();
        }
    }
    let (only_left, only_right) = (only_left + left.count(), only_right + right.count());
    (only_left + only_right > 0).then_some(How::Rows { left: only_left, right: only_right })
}

impl Row {
    fn is_same(&self, other: &Self) -> bool {
        let is_near = match (self.at, other.at) {
            (Some(one), Some(other)) => one.duration_since(other).abs() <= MESSAGE_TOLERANCE,
            (one, other) => one == other,
        };
        self.content == other.content && is_near
    }
}

/// Makes values that can be compared with each other, and with no others: the key of the hashes is random.
pub(super) struct Reader {
    /// Times are compared as this zone shows them, so that an hour that repeats is the same in both systems.
    zone: Zone,
    key: RandomState,
}

impl Reader {
    pub(super) fn new(zone: Zone) -> Self {
        Self { zone, key: RandomState::new() }
    }

    pub(super) fn order(&self, order: &Order) -> Values {
        // Destructured, so that a new field is not forgotten.
        let Order { id: _, kind, status, ordered_at, delivery, service, provider, network_name, customer, messages, details } =
            order;
        let Service { id: service_id, uid, name, category } = service;
        let Provider { id: provider_id, name: provider_name } = provider;
        let wanted = delivery.and_then(|delivery| if let Delivery::At(at) = delivery { Some(at) } else { None });
        let mut values = Values::empty();
        values.set(Field::Type, self.text(kind.as_deref()));
        values.set(Field::Status, self.text(status.as_ref().map(Extensible::as_str)));
        values.set(Field::OrderedAt, self.minute(*ordered_at));
        values.set(Field::RequestedDeliveryAt, self.minute(wanted));
        values.set(Field::DeliverAsap, self.hash(&(*delivery == Some(Delivery::Asap))));
        values.set(Field::ServiceId, self.text(service_id.as_deref()));
        values.set(Field::ServiceUid, self.text(uid.as_deref()));
        values.set(Field::ServiceName, self.text(name.as_deref()));
        values.set(Field::ServiceCategory, self.text(category.as_deref()));
        values.set(Field::ProviderId, self.text(provider_id.as_deref()));
        values.set(Field::ProviderName, self.text(provider_name.as_deref()));
        values.set(Field::NetworkName, self.text(network_name.as_deref()));
        if let Some(OrderedBy { id, person }) = customer {
            values.set(Field::CustomerId, id.map_or(0, |id| self.hash(&id.get())));
            if let Some(person) = person {
                self.set_person(&mut values, person);
            }
        }
        values.messages = sorted(messages.iter().flatten().map(|message| self.message(message)));
        values.details = sorted(details.iter().flatten().map(|detail| self.detail(detail)));
        values
    }

    pub(super) fn customer(&self, customer: &Customer) -> Values {
        let mut values = Values::empty();
        self.set_person(&mut values, &customer.person);
        values
    }

    fn set_person(&self, values: &mut Values, person: &Person) {
        let Person { access_id, personal_identity_number, first_name, last_name, email, address, .. } = person;
        let Person { postal_code, city, phone, premise, message, member_id, registered_at, .. } = person;
        for (field, text) in [
            (Field::AccessId, access_id.as_ref().map(Pii::expose)),
            (Field::PersonalIdentityNumber, personal_identity_number.as_ref().map(Pii::expose)),
            (Field::FirstName, first_name.as_ref().map(Pii::expose)),
            (Field::LastName, last_name.as_ref().map(Pii::expose)),
            (Field::Email, email.as_ref().map(Pii::expose)),
            (Field::Address, address.as_ref().map(Pii::expose)),
            (Field::PostalCode, postal_code.as_ref().map(Pii::expose)),
            (Field::City, city.as_ref().map(Pii::expose)),
            (Field::Phone, phone.as_ref().map(Pii::expose)),
            (Field::Premise, premise.as_ref().map(Pii::expose)),
            (Field::CustomerMessage, message.as_ref().map(Pii::expose)),
            (Field::MemberId, member_id.as_ref().map(Pii::expose)),
        ] {
            values.set(field, self.text(text));
        }
        values.set(Field::RegisteredAt, self.minute(*registered_at));
    }

    fn message(&self, Message { at, kind, text }: &Message) -> Row {
        let text = text.as_ref().map(Pii::expose);
        let unmarked = text.map(|text| IdempotencyMarker::split(text).map_or(Cow::Borrowed(text), |(_, text)| text));
        let content = (self.text(kind.as_ref().map(Extensible::as_str)), self.text(unmarked.as_deref()));
        Row { content: self.hash(&content), at: at.map(|at| self.wall(at)) }
    }

    fn detail(&self, Detail { name, value, monthly_fee }: &Detail) -> Row {
        let content = [name, value].map(|text| self.text(text.as_ref().map(Pii::expose)));
        let fee = self.text(monthly_fee.as_deref().map(without_zeros));
        Row { content: self.hash(&(content, fee)), at: None }
    }

    /// Blank is missing.
    fn text(&self, text: Option<&str>) -> u64 {
        let text = text.map(compose).unwrap_or_default();
        if text.trim().is_empty() { 0 } else { self.hash(&text.split_whitespace().collect::<Vec<_>>()) }
    }

    fn minute(&self, at: Option<LocalTime>) -> u64 {
        at.map(|at| self.wall(at)).map_or(0, |wall| self.hash(&(wall.date(), wall.hour(), wall.minute())))
    }

    fn wall(&self, at: LocalTime) -> DateTime {
        self.zone.at(at.earliest()).wall()
    }

    /// Never 0, which means that there is no value.
    fn hash(&self, value: &impl Hash) -> u64 {
        self.key.hash_one(value).max(1)
    }
}

impl Values {
    fn empty() -> Self {
        Self { scalars: [0; Field::ALL.len()], messages: Vec::new(), details: Vec::new() }
    }

    fn set(&mut self, field: Field, hash: u64) {
        if let Some(slot) = self.scalars.get_mut(field as usize) {
            *slot = hash;
        }
    }
}

fn sorted(rows: impl Iterator<Item = Row>) -> Vec<Row> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    rows
}

/// A decimal number without the zeros that end its fraction.
fn without_zeros(number: &str) -> &str {
    let number = number.trim();
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

#[cfg(test)]
mod tests;
