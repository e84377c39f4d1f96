//! The spine of Tickwheel: one pinned thread moves 64-byte events through nine stages.
//!
//! Same events in, same state, same bytes out: nothing in here reads a clock, a random number or the
//! order of a hash map, except the edges named `clock`, `host` and `stats`.

pub mod book;
pub mod border;
pub mod clock;
pub mod control;
pub mod event;
pub mod feed;
pub mod gateway;
pub mod host;
pub mod idle;
pub mod ids;
pub mod instrument;
pub mod ledger;
pub mod market;
pub mod money;
pub mod monitor;
pub mod oms;
pub mod pipeline;
pub mod reconcile;
pub mod ring;
pub mod risk;
pub mod state;
pub mod stats;
pub mod strategy;
