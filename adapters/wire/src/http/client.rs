//! The HTTP/1.1 client: one connection to one endpoint, requests pipelined, answers in order.
//!
//! ```text
//!            wanted, wait over           connected            TLS done
//!   Waiting -----------------> Connecting --------> Securing ---------> Open
//!      ^                           |                    |                 |
//!      +---------------------------+--------------------+-----------------+
//!        deadline, error, cut, end; the wait grows with each that did not last
//! ```
//!
//! A failed attempt to connect fails every request that waits: nothing of them was sent, so whoever
//! asked can try elsewhere at once. The end of an open connection fails those of which a byte was
//! sent; the others go out on the next one.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use engine::clock::Clock;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::answer::Answers;
use super::head::{is_header, is_target, is_token};
use super::{HttpAnswer, HttpConfig, HttpFailure, HttpId, HttpRequest};
use crate::backoff::Backoff;
use crate::endpoint::{Endpoint, Protocol};
use crate::session::{
    CloseReason, ConfigError, Handler, SendError, SessionEvent, SessionState, client_tls,
    tls_reason,
};
use crate::transport::{ClientTls, Transport, connect_outcome};

const READ_BUFFER_SIZE_BYTES: usize = 64 * 1024;
/// Reads of one turn, before others get theirs.
const READS_PER_TURN_MAX: usize = 16;

enum Phase {
    Waiting { retry_at_ns: u64 },
    Connecting { tcp: TcpStream, deadline_ns: u64 },
    Securing { transport: Transport, deadline_ns: u64 },
    Open { transport: Transport, opened_ns: u64, answer_count: u64 },
    Stopped,
}

/// A request that has no answer yet.
#[derive(Debug)]
struct InFlight {
    token: u64,
    deadline_ns: u64,
    size_bytes: usize,
    /// Of these, how many the connection took.
    sent_bytes: usize,
    is_head: bool,
}

/// How a connection ends: for the handler and for the requests.
struct End {
    why: CloseReason,
    failure: fn(&CloseReason) -> HttpFailure,
}

/// A client; owned by a [`crate::poller::Poller`].
pub struct HttpClient {
    id: HttpId,
    endpoint: Endpoint,
    config: HttpConfig,
    tls: Option<ClientTls>,
    backoff: Backoff,
    phase: Phase,
    /// Of this attempt or the last one.
    address: SocketAddr,
    attempt_count: usize,
    has_more: bool,
    /// Oldest first. What is unsent of them is what the queue holds, in the same order.
    in_flight: VecDeque<InFlight>,
    /// How many of them, from the front, have a sent byte.
    begun_count: usize,
    /// Never above the true least deadline of `in_flight`.
    deadline_ns_min: u64,
    queue: Vec<u8>,
    /// What of the queue was sent.
    queue_start: usize,
    answers: Answers,
    read_buffer: Box<[u8]>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("id", &self.id)
            .field("url", &self.endpoint.url())
            .field("state", &self.state())
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}

impl HttpClient {
    pub(crate) fn new(
        id: HttpId,
        endpoint: Endpoint,
        config: HttpConfig,
    ) -> Result<HttpClient, ConfigError> {
        config.check()?;
        let tls = client_tls(&endpoint, Protocol::Http, config.tls.as_ref())?;
        let backoff =
            Backoff::new(config.backoff_ns_min, config.backoff_ns_max, config.backoff_seed);
        Ok(HttpClient {
            id,
            address: endpoint.address(0),
            answers: Answers::new(config.head_size_bytes_max, config.body_size_bytes_max),
            endpoint,
            config,
            tls,
            backoff,
            phase: Phase::Waiting { retry_at_ns: 0 },
            attempt_count: 0,
            has_more: false,
            in_flight: VecDeque::new(),
            begun_count: 0,
            deadline_ns_min: u64::MAX,
            queue: Vec::new(),
            queue_start: 0,
            read_buffer: vec![0; READ_BUFFER_SIZE_BYTES].into_boxed_slice(),
        })
    }

