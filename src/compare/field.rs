//! The fields that are compared, by the names that they have in JSON.

use std::fmt;

/// A field of an order. Those of a customer have the prefix `customer.`, which their names lack when customers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the name of each is in `Field::name`")]
pub enum Field {
    Type,
    Status,
    OrderedAt,
    RequestedDeliveryAt,
    DeliverAsap,
    ServiceId,
    ServiceUid,
    ServiceName,
    ServiceCategory,
    ProviderId,
    ProviderName,
    NetworkName,
    CustomerId,
    AccessId,
    PersonalIdentityNumber,
    FirstName,
    LastName,
    Email,
    Address,
    PostalCode,
    City,
    Phone,
    Premise,
    CustomerMessage,
    MemberId,
    RegisteredAt,
    Messages,
    Details,
}

/// Derived from idempotency keys by gateways, so that no two systems have the same; never compared.
pub(super) const REFERENCE: &str = "messages.reference";
const CUSTOMER: &str = "customer.";

impl Field {
    /// All fields, in the order in which they are reported.
    pub const ALL: [Self; 28] = [
        Self::Type,
        Self::Status,
        Self::OrderedAt,
        Self::RequestedDeliveryAt,
        Self::DeliverAsap,
        Self::ServiceId,
        Self::ServiceUid,
        Self::ServiceName,
        Self::ServiceCategory,
        Self::ProviderId,
        Self::ProviderName,
        Self::NetworkName,
        Self::CustomerId,
        Self::AccessId,
        Self::PersonalIdentityNumber,
        Self::FirstName,
        Self::LastName,
        Self::Email,
        Self::Address,
        Self::PostalCode,
        Self::City,
        Self::Phone,
        Self::Premise,
        Self::CustomerMessage,
        Self::MemberId,
        Self::RegisteredAt,
        Self::Messages,
        Self::Details,
    ];

    /// Its name in an order.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Status => "status",
            Self::OrderedAt => "orderedAt",
            Self::RequestedDeliveryAt => "requestedDeliveryAt",
            Self::DeliverAsap => "deliverAsap",
            Self::ServiceId => "service.id",
            Self::ServiceUid => "service.uid",
            Self::ServiceName => "service.name",
            Self::ServiceCategory => "service.category",
            Self::ProviderId => "provider.id",
            Self::ProviderName => "provider.name",
            Self::NetworkName => "network.name",
            Self::CustomerId => "customer.id",
            Self::AccessId => "customer.accessId",
            Self::PersonalIdentityNumber => "customer.personalIdentityNumber",
            Self::FirstName => "customer.firstName",
            Self::LastName => "customer.lastName",
            Self::Email => "customer.email",
            Self::Address => "customer.address",
            Self::PostalCode => "customer.postalCode",
            Self::City => "customer.city",
            Self::Phone => "customer.phone",
            Self::Premise => "customer.premise",
            Self::CustomerMessage => "customer.message",
            Self::MemberId => "customer.memberId",
            Self::RegisteredAt => "customer.registeredAt",
            Self::Messages => "messages",
            Self::Details => "details",
        }
    }

    /// Its name in a customer; `None` if customers do not have it.
    #[must_use]
    pub fn name_in_customer(self) -> Option<&'static str> {
        self.name().strip_prefix(CUSTOMER).filter(|name| *name != "id")
    }
}

/// Some of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet(u32);

impl FieldSet {
    /// The fields of `fields`.
    #[must_use]
    pub fn of(fields: &[Field]) -> Self {
        fields.iter().fold(Self::default(), |set, field| set.with(*field))
    }

    /// These fields and another one.
    #[must_use]
    pub fn with(self, field: Field) -> Self {
        Self(self.0 | Self::bit(field))
    }

    /// The fields that are in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The fields that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The fields that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a field is among them.
    #[must_use]
    pub fn contains(self, field: Field) -> bool {
        self.0 & Self::bit(field) != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The fields, in the order of [`Field::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(move |field| self.contains(*field))
    }

    fn bit(field: Field) -> u32 {
        1 << field as u32
    }
}

/// What `--ignore` names: a field of orders, of customers, or all fields below a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Of orders.
    pub(super) of_orders: FieldSet,
    /// Of customers.
    pub(super) of_customers: FieldSet,
}

/// A name that no field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a field such as status or customer.phone, or what fields begin with, such as customer or messages")]
pub struct UnknownField;

impl Ignored {
    /// The fields with this name, or below it.
    ///
    /// # Errors
    /// [`UnknownField`] if there are none.
    pub fn parse(name: &str) -> Result<Self, UnknownField> {
        let is_named = |known: &str| known.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let fields = |name_of: fn(Field) -> Option<&'static str>| {
            let named = Field::ALL.into_iter().filter(|field| name_of(*field).is_some_and(is_named));
            named.fold(FieldSet::default(), FieldSet::with)
        };
        let ignored = Self { of_orders: fields(|field| Some(field.name())), of_customers: fields(Field::name_in_customer) };
        let is_known = !ignored.of_orders.is_empty() || !ignored.of_customers.is_empty() || name == REFERENCE;
        if is_known { Ok(ignored) } else { Err(UnknownField) }
    }
}

impl fmt::Display for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Field::name).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_place() {
        for (place, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, place, "{field:?}");
            assert_eq!(FieldSet::of(&[field]).iter().collect::<Vec<_>>(), [field]);
        }
    }

    #[test]
    fn fields_are_ignored_by_name_or_by_what_they_begin_with() {
        let orders = |name| Ignored::parse(name).unwrap().of_orders.to_string();
        assert_eq!(orders("customer.phone"), "customer.phone");
        assert_eq!(orders("service"), "service.id, service.uid, service.name, service.category");
        assert_eq!(orders("messages"), "messages");
        let phone = Ignored::parse("phone").unwrap();
        assert_eq!((phone.of_orders, phone.of_customers), (FieldSet::default(), FieldSet::of(&[Field::Phone])));
        assert!(Ignored::parse(REFERENCE).is_ok());
        for unknown in ["", ".", "id", "customer.", "customer.pho", "Status", "status.x", "nothing"] {
            assert_eq!(Ignored::parse(unknown), Err(UnknownField), "{unknown}");
        }
    }
}
