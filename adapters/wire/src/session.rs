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

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use engine::clock::Clock;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use crate::backoff::Backoff;
use crate::endpoint::Endpoint;

/// Messages that one session hands out before the others get their turn. Arbitrary: some hundred
/// microseconds of decoding.
const MESSAGES_PER_TURN_MAX: usize = 256;
/// What a frame to the peer adds to its text: two bytes, eight of length, four of mask.
const FRAME_OVERHEAD_BYTES_MAX: usize = 14;
/// The write queue must at least hold a pong of the largest size.
const WRITE_QUEUE_SIZE_BYTES_MIN: usize = 256;
const READ_BUFFER_SIZE_BYTES: usize = 64 * 1024;

/// Limits and habits of a session.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// From the first packet to an open TCP connection.
    pub connect_ns_max: u64,
    /// From there to the end of the WebSocket handshake.
    pub handshake_ns_max: u64,
    /// An open session that hears nothing at all for so long, not even a ping, is mute.
    pub idle_ns_max: u64,
    /// First wait before a new attempt.
    pub backoff_ns_min: u64,
    /// Longest wait before a new attempt. A session that was open for longer begins with the first again.
    pub backoff_ns_max: u64,
    /// Spreads the waits.
    pub backoff_seed: u64,
    /// Longest message from the peer, in one frame or several.
    pub frame_size_bytes_max: usize,
    /// Bytes that may wait for the socket.
    pub write_queue_size_bytes_max: usize,
    /// Sent after each opening, such as subscriptions.
    pub opening_texts: Vec<String>,
}

impl Default for SessionConfig {
    fn default() -> SessionConfig {
        SessionConfig {
            connect_ns_max: 5_000_000_000,
            handshake_ns_max: 5_000_000_000,
            // Binance pings every 20 s (spot) or 3 min (futures); quieter streams need a longer one.
            idle_ns_max: 60_000_000_000,
            backoff_ns_min: 500_000_000,
            backoff_ns_max: 30_000_000_000,
            backoff_seed: 0,
            frame_size_bytes_max: 1 << 20,
            write_queue_size_bytes_max: 64 * 1024,
            opening_texts: Vec::new(),
        }
    }
}

/// What is wrong with a [`SessionConfig`].
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
}

impl SessionConfig {
    fn check(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("connect_ns_max", self.connect_ns_max),
            ("handshake_ns_max", self.handshake_ns_max),
            ("idle_ns_max", self.idle_ns_max),
            ("backoff_ns_min", self.backoff_ns_min),
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
    /// `Session::stop`.
    #[error("stopped")]
    Stopped,
}

/// A change of a session.
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
        /// Wait until the next attempt; `None` after `Session::stop`.
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
}

/// Why a text was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The session is not open.
    #[error("the session is {state}, not open")]
    NotOpen {
        /// What it is.
        state: SessionState,
    },
    /// The write queue is full, or the text is longer than it. Nothing of the text is sent.
    #[error("the write queue is full")]
    QueueFull,
    /// The connection is broken; the next turn says why.
    #[error("the connection is broken")]
    Broken,
}

/// Counts reads, so that a frame that was already buffered keeps the time of its read.
#[derive(Debug)]
struct Stream {
    tcp: TcpStream,
    read_count: u64,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_count = self.read_count.wrapping_add(1);
        self.tcp.read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tcp.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

enum Phase {
    Waiting { retry_at_ns: u64 },
    Connecting { tcp: TcpStream, deadline_ns: u64 },
    Handshaking { handshake: Box<MidHandshake<ClientHandshake<Stream>>>, deadline_ns: u64 },
    Open(Box<OpenSocket>),
    Stopped,
}

struct OpenSocket {
    socket: WebSocket<Stream>,
    opened_ns: u64,
    /// Time of the last read that completed a message.
    heard_ns: u64,
}

/// A session; owned by a [`crate::poller::Poller`].
pub struct Session {
    id: SessionId,
    endpoint: Endpoint,
    config: SessionConfig,
    backoff: Backoff,
    phase: Phase,
    /// Of this attempt or the last one.
    address: SocketAddr,
    attempt_count: usize,
    has_more: bool,
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
        let backoff =
            Backoff::new(config.backoff_ns_min, config.backoff_ns_max, config.backoff_seed);
        Ok(Session {
            id,
            address: endpoint.address(0),
            endpoint,
            config,
            backoff,
            phase: Phase::Waiting { retry_at_ns: 0 },
            attempt_count: 0,
            has_more: false,
        })
    }

    /// Where it is.
    pub fn state(&self) -> SessionState {
        match &self.phase {
            Phase::Waiting { .. } => SessionState::Waiting,
            Phase::Connecting { .. } => SessionState::Connecting,
            Phase::Handshaking { .. } => SessionState::Handshaking,
            Phase::Open(_) => SessionState::Open,
            Phase::Stopped => SessionState::Stopped,
        }
    }

