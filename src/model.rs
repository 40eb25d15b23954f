//! The vocabulary of the order system: orders, customers, the log, and the words and times in them.
//!
//! Both protocols translate to these types and neither is visible here: nothing in this module knows HTTP, JSON,
//! query strings or XML. A value that the order system did not give is `None`; a list it did not give is `None` too,
//! so that "no messages" and "messages not asked for" stay apart.

mod customer;
mod id;
mod idempotency;
mod marker;
mod message;
mod order;
mod personal;
mod scope;
mod time;
mod word;

pub use customer::Customer;
pub use id::{CustomerId, InvalidId, MAX_ID, OrderId};
pub use idempotency::{IdempotencyKey, InvalidKey};
pub use marker::{Marker, base32};
pub use message::{Message, MessageType, NewMessage};
pub use order::{Delivery, Detail, Order, OrderStatus, OrderedBy, Provider, Service, ShortText};
pub use personal::{Common, FreeText, IdentityNumber, Kind, Personal, Private, Sentence, Sight, mask_personal_data};
pub use scope::{Scope, Scopes};
pub use time::{KnownDays, LocalTime, UnknownZone, Zone, now};
pub use word::{Open, Word};
