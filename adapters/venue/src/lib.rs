//! A local exchange: its own process on loopback that speaks the protocol of Binance Spot.
//!
//! ```text
//!  REST call, WS API text --> api --> exchange (books, accounts, orders) --> Output, in order
//!  generated participants ----------> exchange                         --> streams, user data
//! ```
//!
//! **Invariant:** it shares no code with the engine's order path or with `adapters/binance`, so
//! that a mistake there is not repeated here.
//!
//! **Invariant:** the exchange reads no clock and opens no socket: time and bytes come in.

mod api;
pub mod capture;
pub mod config;
pub mod exchange;
pub mod fault;
pub mod flow;
pub mod money;
pub mod order;
pub mod serve;
mod streams;

#[cfg(test)]
mod testing;

pub use api::Candle;
pub use config::{
    AccountConfig, ApiKey, ConfigError, ExchangeConfig, Fees, Filters, HistoryLimits, KeyKind,
    RateLimits, SymbolConfig,
};
pub use exchange::{
    AccountIndex, AccountView, BalanceView, Best, ConnectionId, Depth, Exchange, FillView, FlowId,
    FlowKind, FlowOrder, FlowPlaced, Inspection, LoadError, OrderView, Output, RestAnswer,
    RestCall, SymbolIndex, Trade, WsOptions,
};
pub use order::{Side, TimeUnit};