    /// Where it connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// When [`Session::on_time`] has something to do; `None` if never.
    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        match &self.phase {
            Phase::Waiting { retry_at_ns } => Some(*retry_at_ns),
            Phase::Connecting { deadline_ns, .. } | Phase::Handshaking { deadline_ns, .. } => {
                Some(*deadline_ns)
            }
            Phase::Open(open) => Some(open.heard_ns.saturating_add(self.config.idle_ns_max)),
            Phase::Stopped => None,
        }
    }

    /// Whether [`Session::on_ready`] is due though the socket will not say so again.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Sends a text, or queues what the socket does not take.
    pub fn send(&mut self, text: &str) -> Result<(), SendError> {
        let state = self.state();
        let Phase::Open(open) = &mut self.phase else { return Err(SendError::NotOpen { state }) };
        match open.socket.write(Message::text(text)) {
            Ok(()) => Ok(()),
            Err(error) if is_would_block(&error) => Ok(()),
            Err(Error::WriteBufferFull(_)) => Err(SendError::QueueFull),
            Err(_) => {
                // The error comes again with the next read, where there is somebody to tell.
                self.has_more = true;
                Err(SendError::Broken)
            }
        }
    }

    /// Begins attempts, ends what took too long.
    pub(crate) fn on_time(&mut self, registry: &Registry, now_ns: u64, handler: &mut impl Handler) {
        if self.deadline_ns().is_none_or(|deadline_ns| now_ns < deadline_ns) {
            return;
        }
        match &self.phase {
            Phase::Waiting { .. } => self.connect(registry, now_ns, handler),
            Phase::Connecting { .. } => {
                let limit_ns = self.config.connect_ns_max;
                self.close(CloseReason::ConnectDeadline { limit_ns }, now_ns, handler);
            }
            Phase::Handshaking { .. } => {
                let limit_ns = self.config.handshake_ns_max;
                self.close(CloseReason::HandshakeDeadline { limit_ns }, now_ns, handler);
            }
            Phase::Open(open) => {
                let silent_ns = now_ns.saturating_sub(open.heard_ns);
                handler.changed(self.id, &SessionEvent::Mute { silent_ns });
                self.close(CloseReason::Mute { silent_ns }, now_ns, handler);
            }
            Phase::Stopped => {}
        }
    }

    /// Goes on after the socket became ready. Harmless when it did not.
    pub(crate) fn on_ready(&mut self, clock: &Clock, handler: &mut impl Handler) {
        self.has_more = false;
        if matches!(self.phase, Phase::Connecting { .. }) {
            self.finish_connect(clock.now_ns(), handler);
        }
        if matches!(self.phase, Phase::Handshaking { .. }) {
            self.go_on_with_handshake(clock.now_ns(), handler);
        }
        if let Phase::Open(open) = &mut self.phase {
            match read(self.id, open, clock, handler) {
                Ok(has_more) => self.has_more = has_more,
                Err(why) => self.close(why, clock.now_ns(), handler),
            }
        }
    }

    /// Ends the session for good. A close frame is sent if the socket takes it at once.
    pub(crate) fn stop(&mut self, handler: &mut impl Handler) {
        let state = self.state();
        if let Phase::Open(open) = &mut self.phase {
            let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            // The peer learns of the end from TCP if not from this.
            drop(open.socket.close(Some(frame)));
        }
        self.phase = Phase::Stopped;
        self.has_more = false;
        if state != SessionState::Stopped {
            let (address, why) = (self.address, CloseReason::Stopped);
            let event = SessionEvent::Closed { address, state, why, retry_ns: None };
            handler.changed(self.id, &event);
        }
    }

    fn connect(&mut self, registry: &Registry, now_ns: u64, handler: &mut impl Handler) {
        self.address = self.endpoint.address(self.attempt_count);
        self.attempt_count = self.attempt_count.wrapping_add(1);
        handler.changed(self.id, &SessionEvent::Connecting { address: self.address });
        let started = TcpStream::connect(self.address).and_then(|mut tcp| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut tcp, Token(self.id.0), interest)?;
            Ok(tcp)
        });
        match started {
            Ok(tcp) => {
                let deadline_ns = now_ns.saturating_add(self.config.connect_ns_max);
                self.phase = Phase::Connecting { tcp, deadline_ns };
            }
            Err(error) => {
                self.close_as(SessionState::Connecting, CloseReason::Io(error), now_ns, handler);
            }
        }
    }

    fn finish_connect(&mut self, now_ns: u64, handler: &mut impl Handler) {
        let Phase::Connecting { tcp, .. } = &self.phase else { return };
        match connect_outcome(tcp) {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => return self.close(CloseReason::Io(error), now_ns, handler),
        }
        let Phase::Connecting { tcp, .. } = self.take_phase() else { return };
        handler.changed(self.id, &SessionEvent::Handshaking { address: self.address });
        let stream = Stream { tcp, read_count: 0 };
        let begun = self.endpoint.request().and_then(|request| {
            ClientHandshake::start(stream, request, Some(self.config.socket()))
        });
        match begun {
            Ok(handshake) => {
                let deadline_ns = now_ns.saturating_add(self.config.handshake_ns_max);
                self.phase = Phase::Handshaking { handshake: Box::new(handshake), deadline_ns };
            }
            Err(error) => {
                let why = handshake_reason(error);
                self.close_as(SessionState::Handshaking, why, now_ns, handler);
            }
        }
    }

    fn go_on_with_handshake(&mut self, now_ns: u64, handler: &mut impl Handler) {
        let Phase::Handshaking { handshake, deadline_ns } = self.take_phase() else { return };
        match handshake.handshake() {
            Ok((socket, _)) => {
                let open = OpenSocket { socket, opened_ns: now_ns, heard_ns: now_ns };
                self.phase = Phase::Open(Box::new(open));
                self.send_opening();
                handler.changed(self.id, &SessionEvent::Open { address: self.address });
            }
            Err(HandshakeError::Interrupted(handshake)) => {
                self.phase = Phase::Handshaking { handshake: Box::new(handshake), deadline_ns };
            }
            Err(HandshakeError::Failure(error)) => {
                let why = handshake_reason(error);
                self.close_as(SessionState::Handshaking, why, now_ns, handler);
            }
        }
    }

    fn send_opening(&mut self) {
        for text in std::mem::take(&mut self.config.opening_texts) {
            let sent = self.send(&text);
            // The queue is empty and was checked to hold them all. Where the connection is broken
            // already, the next read says so.
            assert_ne!(sent, Err(SendError::QueueFull));
            self.config.opening_texts.push(text);
        }
    }

    fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Stopped)
    }

    fn close(&mut self, why: CloseReason, now_ns: u64, handler: &mut impl Handler) {
        self.close_as(self.state(), why, now_ns, handler);
    }

    /// Drops the socket, which also takes it out of the poll, and waits for the next attempt.
    fn close_as(
        &mut self,
        state: SessionState,
        why: CloseReason,
        now_ns: u64,
        handler: &mut impl Handler,
    ) {
        if let Phase::Open(open) = &self.phase {
            // Only time proves a connection: a peer that accepts and closes at once must not be
            // asked again and again without a growing wait.
            if self.backoff.delay_ns_max() <= now_ns.saturating_sub(open.opened_ns) {
                self.backoff.reset();
            }
        }
        let retry_ns = self.backoff.next_delay_ns();
        self.phase = Phase::Waiting { retry_at_ns: now_ns.saturating_add(retry_ns) };
        self.has_more = false;
        let (address, retry_ns) = (self.address, Some(retry_ns));
        handler.changed(self.id, &SessionEvent::Closed { address, state, why, retry_ns });
    }
}

