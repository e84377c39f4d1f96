//! How a session goes on: readiness and time in, frames and changes out.

use std::io;

use engine::clock::Clock;
use mio::net::TcpStream;
use mio::{Interest, Registry};
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::handshake::client::{ClientHandshake, Request};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Error, Message, WebSocket};

use super::{
    CloseReason, Frame, FrameKind, Handler, SendError, Session, SessionConfig, SessionEvent,
    SessionId, SessionState, tls_reason,
};
use crate::transport::{Transport, connect_outcome};

/// Messages that one session hands out before the others get their turn. Arbitrary: some hundred
/// microseconds of decoding.
const MESSAGES_PER_TURN_MAX: usize = 256;

pub(super) enum Phase {
    Waiting { retry_at_ns: u64 },
    Connecting { tcp: TcpStream, deadline_ns: u64 },
    Securing { transport: Transport, deadline_ns: u64 },
    Handshaking { handshake: Box<MidHandshake<ClientHandshake<Transport>>>, deadline_ns: u64 },
    Open(Box<OpenSocket>),
    Stopped,
}

pub(super) struct OpenSocket {
    socket: WebSocket<Transport>,
    pub(super) opened_ns: u64,
    /// Time of the last read that completed a message.
    pub(super) heard_ns: u64,
    /// `u64::MAX` without pings of ours.
    ping_at_ns: u64,
}

impl OpenSocket {
    fn mute_at_ns(&self, config: &SessionConfig) -> u64 {
        self.heard_ns.saturating_add(config.idle_ns_max)
    }
}

/// A header that can be sent.
pub(super) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}

impl Session {
    /// When [`Session::on_time`] has something to do; `None` if never.
    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        if self.reconnects {
            return Some(0);
        }
        match &self.phase {
            Phase::Waiting { retry_at_ns } => Some(*retry_at_ns),
            Phase::Connecting { deadline_ns, .. }
            | Phase::Securing { deadline_ns, .. }
            | Phase::Handshaking { deadline_ns, .. } => Some(*deadline_ns),
            Phase::Open(open) => Some(open.mute_at_ns(&self.config).min(open.ping_at_ns)),
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
        if std::mem::take(&mut self.reconnects) {
            return self.begin_again(registry, now_ns, handler);
        }
        match &mut self.phase {
            Phase::Waiting { .. } => self.connect(registry, now_ns, handler),
            Phase::Connecting { .. } => {
                let limit_ns = self.config.connect_ns_max;
                self.close(CloseReason::ConnectDeadline { limit_ns }, now_ns, handler);
            }
            Phase::Securing { .. } | Phase::Handshaking { .. } => {
                let limit_ns = self.config.handshake_ns_max;
                self.close(CloseReason::HandshakeDeadline { limit_ns }, now_ns, handler);
            }
            Phase::Open(open) if now_ns < open.mute_at_ns(&self.config) => {
                let interval_ns = self.config.ping_interval_ns.unwrap_or(u64::MAX);
                open.ping_at_ns = now_ns.saturating_add(interval_ns);
                // Where the queue is full or the connection broken, others find out.
                drop(open.socket.write(Message::Ping(Bytes::new())));
            }
            Phase::Open(open) => {
                let silent_ns = now_ns.saturating_sub(open.heard_ns);
                handler.changed(self.id, &SessionEvent::Mute { silent_ns });
                self.close(CloseReason::Mute { silent_ns }, now_ns, handler);
            }
            Phase::Stopped => {}
        }
    }

    /// Drops what is there and connects with the next [`Session::on_time`], without a wait.
    pub(crate) fn reconnect(&mut self) {
        self.reconnects = self.state() != SessionState::Stopped;
    }

