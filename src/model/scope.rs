//! What callers may do.

use super::{PiiAccess, StrEnum};

/// One thing that a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read orders with their log.
    OrdersRead,
    /// Change the status of orders, and add to their log.
    OrdersWrite,
    /// Read customers.
    CustomersRead,
    /// See personal data in what is read, unmasked.
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

/// Everything that a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope there is.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// Whether this scope is among them.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// What the caller sees of personal data.
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
    fn a_set_has_what_was_put_into_it() {
        for &scope in Scope::ALL {
            let alone: Scopes = [scope].into_iter().collect();
            assert!(Scope::ALL.iter().all(|&other| alone.has(other) == (other == scope)));
            assert!(Scopes::all().has(scope) && !Scopes::default().has(scope));
        }
    }
}