/// Whether TCP is connected. An error that it is not and will not be.
fn connect_outcome(tcp: &TcpStream) -> io::Result<bool> {
    if let Some(error) = tcp.take_error()? {
        return Err(error);
    }
    match tcp.peer_addr() {
        Ok(_) => tcp.set_nodelay(true).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Hands out messages until the socket would block (`false`) or the turn is over (`true`).
fn read(
    id: SessionId,
    open: &mut OpenSocket,
    clock: &Clock,
    handler: &mut impl Handler,
) -> Result<bool, CloseReason> {
    // What was queued goes first: readiness may have been for writing.
    let flushed = open.socket.flush();
    if let Err(error) = flushed
        && !is_would_block(&error)
    {
        return Err(open_reason(error));
    }
    for _ in 0..MESSAGES_PER_TURN_MAX {
        let read_count = open.socket.get_ref().read_count;
        let message = match open.socket.read() {
            Ok(message) => message,
            Err(error) if is_would_block(&error) => return Ok(false),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(open_reason(error)),
        };
        if open.socket.get_ref().read_count != read_count {
            open.heard_ns = clock.now_ns();
        }
        let (kind, payload) = match &message {
            Message::Text(text) => (FrameKind::Text, text.as_bytes()),
            Message::Binary(bytes) => (FrameKind::Binary, bytes.as_ref()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            Message::Close(frame) => {
                // The answer; the peer needs no second try, it wants to go.
                drop(open.socket.flush());
                return Err(peer_reason(frame.as_ref()));
            }
        };
        handler.frame(id, Frame { receive_ns: open.heard_ns, kind, payload });
    }
    Ok(true)
}

fn is_would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn peer_reason(frame: Option<&CloseFrame>) -> CloseReason {
    match frame {
        Some(frame) => {
            CloseReason::Peer { code: frame.code.into(), reason: frame.reason.to_string() }
        }
        None => CloseReason::Peer { code: CloseCode::Status.into(), reason: String::new() },
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest of a foreign enum is told as text")]
fn handshake_reason(error: Error) -> CloseReason {
    match error {
        Error::Io(error) => CloseReason::Io(error),
        Error::Http(response) => CloseReason::Refused { status: response.status().as_u16() },
        Error::Protocol(ProtocolError::HandshakeIncomplete) => CloseReason::Cut,
        other => CloseReason::Handshake { detail: other.to_string() },
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest of a foreign enum is told as text")]
fn open_reason(error: Error) -> CloseReason {
    match error {
        Error::Io(error) => CloseReason::Io(error),
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            CloseReason::FrameTooLarge { size_bytes: size, size_bytes_max: max_size }
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => CloseReason::Cut,
        other => CloseReason::Protocol { detail: other.to_string() },
    }
}
