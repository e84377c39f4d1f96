//! Binance on the wire: raw frames become events, captures become frames.
//!
//! No clock, no socket, no order entry in here: bytes and a receive time go in, events come out.

pub mod capture;
pub mod decode;
pub mod endpoints;
pub mod feed;
pub mod info;
mod refusal;

pub use capture::{Capture, CaptureError, Line, LineError, Progress};
pub use decode::{DecodeError, Decoder, FrameKind, Limits};
pub use refusal::refusal_name;