    /// Where it is. The TLS handshake counts as [`SessionState::Handshaking`].
    pub fn state(&self) -> SessionState {
        match &self.phase {
            Phase::Waiting { .. } => SessionState::Waiting,
            Phase::Connecting { .. } => SessionState::Connecting,
            Phase::Securing { .. } => SessionState::Handshaking,
            Phase::Open { .. } => SessionState::Open,
            Phase::Stopped => SessionState::Stopped,
        }
    }

    /// Requests without an answer.
    pub fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Where it connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn token(&self) -> Token {
        Token(self.id.0 * 2 + 1)
    }

    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// When [`HttpClient::on_time`] has something to do; `None` if never.
    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        let own_ns = match &self.phase {
            Phase::Waiting { retry_at_ns } if self.is_wanted() => *retry_at_ns,
            Phase::Connecting { deadline_ns, .. } | Phase::Securing { deadline_ns, .. } => {
                *deadline_ns
            }
            Phase::Waiting { .. } | Phase::Open { .. } => u64::MAX,
            Phase::Stopped => return None,
        };
        Some(own_ns.min(self.deadline_ns_min)).filter(|deadline_ns| *deadline_ns != u64::MAX)
    }

    fn is_wanted(&self) -> bool {
        self.config.keeps_warm || !self.in_flight.is_empty()
    }

    /// Takes a request and sends what the socket takes of it.
    pub fn request(&mut self, request: &HttpRequest<'_>) -> Result<(), SendError> {
        if matches!(self.phase, Phase::Stopped) {
            return Err(SendError::NotOpen { state: SessionState::Stopped });
        }
        let HttpRequest { token, method, target, headers, deadline_ns, .. } = *request;
        let is_sound = is_token(method)
            && is_target(target)
            && headers.iter().all(|(name, value)| is_header(name, value));
        if !is_sound {
            return Err(SendError::Malformed);
        }
        if self.config.in_flight_max <= self.in_flight.len() {
            return Err(SendError::QueueFull);
        }
        self.drop_sent_bytes();
        let begin = self.queue.len();
        self.append(request);
        if self.config.write_queue_size_bytes_max < self.queue.len() {
            self.queue.truncate(begin);
            return Err(SendError::QueueFull);
        }
        let size_bytes = self.queue.len() - begin;
        let is_head = method == "HEAD";
        let in_flight = InFlight { token, deadline_ns, size_bytes, sent_bytes: 0, is_head };
        self.in_flight.push_back(in_flight);
        self.deadline_ns_min = self.deadline_ns_min.min(deadline_ns);
        if self.write().is_err() {
            // The error comes again with the next turn, where there is somebody to tell.
            self.has_more = true;
        }
        Ok(())
    }

    fn append(&mut self, request: &HttpRequest<'_>) {
        let queue = &mut self.queue;
        let mut push = |parts: &[&str]| {
            for part in parts {
                queue.extend_from_slice(part.as_bytes());
            }
        };
        let (path, host) = (self.endpoint.path(), self.endpoint.authority());
        push(&[request.method, " ", path, request.target, " HTTP/1.1\r\nHost: ", host, "\r\n"]);
        for (name, value) in &self.config.headers {
            push(&[name, ": ", value, "\r\n"]);
        }
        for (name, value) in request.headers {
            push(&[name, ": ", value, "\r\n"]);
        }
        if !request.body.is_empty() || matches!(request.method, "POST" | "PUT" | "PATCH") {
            push(&["Content-Length: ", &request.body.len().to_string(), "\r\n"]);
        }
        push(&["\r\n"]);
        queue.extend_from_slice(request.body);
    }

    fn drop_sent_bytes(&mut self) {
        if self.queue.len() == self.queue_start {
            self.queue.clear();
            self.queue_start = 0;
        } else if self.queue.len() / 2 < self.queue_start {
            self.queue.drain(..self.queue_start);
            self.queue_start = 0;
        }
    }

    /// Sends what the socket takes.
    fn write(&mut self) -> io::Result<()> {
        let Phase::Open { transport, .. } = &mut self.phase else { return Ok(()) };
        while self.queue_start < self.queue.len() {
            let mut count = match transport.write(&self.queue[self.queue_start..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.queue_start += count;
            // The last one that was begun may be incomplete.
            let mut index = self.begun_count.saturating_sub(1);
            while 0 < count {
                let request = &mut self.in_flight[index];
                let part = count.min(request.size_bytes - request.sent_bytes);
                request.sent_bytes += part;
                count -= part;
                index += 1;
            }
            self.begun_count = self.begun_count.max(index);
        }
        match transport.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Begins attempts, ends what took too long.
    pub(crate) fn on_time(&mut self, registry: &Registry, now_ns: u64, handler: &mut impl Handler) {
        if self.deadline_ns().is_none_or(|deadline_ns| now_ns < deadline_ns) {
            return;
        }
        match &self.phase {
            Phase::Waiting { retry_at_ns } if *retry_at_ns <= now_ns && self.is_wanted() => {
                self.connect(registry, now_ns, handler);
            }
            Phase::Connecting { deadline_ns, .. } if *deadline_ns <= now_ns => {
                let limit_ns = self.config.connect_ns_max;
                self.fail(CloseReason::ConnectDeadline { limit_ns }, now_ns, handler);
            }
            Phase::Securing { deadline_ns, .. } if *deadline_ns <= now_ns => {
                let limit_ns = self.config.handshake_ns_max;
                self.fail(CloseReason::HandshakeDeadline { limit_ns }, now_ns, handler);
            }
            Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Securing { .. }
            | Phase::Open { .. }
            | Phase::Stopped => {}
        }
        if self.deadline_ns_min <= now_ns {
            self.end_late_requests(now_ns, handler);
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
        if !matches!(self.phase, Phase::Open { .. }) {
            return;
        }
        // Answers first: a peer that refuses a request may have ended its reading.
        let end = match self.read(clock, handler) {
            Ok(has_more) => {
                self.has_more = has_more;
                match self.write() {
                    Ok(()) => return,
                    Err(error) => io_end(error),
                }
            }
            // Nothing more goes out here: behind half a request it would be taken for its rest.
            Err(end) => end,
        };
        self.end(end, clock.now_ns(), handler);
    }

    /// Ends the client for good.
    pub(crate) fn stop(&mut self, handler: &mut impl Handler) {
        let state = self.state();
        self.phase = Phase::Stopped;
        self.has_more = false;
        self.queue.clear();
        self.queue_start = 0;
        self.begun_count = 0;
        while let Some(request) = self.in_flight.pop_front() {
            answer_failed(self.id, &request, HttpFailure::Stopped, handler);
        }
        if state != SessionState::Stopped {
            let (address, why) = (self.address, CloseReason::Stopped);
            let event = SessionEvent::Closed { address, state, why, retry_ns: None };
            handler.http_changed(self.id, &event);
        }
    }

    fn connect(&mut self, registry: &Registry, now_ns: u64, handler: &mut impl Handler) {
        self.address = self.endpoint.address(self.attempt_count);
        self.attempt_count = self.attempt_count.wrapping_add(1);
        handler.http_changed(self.id, &SessionEvent::Connecting { address: self.address });
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
            Err(error) => self.fail(CloseReason::Io(error), now_ns, handler),
        }
    }

    fn finish_connect(&mut self, now_ns: u64, handler: &mut impl Handler) {
        let Phase::Connecting { tcp, .. } = &self.phase else { return };
        match connect_outcome(tcp) {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => return self.fail(CloseReason::Io(error), now_ns, handler),
        }
        let Phase::Connecting { tcp, .. } = self.take_phase() else { return };
        handler.http_changed(self.id, &SessionEvent::Handshaking { address: self.address });
        let deadline_ns = now_ns.saturating_add(self.config.handshake_ns_max);
        match Transport::client(tcp, self.tls.as_ref()) {
            Ok(transport) => self.phase = Phase::Securing { transport, deadline_ns },
            Err(error) => self.fail(CloseReason::Io(error), now_ns, handler),
        }
    }

    fn go_on_with_tls(&mut self, now_ns: u64, handler: &mut impl Handler) {
        let Phase::Securing { mut transport, deadline_ns } = self.take_phase() else { return };
        match transport.handshake() {
            Ok(true) => {
                self.answers.clear();
                self.phase = Phase::Open { transport, opened_ns: now_ns, answer_count: 0 };
                handler.http_changed(self.id, &SessionEvent::Open { address: self.address });
            }
            Ok(false) => self.phase = Phase::Securing { transport, deadline_ns },
            Err(error) => {
                self.phase = Phase::Securing { transport, deadline_ns };
                self.fail(tls_reason(error), now_ns, handler);
            }
        }
    }

    /// Hands out answers until the socket would block (`false`) or the turn is over (`true`).
    fn read(&mut self, clock: &Clock, handler: &mut impl Handler) -> Result<bool, End> {
        for _ in 0..READS_PER_TURN_MAX {
            let Phase::Open { transport, .. } = &mut self.phase else { return Ok(false) };
            let count = match transport.read(&mut self.read_buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(io_end(error)),
            };
            let receive_ns = clock.now_ns();
            self.answers.push(&self.read_buffer[..count]);
            self.hand_out(count == 0, receive_ns, handler)?;
        }
        Ok(true)
    }

    fn hand_out(
        &mut self,
        at_end: bool,
        receive_ns: u64,
        handler: &mut impl Handler,
    ) -> Result<(), End> {
        while let Some(request) = self.in_flight.front().filter(|_| 0 < self.begun_count) {
            let is_complete = self.answers.is_complete(request.is_head, at_end);
            match is_complete {
                Ok(true) => {}
                Ok(false) => break,
                Err(failure) => return Err(self.end_by_answer(failure, handler)),
            }
            let is_sent = request.sent_bytes == request.size_bytes;
            let request = self.in_flight.pop_front().expect("the front was looked at");
            self.begun_count -= 1;
            if let Phase::Open { answer_count, .. } = &mut self.phase {
                *answer_count += 1;
            }
            let id = self.id;
            let closes = self.answers.deliver(|status, headers, body| {
                let answer = HttpAnswer::Response { status, headers, body, receive_ns };
                handler.answered(id, request.token, answer);
            });
            if !is_sent {
                // Answered before it was whole: the rest of it must not be sent as something else.
                let rest = request.size_bytes - request.sent_bytes;
                self.queue_start += rest;
                return Err(End { why: CloseReason::Ended, failure: |_| HttpFailure::Cut });
            }
            if closes {
                return Err(End { why: CloseReason::Ended, failure: |_| HttpFailure::Cut });
            }
        }
        if self.begun_count == 0 && self.answers.has_rest() {
            let detail = "an answer that nobody asked for".to_string();
            let why = CloseReason::Protocol { detail };
            return Err(End { why, failure: |_| HttpFailure::Dropped });
        }
        if at_end {
            let is_cut = 0 < self.begun_count;
            let why = if is_cut { CloseReason::Cut } else { CloseReason::Ended };
            return Err(End { why, failure: |_| HttpFailure::Cut });
        }
        Ok(())
    }

    /// The front request has an answer that is none; the others fail with the connection.
    fn end_by_answer(&mut self, failure: HttpFailure, handler: &mut impl Handler) -> End {
        let detail = failure.to_string();
        self.fail_front(failure, handler);
        let why = CloseReason::Protocol { detail };
        End { why, failure: |_| HttpFailure::Dropped }
    }

    /// Answers the front request, of which something was sent, and forgets its unsent rest.
    fn fail_front(&mut self, failure: HttpFailure, handler: &mut impl Handler) {
        let Some(request) = self.in_flight.pop_front() else { return };
        self.queue_start += request.size_bytes - request.sent_bytes;
        self.begun_count = self.begun_count.saturating_sub(1);
        answer_failed(self.id, &request, failure, handler);
    }

    fn end_late_requests(&mut self, now_ns: u64, handler: &mut impl Handler) {
        let is_late = |request: &InFlight| request.deadline_ns <= now_ns;
        let begun = self.in_flight.iter().take(self.begun_count);
        let drops = begun.clone().any(is_late);
        // The late ones among those that were sent are told the true reason, the others that they
        // were dropped for it.
        if drops {
            for _ in 0..self.begun_count {
                let is_front_late = self.in_flight.front().is_some_and(is_late);
                let failure =
                    if is_front_late { HttpFailure::Deadline } else { HttpFailure::Dropped };
                self.fail_front(failure, handler);
            }
            let why = CloseReason::AnswerDeadline;
            self.end(End { why, failure: |_| HttpFailure::Dropped }, now_ns, handler);
        }
        // Of the rest nothing was sent: they leave the queue without a trace.
        let mut index = self.begun_count;
        let begun = self.in_flight.iter().take(self.begun_count);
        let unsent: usize = begun.map(|it| it.size_bytes - it.sent_bytes).sum();
        let mut offset = self.queue_start + unsent;
        while let Some(request) = self.in_flight.get(index) {
            let size_bytes = request.size_bytes;
            if !is_late(request) {
                offset += size_bytes;
                index += 1;
                continue;
            }
            self.queue.drain(offset..offset + size_bytes);
            let request = self.in_flight.remove(index).expect("the index was looked at");
            answer_failed(self.id, &request, HttpFailure::Deadline, handler);
        }
        let deadlines = self.in_flight.iter().map(|request| request.deadline_ns);
        self.deadline_ns_min = deadlines.min().unwrap_or(u64::MAX);
    }

    fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Stopped)
    }

    /// An attempt to connect failed, and with it every request that waits for it.
    fn fail(&mut self, why: CloseReason, now_ns: u64, handler: &mut impl Handler) {
        let detail = why.to_string();
        let waiting = self.in_flight.len();
        self.end(End { why, failure: |_| HttpFailure::Dropped }, now_ns, handler);
        for _ in 0..waiting {
            self.fail_front(HttpFailure::Connect { detail: detail.clone() }, handler);
        }
    }

    /// Drops the connection, fails what was sent on it, and waits for the next attempt.
    fn end(&mut self, end: End, now_ns: u64, handler: &mut impl Handler) {
        let (state, address) = (self.state(), self.address);
        // Only time or an answer proves a connection: a peer that accepts and closes at once must
        // not be asked again and again without a growing wait.
        let mut is_proven = false;
        if let Phase::Open { opened_ns, answer_count, .. } = &self.phase {
            let age_ns = now_ns.saturating_sub(*opened_ns);
            is_proven = 0 < *answer_count || self.config.backoff_ns_max <= age_ns;
        }
        if is_proven {
            self.backoff.reset();
        }
        // A peer ends idle connections as it likes; that is no reason to wait.
        let is_free = is_proven && matches!(end.why, CloseReason::Ended);
        let retry_ns = if is_free { 0 } else { self.backoff.next_delay_ns() };
        self.phase = Phase::Waiting { retry_at_ns: now_ns.saturating_add(retry_ns) };
        self.has_more = false;
        self.answers.clear();
        while 0 < self.begun_count {
            let failure = (end.failure)(&end.why);
            self.fail_front(failure, handler);
        }
        self.drop_sent_bytes();
        let retry_ns = Some(retry_ns);
        let event = SessionEvent::Closed { address, state, why: end.why, retry_ns };
        handler.http_changed(self.id, &event);
    }
}

fn io_end(error: io::Error) -> End {
    let failure = |why: &CloseReason| match why {
        CloseReason::Io(error) => HttpFailure::Io(error.kind()),
        CloseReason::ConnectDeadline { .. }
        | CloseReason::HandshakeDeadline { .. }
        | CloseReason::Refused { .. }
        | CloseReason::Handshake { .. }
        | CloseReason::Peer { .. }
        | CloseReason::Cut
        | CloseReason::FrameTooLarge { .. }
        | CloseReason::Protocol { .. }
        | CloseReason::Mute { .. }
        | CloseReason::AnswerDeadline
        | CloseReason::Reconnect
        | CloseReason::Ended
        | CloseReason::Stopped => HttpFailure::Cut,
    };
    End { why: CloseReason::Io(error), failure }
}

fn answer_failed(id: HttpId, request: &InFlight, why: HttpFailure, handler: &mut impl Handler) {
    let may_have_been_sent = 0 < request.sent_bytes;
    handler.answered(id, request.token, HttpAnswer::Failed { why, may_have_been_sent });
}
