//! How connections go on: bytes in, requests and texts to the service, queues out.

use std::io::{self, Read as _};
use std::sync::Arc;

use engine::clock::Clock;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Bytes, Error, Message, WebSocket};

use super::Peers;
use crate::server::outlet::{Outlet, frame_header};
use crate::server::peer::{Http, Pending, Stage};
use crate::server::request::{Parsed, Upgrade, parse, switching};
use crate::server::{PeerId, Reply, Response, Service};

/// Messages that one peer hands out before the others get their turn.
const MESSAGES_PER_TURN_MAX: usize = 256;
/// Requests, likewise.
const REQUESTS_PER_TURN_MAX: usize = 256;
/// Reads, likewise.
const READS_PER_TURN_MAX: usize = 16;
const SOCKET_BUFFER_SIZE_BYTES: usize = 16 * 1024;

/// What a look at an inbox led to.
enum Step {
    /// No whole request.
    Wait { expects_word: bool },
    /// A request was handed out.
    Handed { reply: Reply, size_bytes: usize, switch: Result<Switch, Response> },
    /// It is garbage; this is the last answer.
    Refused(Response),
}

/// What an upgrade takes.
struct Switch {
    answer: String,
    target: String,
}

fn refusal(status: u16, why: &str) -> Response {
    Response { closes: true, ..Response::new(status).header("Content-Type", "text/plain") }
        .with_body(why)
}

impl Peers {
    /// Ends what took too long.
    pub(in crate::server) fn on_time(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        for index in 0..self.slots.len() {
            let Some(peer) = &mut self.slots[index] else { continue };
            if peer.deadline_ns(&self.config).is_none_or(|deadline_ns| now_ns < deadline_ns) {
                continue;
            }
            match &mut peer.stage {
                Stage::Http(http) if !http.inbox.is_empty() => {
                    http.pending = Some(Pending { is_head: false, closes: true });
                    let id = peer.id;
                    self.answer(id, &refusal(408, "the request takes too long"));
                }
                Stage::Http(_) => peer.stage.drain(now_ns + self.config.linger_ns_max),
                Stage::Securing { .. }
                | Stage::Socket { .. }
                | Stage::Draining { .. }
                | Stage::Gone => peer.stage = Stage::Gone,
            }
            self.mark_dirty(index);
        }
    }

    /// Runs those that are ready or asked for another turn.
    pub(in crate::server) fn run_due(&mut self, clock: &Clock, service: &mut impl Service) {
        // Who becomes due meanwhile waits for the next turn.
        for _ in 0..self.due.len() {
            let Some(index) = self.due.pop_front() else { return };
            let Some(peer) = &mut self.slots[index] else { continue };
            peer.lists.is_due = false;
            self.now_ns = clock.now_ns();
            self.run(index, service);
            self.mark_dirty(index);
            self.settle(self.now_ns, service);
        }
    }

    fn run(&mut self, index: usize, service: &mut impl Service) {
        let now_ns = self.now_ns;
        let Some(peer) = &mut self.slots[index] else { return };
        let id = peer.id;
        if !peer.secure(now_ns) || !peer.discard(&mut self.read_buffer) {
            peer.stage = Stage::Gone;
        }
        if peer.is_paused {
            return;
        }
        match &peer.stage {
            Stage::Http(_) => self.run_http(id, service),
            Stage::Socket { .. } => self.run_socket(id, service),
            Stage::Securing { .. } | Stage::Draining { .. } | Stage::Gone => {}
        }
    }

    fn http(&mut self, id: PeerId) -> Option<&mut Http> {
        match &mut self.find(id)?.stage {
            Stage::Http(http) => Some(http),
            Stage::Securing { .. }
            | Stage::Socket { .. }
            | Stage::Draining { .. }
            | Stage::Gone => None,
        }
    }

    fn run_http(&mut self, id: PeerId, service: &mut impl Service) {
        if !self.read_http(id) {
            return self.forget(id);
        }
        let mut is_turn_over = true;
        for _ in 0..REQUESTS_PER_TURN_MAX {
            if !self.hand_out(id, service) {
                is_turn_over = false;
                break;
            }
        }
        if is_turn_over {
            return self.make_due(id.index);
        }
        let deadline_ns = self.now_ns.saturating_add(self.config.linger_ns_max);
        let Some(peer) = self.find(id) else { return };
        match &peer.stage {
            // Who ends its side while an answer is being made does not want it.
            Stage::Http(http) if http.at_end && http.pending.is_some() => {
                peer.stage = Stage::Gone;
            }
            Stage::Http(http) if http.at_end => peer.stage.drain(deadline_ns),
            Stage::Http(_)
            | Stage::Securing { .. }
            | Stage::Socket { .. }
            | Stage::Draining { .. }
            | Stage::Gone => {}
        }
    }

