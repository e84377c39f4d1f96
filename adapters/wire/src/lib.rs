//! Sockets: one loop per I/O thread that drives WebSocket sessions, and the recorder of raw frames.
//!
//! ```text
//!   peers --TCP--> Session --frames, events--> Handler (a decoder, a Recorder)
//!                     ^
//!                  Poller::run_once: readiness and deadlines, until a Stopper says stop
//! ```
//!
//! **Invariant:** nothing here reads a clock, sleeps or starts a thread. Time comes in with each call,
//! randomness from a seed.
//! **Invariant:** a session that is not stopped has a deadline in every state, so it never hangs.

pub mod backoff;
pub mod endpoint;
pub mod http;
pub mod poller;
pub mod rate;
pub mod recorder;
pub mod segments;
pub mod server;
pub mod session;
pub mod tls;
mod transport;

#[cfg(test)]
mod testing;
