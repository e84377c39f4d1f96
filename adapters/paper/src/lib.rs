//! The paper venue: price-time matching of our orders against a recorded or generated market.
//!
//! ```text
//!   market events ---on_market---> [ feed, books ]--+
//!                                                   v
//!   send new, cancel, replace, ---on_request--> (latency out) --> [ matching ] --> (latency in)
//!   query                                                                              |
//!   reports <-----------------------------advance--------------------------------------+
//! ```
//!
//! It is a counterparty like any other: it hears the market that the engine hears, takes the events that
//! the gateway releases and answers with reports. The only time it knows is the time in those events.
//!
//! **Invariant:** the same seed and the same calls give the same reports, byte for byte.
//!
//! **Invariant:** nothing is settled at a price that the market does not show: a book that is empty,
//! incomplete, crossed, disconnected or silent for too long fills nobody.
//!
//! **Invariant:** a displayed quantity fills us at most once (see [`matching`] for the model).

pub mod code;
mod config;
mod counters;
mod desk;
pub mod matching;
mod outbox;
mod random;
mod requests;
#[cfg(test)]
mod tests;
mod venue;

pub use config::{PaperConfig, PaperError, PaperPermit};
pub use counters::PaperCounters;
pub use venue::PaperVenue;
