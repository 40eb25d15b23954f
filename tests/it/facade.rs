//! The facade: the legacy protocol for several clients, over any backend.

mod answers;
mod clients;
mod configuration;
mod identity;
mod lists;
mod requests;
