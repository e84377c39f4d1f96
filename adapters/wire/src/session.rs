//! One WebSocket client session: connects, shakes hands, reads frames, comes back when it breaks.
//!
//! ```text
//!             retry time                connected                 101
//!   Waiting ------------> Connecting ------------> Handshaking --------> Open
//!      ^                      |                        |                   |
//!      +----------------------+------------------------+-------------------+
//!        Closed { why }: deadline, error, cut, close frame, mute; the wait grows with each
//!
//!   any --stop()--> Stopped
//! ```
//!
//! Reading is edge triggered: after readiness a session reads until the socket would block, or says
//! that it has more. Pings are answered by tungstenite with the read that follows them.

mod drive;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::Token;
use rustls::ClientConfig;
use tungstenite::protocol::WebSocketConfig;

use crate::backoff::Backoff;
use crate::endpoint::{Endpoint, Protocol};
use crate::http::{HttpAnswer, HttpId};
use crate::transport::ClientTls;
use drive::Phase;

/// What a frame to the peer adds to its text: two bytes, eight of length, four of mask.
const FRAME_OVERHEAD_BYTES_MAX: usize = 14;
/// The write queue must at least hold a pong of the largest size.
const WRITE_QUEUE_SIZE_BYTES_MIN: usize = 256;
const READ_BUFFER_SIZE_BYTES: usize = 64 * 1024;

