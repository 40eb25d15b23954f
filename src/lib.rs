//! A bidirectional gateway between JSON over HTTP and the legacy order API of Tjänsteguiden.

pub mod backend;
pub mod config;
pub mod legacy;
pub mod memory;
pub mod middleware;
pub mod model;
pub mod rest;
