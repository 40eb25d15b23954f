//! The domain model: orders, customers, log entries, ids, local times, scopes and PII.
//!
//! Both protocols translate to these types, and neither is visible here: nothing in this module knows HTTP, JSON, query strings
//! or XML. A value that the upstream did not return is `None`. A list it did not return is `None` too, which distinguishes "no
//! messages" from "a call without messages".

mod customer;
mod held_bytes;
mod id;
mod listed_order;
mod message;
mod open_enum;
mod order;
mod pii;
mod plain_text;
mod rendered_time;
mod scope;
#[cfg(test)]
pub(crate) mod strategies;
mod time;

pub use customer::{Customer, Person};
pub use held_bytes::HeldBytes;
pub use id::{CustomerId, InvalidId, MAX_ID, OrderId};
pub use listed_order::{CompactDelivery, CompactOrder, ListedOrder};
pub use message::{Message, MessageType, NewMessage, compose};
pub use open_enum::{Extensible, StrEnum};
pub use order::{Delivery, Detail, Order, OrderStatus, OrderedBy, Provider, Service, ShortText};
pub use pii::{Common, FreeText, IdentityNumber, Pii, PiiAccess, PiiKind, Private, UpstreamMessage, mask_personal_data};
pub use plain_text::PlainText;
pub use rendered_time::{DayCache, RenderedTime};
pub use scope::{Scope, Scopes};
pub use time::{LocalTime, OffsetCache, UnknownZone, Zone, now};
