//! A local exchange: its own process on loopback that speaks the protocol of Binance Spot.
//!
//! **Invariant:** it shares no code with the engine's order path or with `adapters/binance`, so that a mistake there is not
//! repeated here.
