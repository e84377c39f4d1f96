//! Order entry: brings the engine's requests to the venue, and what becomes of them back.
//!
//! ```text
//!   send new, cancel, replace, query, pull --> [ OrderLink ] --> reports, link, rows of a pull
//!                                                  |  ^
//!                                WS API, REST      v  |      answers, execution reports
//!                                                 venue
//! ```
//! The rules are [`machine`], which has no socket; [`link`] drives it.
//!
//! **Nothing is sent twice.** A request that may have made an order is written again in one case only: the
//! venue answered that it refuses it for its timestamp. Everything else that leaves doubt (a deadline, a
//! lost connection, 5xx, -1000, -1001, -1006, -1007, an answer that is not understood) becomes
//! `OutcomeUnknown`, and only a query by name says what became of the order.
//!
//! **When "does not exist" is believed.** A query can overtake the order that it asks for: the order may
//! wait in a socket, in a proxy or in a queue of the venue. But every order carries a timestamp, and the
//! venue refuses it once its clock is more than `recv_window` beyond that (it checks again directly before
//! the matching engine). So the answer is believed only if the query itself was stamped later than the
//! order's timestamp + `recv_window` + `clock_error_ns_max` + `settle_margin_ns`:
//! - the venue accepted the query's timestamp, so its clock had reached that timestamp up to the error of
//!   our estimate (with the default of one second the venue itself guarantees it: it refuses timestamps
//!   that are more than a second ahead of its clock);
//! - so when it answered, its clock was beyond the order's window, and the order can no longer be accepted;
//! - the margin covers that answers to queries may lag behind the matching engine.
//!
//! An order of an earlier life of this program carries a timestamp from before our start; the start
//! stands in for it. A cancel renames an order, so both names are asked for before it counts as absent.
//!
//! **Invariant:** every outbound event is answered in bounded time; every fill is told once.

pub mod client_id;
pub mod config;
mod known;
pub mod limits;
pub mod link;
pub mod machine;
pub mod outbox;
#[cfg(test)]
mod tests;
pub mod tracked;
pub mod window;
