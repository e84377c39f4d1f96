//! Binance on the wire: raw frames become events, captures become frames, orders become requests.
//!
//! Nothing in here reads a clock: bytes and a time go in, events and requests come out.

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