/// Limits and habits of a session.
#[derive(Clone)]
pub struct SessionConfig {
    /// From the first packet to an open TCP connection.
    pub connect_ns_max: u64,
    /// From there to the end of the handshakes of TLS and WebSocket.
    pub handshake_ns_max: u64,
    /// An open session that hears nothing at all for so long, not even a ping, is mute.
    pub idle_ns_max: u64,
    /// First wait before a new attempt.
    pub backoff_ns_min: u64,
    /// Longest wait before a new attempt. A session that was open for longer begins with the first
    /// again.
    pub backoff_ns_max: u64,
    /// Spreads the waits.
    pub backoff_seed: u64,
    /// Longest message from the peer, in one frame or several.
    pub frame_size_bytes_max: usize,
    /// Bytes that may wait for the socket.
    pub write_queue_size_bytes_max: usize,
    /// Sent after each opening, such as subscriptions.
    pub opening_texts: Vec<String>,
    /// Headers of the upgrade request besides those of the protocol.
    pub headers: Vec<(String, String)>,
    /// An open session sends a ping so often, for peers that are to be heard of though they do not
    /// ping themselves; `None` for never.
    pub ping_interval_ns: Option<u64>,
    /// From [`crate::tls`]; needed for `wss://`.
    pub tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for SessionConfig {
    /// Without texts and values of headers: they hold keys and signatures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("SessionConfig")
            .field("connect_ns_max", &self.connect_ns_max)
            .field("handshake_ns_max", &self.handshake_ns_max)
            .field("idle_ns_max", &self.idle_ns_max)
            .field("backoff_ns_min", &self.backoff_ns_min)
            .field("backoff_ns_max", &self.backoff_ns_max)
            .field("frame_size_bytes_max", &self.frame_size_bytes_max)
            .field("write_queue_size_bytes_max", &self.write_queue_size_bytes_max)
            .field("opening_text_count", &self.opening_texts.len())
            .field("headers", &headers)
            .field("ping_interval_ns", &self.ping_interval_ns)
            .field("has_tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Default for SessionConfig {
    fn default() -> SessionConfig {
        SessionConfig {
            connect_ns_max: 5_000_000_000,
            handshake_ns_max: 5_000_000_000,
            // Binance pings every 20 s (spot) or 3 min (futures); quieter streams need a longer
            // one.
            idle_ns_max: 60_000_000_000,
            backoff_ns_min: 500_000_000,
            backoff_ns_max: 30_000_000_000,
            backoff_seed: 0,
            frame_size_bytes_max: 1 << 20,
            write_queue_size_bytes_max: 64 * 1024,
            opening_texts: Vec::new(),
            headers: Vec::new(),
            ping_interval_ns: None,
            tls: None,
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A limit that must be above zero.
    #[error("{field} must not be zero")]
    Zero {
        /// Which.
        field: &'static str,
    },
    /// The first wait is longer than the longest.
    #[error("backoff_ns_min {min} is above backoff_ns_max {max}")]
    Backoff {
        /// First wait.
        min: u64,
        /// Longest wait.
        max: u64,
    },
    /// The write queue cannot hold what is sent at the opening.
    #[error("write_queue_size_bytes_max {max} is too small: {needed} bytes are needed")]
    WriteQueue {
        /// The limit.
        max: usize,
        /// What the opening texts take, or the least that works.
        needed: usize,
    },
    /// A header of the upgrade request is none.
    #[error("\"{name}\" is no header that can be sent, or its value is not")]
    Header {
        /// Its name. The value may be secret.
        name: String,
    },
    /// The endpoint wants TLS and there are no settings for it.
    #[error("{url} needs TLS and the configuration has no settings for it")]
    TlsMissing {
        /// The endpoint.
        url: String,
    },
    /// A WebSocket endpoint for HTTP, or the other way round.
    #[error("{url} is an endpoint of another protocol")]
    Protocol {
        /// The endpoint.
        url: String,
    },
}

/// What TLS needs at `endpoint`, if it is one of `protocol`.
pub(crate) fn client_tls(
    endpoint: &Endpoint,
    protocol: Protocol,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Option<ClientTls>, ConfigError> {
    let url = || endpoint.url().to_string();
    if endpoint.protocol() != protocol {
        return Err(ConfigError::Protocol { url: url() });
    }
    let Some(name) = endpoint.server_name() else { return Ok(None) };
    let config = tls.ok_or_else(|| ConfigError::TlsMissing { url: url() })?;
    Ok(Some(ClientTls { config: Arc::clone(config), name: name.clone() }))
}

impl SessionConfig {
    fn check(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("connect_ns_max", self.connect_ns_max),
            ("handshake_ns_max", self.handshake_ns_max),
            ("idle_ns_max", self.idle_ns_max),
            ("backoff_ns_min", self.backoff_ns_min),
            ("ping_interval_ns", self.ping_interval_ns.unwrap_or(1)),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero { field });
            }
        }
        if self.frame_size_bytes_max == 0 {
            return Err(ConfigError::Zero { field: "frame_size_bytes_max" });
        }
        let (min, max) = (self.backoff_ns_min, self.backoff_ns_max);
        if max < min {
            return Err(ConfigError::Backoff { min, max });
        }
        let sizes = self.opening_texts.iter().map(|text| text.len() + FRAME_OVERHEAD_BYTES_MAX);
        let needed = sizes.sum::<usize>() + WRITE_QUEUE_SIZE_BYTES_MIN;
        let max = self.write_queue_size_bytes_max;
        if max < needed {
            return Err(ConfigError::WriteQueue { max, needed });
        }
        Ok(())
    }

    fn socket(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_SIZE_BYTES)
            // Every message goes to the kernel at once.
            .write_buffer_size(0)
            .max_write_buffer_size(self.write_queue_size_bytes_max)
            .max_frame_size(Some(self.frame_size_bytes_max))
            .max_message_size(Some(self.frame_size_bytes_max))
    }
}

/// Number of a session in its poller, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(pub usize);

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Not connected; tries again when the wait is over.
    Waiting,
    /// TCP is being connected.
    Connecting,
    /// Connected; the peer has not agreed to speak WebSocket yet.
    Handshaking,
    /// Frames come and go.
    Open,
    /// Ended by us for good.
    Stopped,
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SessionState::Waiting => "waiting",
            SessionState::Connecting => "connecting",
            SessionState::Handshaking => "handshaking",
            SessionState::Open => "open",
            SessionState::Stopped => "stopped",
        })
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum CloseReason {
    /// No TCP connection within `connect_ns_max`.
    #[error("no connection within {limit_ns} ns")]
    ConnectDeadline {
        /// The limit.
        limit_ns: u64,
    },
    /// No WebSocket within `handshake_ns_max`.
    #[error("no answer to the handshake within {limit_ns} ns")]
    HandshakeDeadline {
        /// The limit.
        limit_ns: u64,
    },
    /// The peer speaks HTTP, but answers with something else than 101.
    #[error("the peer answers the handshake with HTTP status {status}")]
    Refused {
        /// The status.
        status: u16,
    },
    /// The answer is no WebSocket handshake.
    #[error("the answer is no WebSocket handshake: {detail}")]
    Handshake {
        /// What tungstenite says.
        detail: String,
    },
    /// The peer sent a close frame.
    #[error("the peer closed with code {code}{}{reason}", if reason.is_empty() { "" } else { ": " })]
    Peer {
        /// Code of the close frame; 1005 if it had none.
        code: u16,
        /// Text of the close frame.
        reason: String,
    },
    /// The connection ended without a close frame, perhaps within a frame.
    #[error("the connection was cut")]
    Cut,
    /// The system reports an error of the socket.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// A message is longer than `frame_size_bytes_max`. It is not read.
    #[error("a message of {size_bytes} bytes or more, the limit is {size_bytes_max}")]
    FrameTooLarge {
        /// Size as far as it is known.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// The peer breaks the WebSocket protocol.
    #[error("the peer breaks the protocol: {detail}")]
    Protocol {
        /// What tungstenite says.
        detail: String,
    },
    /// Nothing came for `idle_ns_max`.
    #[error("nothing was heard for {silent_ns} ns")]
    Mute {
        /// How long.
        silent_ns: u64,
    },
    /// An HTTP answer did not come in time; a late one would be taken for that of the next request.
    #[error("no answer before its deadline")]
    AnswerDeadline,
    /// The user asked for a new connection.
    #[error("a new connection is wanted")]
    Reconnect,
    /// The peer ended a connection of HTTP between two answers, as it may.
    #[error("the peer ended the connection")]
    Ended,
    /// The user ended it for good.
    #[error("stopped")]
    Stopped,
}

/// The end of the stream within the handshake of TLS is a cut like any other.
pub(crate) fn tls_reason(error: io::Error) -> CloseReason {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return CloseReason::Cut;
    }
    CloseReason::Io(error)
}

