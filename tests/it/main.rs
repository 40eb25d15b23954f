//! Tests through the front door: a gateway on a real socket, in front of an order system that speaks real XML.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

mod access;
mod answers;
mod audit;
mod bad_input;
mod broken;
mod browsers;
mod canaries;
mod coalescing;
mod compression;
mod conditions;
mod config;
mod corpus;
mod day;
mod drift;
mod evidence;
mod http;
mod keys;
mod lists;
mod marks;
mod moments;
mod openapi;
mod outage;
mod outbound;
mod pages;
mod personal;
mod process;
mod provider;
mod proxies;
mod restarts;
mod routes;
mod server;
mod simulator;
mod soak;
mod support;
mod swaps;
mod tenants;
mod tls;
mod tokens;
mod trouble;
mod unsettled;
mod writes;
