//! Binance on the wire: raw frames become events, captures become frames; live feeds and what is listed.
//!
//! Decoding knows no clock and no socket: bytes and a receive time go in, events come out. The links drive
//! sockets of `wire` on I/O threads of their own.

pub mod account;
pub mod answer;
pub mod capture;
pub mod decode;
pub mod endpoints;
pub mod errors;
pub mod feed;
pub mod info;
pub mod orders;
mod refusal;
pub mod request;
pub mod sign;
pub mod user;

pub use capture::{Capture, CaptureError, Line, LineError, Progress};
pub use decode::{DecodeError, Decoder, FrameKind, Limits};
pub use refusal::refusal_name;