/// A change of a session, or of the connection of an HTTP client.
#[derive(Debug)]
pub enum SessionEvent {
    /// A new attempt begins.
    Connecting {
        /// To whom.
        address: SocketAddr,
    },
    /// TCP is there, the handshake begins.
    Handshaking {
        /// With whom.
        address: SocketAddr,
    },
    /// Frames may come. The opening texts are sent.
    Open {
        /// With whom.
        address: SocketAddr,
    },
    /// An open session is silent. [`SessionEvent::Closed`] follows.
    Mute {
        /// For how long.
        silent_ns: u64,
    },
    /// An attempt or an open session ended.
    Closed {
        /// With whom.
        address: SocketAddr,
        /// How far it was.
        state: SessionState,
        /// Why.
        why: CloseReason,
        /// Wait until the next attempt; `None` if there is none by itself.
        retry_ns: Option<u64>,
    },
}

impl fmt::Display for SessionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionEvent::Connecting { address } => write!(f, "connecting to {address}"),
            SessionEvent::Handshaking { address } => write!(f, "handshaking with {address}"),
            SessionEvent::Open { address } => write!(f, "open with {address}"),
            SessionEvent::Mute { silent_ns } => write!(f, "mute for {silent_ns} ns"),
            SessionEvent::Closed { address, state, why, retry_ns } => {
                write!(f, "closed while {state} with {address}: {why}")?;
                retry_ns.map_or(Ok(()), |ns| write!(f, "; again in {} ms", ns / 1_000_000))
            }
        }
    }
}

/// Text or binary, as the peer marked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// UTF-8, checked.
    Text,
    /// Any bytes.
    Binary,
}

/// A message of the peer, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When the read returned that completed it. Messages of one read share it.
    pub receive_ns: u64,
    /// Text or binary.
    pub kind: FrameKind,
    /// In the receive buffer, not copied. Valid during the call.
    pub payload: &'a [u8],
}

