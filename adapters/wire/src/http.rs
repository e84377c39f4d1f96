//! HTTP/1.1: the words of requests and answers, and the client.
//!
//! ```text
//!   request(token) --> [ write queue ] --pipelined--> peer
//!   answered(token) <-- [ in flight, oldest first ] <-- parser <-- peer
//! ```
//!
//! **Invariant:** a request that was taken is answered exactly once, at its deadline at the latest.
//! **Invariant:** nothing is sent twice; who wants a second try asks for it.

pub(crate) mod answer;
pub(crate) mod chunked;
pub mod client;
pub mod head;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::session::ConfigError;
use head::Headers;

/// Number of an HTTP client in its poller, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpId(pub usize);

/// Limits and habits of an HTTP client.
#[derive(Clone)]
pub struct HttpConfig {
    /// From the first packet to an open TCP connection.
    pub connect_ns_max: u64,
    /// From there to the end of the TLS handshake.
    pub handshake_ns_max: u64,
    /// First wait before a new attempt.
    pub backoff_ns_min: u64,
    /// Longest wait before a new attempt. A connection that lasted longer begins with the first
    /// again.
    pub backoff_ns_max: u64,
    /// Spreads the waits.
    pub backoff_seed: u64,
    /// Status line and headers of an answer.
    pub head_size_bytes_max: usize,
    /// Body of an answer.
    pub body_size_bytes_max: usize,
    /// Requests that wait for an answer, the unsent ones included.
    pub in_flight_max: usize,
    /// Bytes of requests that wait for the socket.
    pub write_queue_size_bytes_max: usize,
    /// Connects at once and again after each end, so that a request finds an open connection.
    /// Otherwise a request connects.
    pub keeps_warm: bool,
    /// Headers of every request, such as an API key. Never shown in errors.
    pub headers: Vec<(String, String)>,
    /// From [`crate::tls`]; needed for `https://`.
    pub tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for HttpConfig {
    /// Without values of headers: they hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpConfig")
            .field("connect_ns_max", &self.connect_ns_max)
            .field("handshake_ns_max", &self.handshake_ns_max)
            .field("backoff_ns_min", &self.backoff_ns_min)
            .field("backoff_ns_max", &self.backoff_ns_max)
            .field("head_size_bytes_max", &self.head_size_bytes_max)
            .field("body_size_bytes_max", &self.body_size_bytes_max)
            .field("in_flight_max", &self.in_flight_max)
            .field("write_queue_size_bytes_max", &self.write_queue_size_bytes_max)
            .field("keeps_warm", &self.keeps_warm)
            .field("headers", &headers)
            .field("has_tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            connect_ns_max: 5_000_000_000,
            handshake_ns_max: 5_000_000_000,
            backoff_ns_min: 500_000_000,
            backoff_ns_max: 30_000_000_000,
            backoff_seed: 0,
            head_size_bytes_max: 32 * 1024,
            // exchangeInfo of all of Binance's symbols takes some 15 MB.
            body_size_bytes_max: 64 << 20,
            in_flight_max: 256,
            write_queue_size_bytes_max: 1 << 20,
            keeps_warm: true,
            headers: Vec::new(),
            tls: None,
        }
    }
}

impl HttpConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (field, is_zero) in [
            ("connect_ns_max", self.connect_ns_max == 0),
            ("handshake_ns_max", self.handshake_ns_max == 0),
            ("backoff_ns_min", self.backoff_ns_min == 0),
            ("head_size_bytes_max", self.head_size_bytes_max == 0),
            ("in_flight_max", self.in_flight_max == 0),
            ("write_queue_size_bytes_max", self.write_queue_size_bytes_max == 0),
        ] {
            if is_zero {
                return Err(ConfigError::Zero { field });
            }
        }
        let (min, max) = (self.backoff_ns_min, self.backoff_ns_max);
        if max < min {
            return Err(ConfigError::Backoff { min, max });
        }
        match self.headers.iter().find(|(name, value)| !head::is_header(name, value)) {
            Some((name, _)) => Err(ConfigError::Header { name: name.clone() }),
            None => Ok(()),
        }
    }
}

/// A request to be sent.
#[derive(Clone, Copy)]
pub struct HttpRequest<'a> {
    /// Comes back with the answer; means nothing here.
    pub token: u64,
    /// In capitals.
    pub method: &'a str,
    /// Path and query, beginning with a slash.
    pub target: &'a str,
    /// Besides `Host`, `Content-Length` and those of the configuration.
    pub headers: &'a [(&'a str, &'a str)],
    /// May be empty.
    pub body: &'a [u8],
    /// When it has failed at the latest.
    pub deadline_ns: u64,
}

impl fmt::Debug for HttpRequest<'_> {
    /// Without target, headers and body: they hold keys and signatures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("token", &self.token)
            .field("method", &self.method)
            .field("path", &self.target.split('?').next())
            .field("deadline_ns", &self.deadline_ns)
            .finish_non_exhaustive()
    }
}

/// The end of a request.
#[derive(Debug)]
pub enum HttpAnswer<'a> {
    /// The peer's answer, whatever its status is.
    Response {
        /// Status code.
        status: u16,
        /// Its headers.
        headers: &'a Headers<'a>,
        /// Its body, whole and unchunked.
        body: &'a [u8],
        /// When the read returned that completed it.
        receive_ns: u64,
    },
    /// There is no answer and there will be none.
    Failed {
        /// Why.
        why: HttpFailure,
        /// `false` only if not one byte of the request reached the socket.
        may_have_been_sent: bool,
    },
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpFailure {
    /// Its deadline is over. A connection on which it was sent is dropped, because its late answer
    /// would be taken for that of the next request.
    #[error("no answer before the deadline")]
    Deadline,
    /// An attempt to connect failed.
    #[error("no connection: {detail}")]
    Connect {
        /// Why.
        detail: String,
    },
    /// The connection ended before the answer was complete.
    #[error("the connection was cut")]
    Cut,
    /// The connection was dropped because another request on it failed.
    #[error("the connection was dropped for another request")]
    Dropped,
    /// The system reports an error of the socket.
    #[error("{0}")]
    Io(io::ErrorKind),
    /// The answer is no HTTP.
    #[error("the answer is no HTTP: {detail}")]
    Malformed {
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The answer is larger than the limits.
    #[error("the {part} of the answer has more than {size_bytes_max} bytes")]
    TooLarge {
        /// Head or body.
        part: &'static str,
        /// The limit.
        size_bytes_max: usize,
    },
    /// The client was stopped.
    #[error("stopped")]
    Stopped,
}
