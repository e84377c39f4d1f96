//! The seeded simulator: a whole engine with its market, its venue and its troubles, in one thread.
//!
//! ```text
//!   market, clock, reports --> [ World: pipeline + recorder ] --> outbox --> paper venue --+
//!         ^                            |                                                   |
//!         +----------------------------|---- (lost, doubled, late: Trouble) <--------------+
//!                                      +--> Observer: looks at every cascade
//! ```
//! Everything random comes from seeds, every scenario prints them, and what a world applied can be
//! kept as a script and played again: through the rings of the product, from a journal, from a snapshot.

#![expect(clippy::print_stdout, reason = "scenarios print their seeds and what they skip")]

pub mod binary;
pub mod bookkeeper;
pub mod capture;
pub mod compose;
pub mod contract;
pub mod fuzz;
pub mod gambler;
pub mod random;
pub mod scratch;
pub mod slicer;
pub mod threads;
pub mod trouble;
#[path = "../../adapters/secret/src/vault/testing.rs"]
pub mod vault_double;
pub mod venue_process;
pub mod wire_rig;
pub mod world;

pub use compose::Desk;
pub use random::Random;
pub use world::World;

/// Whether the slow variants were asked for.
pub fn is_slow_wanted() -> bool {
    std::env::var_os("RUN_SLOW_TESTS").is_some_and(|value| value != "0")
}

/// Says in the test's output that something was not done, and why.
pub fn skipped(what: &str, why: &str) {
    println!("skipped: {what}: {why}");
}