/// Who hears frames and changes. Called on the thread of the loop, so it must not block.
pub trait Handler {
    /// A message, in the order of the connection.
    fn frame(&mut self, session: SessionId, frame: Frame<'_>);
    /// A change of state, in order, also in relation to frames.
    fn changed(&mut self, session: SessionId, event: &SessionEvent);
    /// The end of a request: exactly once for each one that was taken.
    fn answered(&mut self, http: HttpId, token: u64, answer: HttpAnswer<'_>) {
        // Nothing, for handlers without requests.
        let (_, _, _) = (http, token, answer);
    }
    /// A change of the connection of an HTTP client.
    fn http_changed(&mut self, http: HttpId, event: &SessionEvent) {
        let (_, _) = (http, event);
    }
}

/// Why a text was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The session is not open, or the HTTP client is stopped.
    #[error("the session is {state}, not open")]
    NotOpen {
        /// What it is.
        state: SessionState,
    },
    /// The write queue is full, or the text is longer than it; or too many requests are in flight.
    /// Nothing is sent.
    #[error("the write queue is full")]
    QueueFull,
    /// The request would not be HTTP: a method, target or header with forbidden bytes.
    #[error("the request cannot be sent as HTTP")]
    Malformed,
    /// The connection is broken; the next turn says why.
    #[error("the connection is broken")]
    Broken,
}

/// A session; owned by a [`crate::poller::Poller`].
pub struct Session {
    id: SessionId,
    endpoint: Endpoint,
    config: SessionConfig,
    tls: Option<ClientTls>,
    backoff: Backoff,
    phase: Phase,
    /// Of this attempt or the last one.
    address: SocketAddr,
    attempt_count: usize,
    has_more: bool,
    reconnects: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("url", &self.endpoint.url())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        endpoint: Endpoint,
        config: SessionConfig,
    ) -> Result<Session, ConfigError> {
        config.check()?;
        let tls = client_tls(&endpoint, Protocol::WebSocket, config.tls.as_ref())?;
        for (name, value) in &config.headers {
            drive::header(name, value).ok_or_else(|| ConfigError::Header { name: name.clone() })?;
        }
        let backoff =
            Backoff::new(config.backoff_ns_min, config.backoff_ns_max, config.backoff_seed);
        Ok(Session {
            id,
            address: endpoint.address(0),
            endpoint,
            config,
            tls,
            backoff,
            phase: Phase::Waiting { retry_at_ns: 0 },
            attempt_count: 0,
            has_more: false,
            reconnects: false,
        })
    }

    /// Where it is.
    pub fn state(&self) -> SessionState {
        match &self.phase {
            Phase::Waiting { .. } => SessionState::Waiting,
            Phase::Connecting { .. } => SessionState::Connecting,
            Phase::Securing { .. } | Phase::Handshaking { .. } => SessionState::Handshaking,
            Phase::Open(_) => SessionState::Open,
            Phase::Stopped => SessionState::Stopped,
        }
    }

    /// Where it connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// When it became open; `None` if it is not.
    pub fn opened_ns(&self) -> Option<u64> {
        match &self.phase {
            Phase::Open(open) => Some(open.opened_ns),
            Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Securing { .. }
            | Phase::Handshaking { .. }
            | Phase::Stopped => None,
        }
    }

    /// When something was heard last on an open session, a ping or pong included.
    pub fn heard_ns(&self) -> Option<u64> {
        match &self.phase {
            Phase::Open(open) => Some(open.heard_ns),
            Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Securing { .. }
            | Phase::Handshaking { .. }
            | Phase::Stopped => None,
        }
    }

    /// What is sent after each opening from the next one on.
    pub(crate) fn set_opening_texts(&mut self, texts: Vec<String>) -> Result<(), ConfigError> {
        let old = std::mem::replace(&mut self.config.opening_texts, texts);
        self.config.check().inspect_err(|_| self.config.opening_texts = old)
    }

    /// What the poller knows it by.
    pub(crate) fn token(&self) -> Token {
        Token(self.id.0 * 2)
    }
}
