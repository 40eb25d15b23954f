//! Scopes: the permissions of a principal.

use super::{PiiAccess, StrEnum};

/// A permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read orders and their log.
    OrdersRead,
    /// Change the status of orders and add messages to their log.
    OrdersWrite,
    /// Read customers.
    CustomersRead,
    /// Read PII unmasked.
    PersonalDataRead,
}

impl StrEnum for Scope {
    const ALL: &'static [Self] = &[Self::OrdersRead, Self::OrdersWrite, Self::CustomersRead, Self::PersonalDataRead];

    fn as_str(self) -> &'static str {
        match self {
            Self::OrdersRead => "orders:read",
            Self::OrdersWrite => "orders:write",
            Self::CustomersRead => "customers:read",
            Self::PersonalDataRead => "personal-data:read",
        }
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// All scopes.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// Whether the set contains this scope.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// Whether these scopes permit reading PII unmasked.
    #[must_use]
    pub const fn pii_access(self) -> PiiAccess {
        if self.has(Scope::PersonalDataRead) { PiiAccess::Full } else { PiiAccess::Masked }
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

const fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_contains_exactly_its_scopes() {
        for &scope in Scope::ALL {
            let only: Scopes = [scope].into_iter().collect();

            assert!(Scope::ALL.iter().all(|&other| only.has(other) == (other == scope)));
            assert!(Scopes::all().has(scope) && !Scopes::default().has(scope));
        }
    }
}
