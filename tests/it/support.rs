//! What tests are made of: a gateway, an order system, programs, and answers whose form is checked whatever they say.

mod answer;
mod gateway;
pub(crate) mod issuer;
mod keys;
mod program;
mod system;
mod upstream;

pub(crate) use answer::Answer;
pub(crate) use gateway::Gateway;
pub(crate) use keys::{ALL_SCOPES, Client, borrowed, hash};
pub(crate) use program::Program;
pub(crate) use system::{FIRST_ORDER, Fault, System, is_write};
pub(crate) use upstream::{Reply, Upstream};

/// Whether the tests run over the provider dialect: `TEST_DIALECT=provider`. What they ask of the order system is told in the
/// words of the network dialect all the same.
#[expect(clippy::disallowed_methods, reason = "this is about the tests, not about what they test")]
pub(crate) fn is_provider() -> bool {
    std::env::var("TEST_DIALECT").is_ok_and(|dialect| dialect == "provider")
}

/// A number that looks random and is the same in every run.
pub(crate) fn random(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// A file of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
