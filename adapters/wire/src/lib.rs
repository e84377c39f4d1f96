//! Sockets: one loop per I/O thread that drives WebSocket sessions and HTTP clients, a server loop,
//! rate limits, and the recorders of raw frames.
//!
//! ```text
//!   peers --TCP, TLS--> Session, HttpClient --frames, answers, events--> Handler (a decoder)
//!                           ^
//!                       Poller::run_once: readiness and deadlines, until a Stopper says stop
//!
//!   clients --TCP, TLS--> Server::run_once --requests, texts--> Service --answers, faults--> Peers
//! ```
//!
//! **Invariant:** nothing here reads a clock, sleeps or starts a thread. Time comes in with each
//! call, randomness from a seed.
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