    /// Takes what the socket has. Whether the connection still works.
    fn read_http(&mut self, id: PeerId) -> bool {
        let now_ns = self.now_ns;
        let inbox_size_bytes_max =
            self.config.head_size_bytes_max + self.config.body_size_bytes_max;
        let Some(Some(peer)) = self.slots.get_mut(id.index) else { return false };
        let Stage::Http(http) = &mut peer.stage else { return false };
        for _ in 0..READS_PER_TURN_MAX {
            // What lies behind goes on when there is room: an answer makes the peer due.
            if inbox_size_bytes_max < http.inbox.len() {
                return true;
            }
            match http.outlet.read(&mut self.read_buffer) {
                Ok(0) => {
                    http.at_end = true;
                    return true;
                }
                Ok(count) => {
                    if http.inbox.is_empty() {
                        http.since_ns = now_ns;
                    }
                    peer.heard_ns = now_ns;
                    http.inbox.extend_from_slice(&self.read_buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.make_due(id.index);
        true
    }

    /// Hands out the next request. Whether another look is worth it.
    fn hand_out(&mut self, id: PeerId, service: &mut impl Service) -> bool {
        let now_ns = self.now_ns;
        let Some(peer) = self.find(id) else { return false };
        peer.is_known = true;
        let Stage::Http(http) = &mut peer.stage else { return false };
        if http.pending.is_some() || http.inbox.is_empty() {
            return false;
        }
        let mut inbox = std::mem::take(&mut http.inbox);
        let config = Arc::clone(&self.config);
        let step = parse(&inbox, &config, |parsed| match parsed {
            Parsed::Partial { expects_word } => Step::Wait { expects_word },
            Parsed::Refused { status, why } => Step::Refused(refusal(status, why)),
            Parsed::Whole { request, upgrade, keeps, size_bytes } => {
                let pending = Pending { is_head: request.method == "HEAD", closes: !keeps };
                if let Some(http) = self.http(id) {
                    http.pending = Some(pending);
                }
                let reply = service.request(self, id, &request, now_ns);
                let switch = match upgrade {
                    Upgrade::Wanted { key } => {
                        let target = request.target.to_string();
                        Ok(Switch { answer: switching(key), target })
                    }
                    Upgrade::Wrong { status, why } => Err(refusal(status, why)),
                    Upgrade::Absent => Err(refusal(400, "this is a WebSocket")),
                };
                Step::Handed { reply, size_bytes, switch }
            }
        });
        if let Step::Handed { size_bytes, .. } = &step {
            inbox.drain(..*size_bytes);
        }
        if let Some(http) = self.http(id) {
            // Nobody else reads, so the place is still empty.
            http.inbox = inbox;
            if matches!(step, Step::Handed { .. }) {
                http.has_word = false;
                http.since_ns = now_ns;
            }
        }
        self.take_step(id, step, service)
    }

    fn take_step(&mut self, id: PeerId, step: Step, service: &mut impl Service) -> bool {
        match step {
            Step::Wait { expects_word } => {
                if let Some(http) = self.http(id)
                    && expects_word
                    && !std::mem::replace(&mut http.has_word, true)
                {
                    http.outlet.push(&[b"HTTP/1.1 100 Continue\r\n\r\n"]);
                }
                false
            }
            Step::Refused(response) => {
                if let Some(http) = self.http(id) {
                    http.pending = Some(Pending { is_head: false, closes: true });
                }
                self.answer(id, &response);
                false
            }
            Step::Handed { reply: Reply::Respond(response), .. } => self.answer(id, &response),
            // It may have been answered before the service returned.
            Step::Handed { reply: Reply::Later, .. } => true,
            Step::Handed { reply: Reply::Upgrade, switch: Ok(switch), .. } => {
                self.upgrade(id, &switch, service);
                false
            }
            Step::Handed { reply: Reply::Upgrade, switch: Err(response), .. } => {
                self.answer(id, &response);
                false
            }
        }
    }

    fn upgrade(&mut self, id: PeerId, switch: &Switch, service: &mut impl Service) {
        let (now_ns, size_bytes_max) = (self.now_ns, self.config.frame_size_bytes_max);
        let Some(peer) = self.find(id) else { return };
        let Stage::Http(http) = std::mem::replace(&mut peer.stage, Stage::Gone) else { return };
        let Http { mut outlet, inbox, .. } = *http;
        outlet.push(&[switch.answer.as_bytes()]);
        let config = WebSocketConfig::default()
            .read_buffer_size(SOCKET_BUFFER_SIZE_BYTES)
            .write_buffer_size(0)
            .max_frame_size(Some(size_bytes_max))
            .max_message_size(Some(size_bytes_max));
        let socket = WebSocket::from_partially_read(outlet, inbox, Role::Server, Some(config));
        peer.stage = Stage::Socket { socket: Box::new(socket), closing_ns: None };
        service.upgraded(self, id, &switch.target, now_ns);
        // The first messages may have come with the request.
        self.make_due(id.index);
    }

    fn run_socket(&mut self, id: PeerId, service: &mut impl Service) {
        let now_ns = self.now_ns;
        for _ in 0..MESSAGES_PER_TURN_MAX {
            let Some(peer) = self.find(id).filter(|peer| !peer.is_paused) else {
                return;
            };
            let Stage::Socket { socket, closing_ns } = &mut peer.stage else { return };
            let is_closing = closing_ns.is_some();
            let payload = match socket.read() {
                Ok(Message::Text(text)) => Bytes::from(text),
                Ok(Message::Binary(bytes)) => bytes,
                Ok(Message::Pong(_)) => {
                    (peer.heard_ns, peer.pong_ns) = (now_ns, Some(now_ns));
                    continue;
                }
                // The answers to these are tungstenite's and go out with its next read.
                Ok(Message::Ping(_) | Message::Close(_) | Message::Frame(_)) => {
                    peer.heard_ns = now_ns;
                    continue;
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.end_socket(id, &error),
            };
            peer.heard_ns = now_ns;
            if !is_closing {
                service.text(self, id, &payload, now_ns);
            }
        }
        self.make_due(id.index);
    }

    /// Drains where the peer can still hear something.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest of a foreign enum is one case")]
    fn end_socket(&mut self, id: PeerId, error: &Error) {
        let deadline_ns = self.now_ns.saturating_add(self.config.linger_ns_max);
        let Some(peer) = self.find(id) else { return };
        let code: u16 = match error {
            // Both close frames are through.
            Error::ConnectionClosed | Error::AlreadyClosed => return peer.stage.drain(deadline_ns),
            Error::Io(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                peer.stage = Stage::Gone;
                return;
            }
            Error::Capacity(_) => 1009,
            Error::Utf8(_) => 1007,
            _ => 1002,
        };
        if let Some(outlet) = peer.stage.outlet() {
            let (mut frame, size_bytes) = frame_header(0x88, 2);
            frame[size_bytes] = u8::try_from(code >> 8).expect("a code has two bytes");
            frame[size_bytes + 1] = u8::try_from(code & 0xff).expect("a code has two bytes");
            outlet.push(&[&frame[..size_bytes + 2]]);
        }
        peer.stage.drain(deadline_ns);
    }

    fn forget(&mut self, id: PeerId) {
        if let Some(peer) = self.find(id) {
            peer.stage = Stage::Gone;
        }
    }

    /// Sends what is queued and takes leave of those that are gone.
    pub(in crate::server) fn settle(&mut self, now_ns: u64, service: &mut impl Service) {
        self.now_ns = now_ns;
        while let Some(index) = self.dirty.pop() {
            let Some(Some(peer)) = self.slots.get_mut(index) else { continue };
            peer.lists.is_dirty = false;
            if peer.stage.outlet().is_some_and(|outlet| outlet.has_overflown()) {
                self.counts.overflow_count += 1;
                peer.cut();
            }
            let is_gone = match peer.stage.outlet().map(Outlet::drain) {
                Some(Ok(true)) => peer.finish(&mut self.read_buffer),
                Some(Ok(false)) => false,
                Some(Err(_)) | None => true,
            };
            if is_gone {
                let (id, is_known) = (peer.id, peer.is_known);
                self.slots[index] = None;
                self.free.push(index);
                if is_known {
                    service.closed(self, id);
                }
            }
        }
    }
}
