//! The skeleton of an adapter, for a venue that speaks lines of words: copy it and fill it in.
//!
//! ```text
//!   lines in --> [ feed::FeedMachine ]   --> FeedSink (inbound ring)    lines out: "book"
//!   lines in --> [ broker::BrokerMachine ] --> VecDeque<Event>          lines out: "new ..", "cancel ..", ..
//! ```
//! Both machines have no socket and read no clock: a driver of `wire` brings lines and time, as
//! `adapters/binance/src/feed.rs` and `adapters/binance/src/orders/link.rs` do it. What stands in
//! docs/adapters/add-a-venue.md as a step has its place here.
//!
//! **Invariant:** a line that is not understood changes nothing but a counter.

pub mod broker;
pub mod feed;
mod words;

pub use words::LineError;