    fn begin_again(&mut self, registry: &Registry, now_ns: u64, handler: &mut impl Handler) {
        if self.state() != SessionState::Waiting {
            let (address, state) = (self.address, self.state());
            self.say_goodbye();
            self.phase = Phase::Waiting { retry_at_ns: now_ns };
            self.has_more = false;
            let why = CloseReason::Reconnect;
            let event = SessionEvent::Closed { address, state, why, retry_ns: Some(0) };
            handler.changed(self.id, &event);
        }
        self.connect(registry, now_ns, handler);
    }

    /// Sends a close frame if the socket takes it at once.
    fn say_goodbye(&mut self) {
        if let Phase::Open(open) = &mut self.phase {
            let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            // The peer learns of the end from TCP if not from this.
            drop(open.socket.close(Some(frame)));
        }
    }

    /// Goes on after the socket became ready. Harmless when it did not.
    pub(crate) fn on_ready(&mut self, clock: &Clock, handler: &mut impl Handler) {
        self.has_more = false;
        if matches!(self.phase, Phase::Connecting { .. }) {
            self.finish_connect(clock.now_ns(), handler);
        }
        if matches!(self.phase, Phase::Securing { .. }) {
            self.go_on_with_tls(clock.now_ns(), handler);
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
        self.say_goodbye();
        self.phase = Phase::Stopped;
        self.has_more = false;
        self.reconnects = false;
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
            registry.register(&mut tcp, self.token(), interest)?;
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
        match Transport::client(tcp, self.tls.as_ref()) {
            Ok(transport) => {
                let deadline_ns = now_ns.saturating_add(self.config.handshake_ns_max);
                self.phase = Phase::Securing { transport, deadline_ns };
            }
            Err(error) => {
                let why = CloseReason::Io(error);
                self.close_as(SessionState::Handshaking, why, now_ns, handler);
            }
        }
    }

    fn go_on_with_tls(&mut self, now_ns: u64, handler: &mut impl Handler) {
        let Phase::Securing { mut transport, deadline_ns } = self.take_phase() else { return };
        match transport.handshake() {
            Ok(true) => self.begin_handshake(transport, deadline_ns, now_ns, handler),
            Ok(false) => self.phase = Phase::Securing { transport, deadline_ns },
            Err(error) => {
                let why = tls_reason(error);
                self.close_as(SessionState::Handshaking, why, now_ns, handler);
            }
        }
    }

    fn begin_handshake(
        &mut self,
        transport: Transport,
        deadline_ns: u64,
        now_ns: u64,
        handler: &mut impl Handler,
    ) {
        let begun = self.request().and_then(|request| {
            ClientHandshake::start(transport, request, Some(self.config.socket()))
        });
        match begun {
            Ok(handshake) => {
                self.phase = Phase::Handshaking { handshake: Box::new(handshake), deadline_ns };
            }
            Err(error) => {
                let why = handshake_reason(error);
                self.close_as(SessionState::Handshaking, why, now_ns, handler);
            }
        }
    }

    fn request(&self) -> Result<Request, Error> {
        let mut request = self.endpoint.request()?;
        let headers = self.config.headers.iter();
        request.headers_mut().extend(headers.filter_map(|(name, value)| header(name, value)));
        Ok(request)
    }

    fn go_on_with_handshake(&mut self, now_ns: u64, handler: &mut impl Handler) {
        let Phase::Handshaking { handshake, deadline_ns } = self.take_phase() else { return };
        match handshake.handshake() {
            Ok((socket, _)) => {
                let interval_ns = self.config.ping_interval_ns.unwrap_or(u64::MAX);
                let ping_at_ns = now_ns.saturating_add(interval_ns);
                let open = OpenSocket { socket, opened_ns: now_ns, heard_ns: now_ns, ping_at_ns };
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
        let read_count = open.socket.get_ref().read_count();
        let message = match open.socket.read() {
            Ok(message) => message,
            Err(error) if is_would_block(&error) => return Ok(false),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(open_reason(error)),
        };
        if open.socket.get_ref().read_count() != read_count {
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
