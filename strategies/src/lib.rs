//! Strategies and their mathematics: the only crate whose floats can reach an order.
//!
//! Floats are used when a strategy is built, never while it runs: every constant passes
//! [`numeric::quantise`] once and is an integer from there on. Transcendental functions come from
//! `libm`, so that the same configuration gives the same integers on every machine.
//!
//! **Invariant:** a strategy decides from events and its own saved state alone.
//!
//! **Invariant:** nothing is allocated after `new`.

pub mod error;
pub mod market_making;
pub mod momentum;
pub mod numeric;
pub mod signal;

#[cfg(test)]
mod harness;

pub use error::ConfigError;
pub use market_making::{MarketMaker, MarketMakerConfig};
pub use momentum::{Momentum, MomentumConfig};
