//! A seeded synthetic market: clustered volatility, Poisson order flow, real books, told like a feed.
//!
//! ```text
//!   seed --> [ drivers: fair values, volatility, drift, bursts ] --every 10 ms--+
//!                                                                              v
//!            [ flow of each instrument: limit orders, cancels, market orders on a book ]
//!                                                                              |
//!            feed, depth, level, trade, quote events  <---------step-----------+
//! ```
//!
//! What is random and how it is shaped is said in [`drivers`] and [`flow`].
//!
//! **Invariant:** the same configuration gives the same events, on every machine: the arithmetic is that of
//! IEEE 754, and `libm` computes what IEEE 754 leaves open.
//!
//! **Invariant:** event times never run backwards, update ids have no gap, books never cross, and a trade
//! is told before the depth update that it leads to, at a price that was displayed.

#![expect(clippy::float_arithmetic, reason = "a model of a market; it leaves through `number`")]

mod book;
mod config;
pub mod drivers;
pub mod flow;
mod market;
mod number;
mod random;
#[cfg(test)]
mod tests;

pub use config::{SyntheticConfig, SyntheticError, SyntheticInstrument};
pub use market::SyntheticMarket;
