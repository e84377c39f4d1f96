//! The connections of a server, and what a service can do to them.

mod run;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use rustls::ServerConfig as TlsConfig;
use tungstenite::protocol::CloseFrame;

use super::outlet::{Outlet, frame_header};
use super::peer::{Lists, Peer, Stage};
use super::request::head_of;
use super::{ListenerId, PeerId, Response, ServerConfig, Waiting};
use crate::transport::Transport;

/// Connections taken from a listener in one turn.
const ACCEPTS_PER_TURN_MAX: usize = 64;
const READ_BUFFER_SIZE_BYTES: usize = 64 * 1024;

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCounts {
    /// Connections taken.
    pub accepted_count: u64,
    /// Connections closed at once because there were too many.
    pub refused_count: u64,
    /// Peers cut because their queue was full.
    pub overflow_count: u64,
}

/// The connections.
#[derive(Debug)]
pub struct Peers {
    config: Arc<ServerConfig>,
    /// By index of the peer.
    slots: Vec<Option<Box<Peer>>>,
    free: Vec<usize>,
    generation: u64,
    due: VecDeque<usize>,
    dirty: Vec<usize>,
    read_buffer: Box<[u8]>,
    counts: PeerCounts,
    /// Of the last turn.
    now_ns: u64,
}

impl Peers {
    pub(super) fn new(config: ServerConfig) -> Peers {
        Peers {
            config: Arc::new(config),
            slots: Vec::new(),
            free: Vec::new(),
            generation: 0,
            due: VecDeque::new(),
            dirty: Vec::new(),
            read_buffer: vec![0; READ_BUFFER_SIZE_BYTES].into_boxed_slice(),
            counts: PeerCounts::default(),
            now_ns: 0,
        }
    }

    /// Sends a WebSocket text. `false` if the peer is gone, closing or mute, or was cut because its
    /// queue is full.
    pub fn send_text(&mut self, peer: PeerId, text: &str) -> bool {
        self.push(peer, |outlet| outlet.push_text(text.as_bytes()))
    }

    /// Sends a WebSocket ping. [`Peers::pong_ns`] tells when an answer came.
    pub fn ping(&mut self, peer: PeerId) -> bool {
        let (header, size_bytes) = frame_header(0x89, 0);
        self.push(peer, |outlet| outlet.push(&[&header[..size_bytes]]))
    }

    /// Sends bytes as they are, between two frames or answers: garbage, on purpose.
    pub fn send_raw(&mut self, peer: PeerId, bytes: &[u8]) -> bool {
        self.mark_dirty(peer.index);
        let Some(found) = self.find(peer) else { return false };
        found.stage.outlet().is_some_and(|outlet| outlet.push(&[bytes]))
    }

    /// Sends the first half of a text frame and nothing ever after, until the peer is closed or
    /// cut.
    pub fn send_half_text(&mut self, peer: PeerId, text: &str) -> bool {
        self.push(peer, |outlet| {
            let (header, size_bytes) = frame_header(0x81, text.len());
            let whole = [&header[..size_bytes], text.as_bytes()].concat();
            let half = whole.len() / 2;
            let is_taken = outlet.push(&[&whole[..half]]);
            outlet.mute();
            is_taken
        })
    }

    /// Answers the oldest request that waits for [`super::Reply::Later`]. `false` if there is none.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an answer is used once; callers make it here"
    )]
    pub fn respond(&mut self, peer: PeerId, response: Response) -> bool {
        let is_answered = self.answer(peer, &response);
        if is_answered {
            // Requests may wait behind it.
            self.make_due(peer.index);
        }
        is_answered
    }

    fn answer(&mut self, peer: PeerId, response: &Response) -> bool {
        let deadline_ns = self.now_ns.saturating_add(self.config.linger_ns_max);
        let now_ns = self.now_ns;
        let Some(found) = self.find(peer) else { return false };
        let Stage::Http(http) = &mut found.stage else { return false };
        let Some(pending) = http.pending.take() else { return false };
        let closes = pending.closes || response.closes;
        let head = head_of(response, closes);
        let has_body = !pending.is_head && !matches!(response.status, 204 | 304);
        let body = if has_body { response.body.as_slice() } else { &[] };
        http.outlet.push(&[head.as_bytes(), body]);
        http.since_ns = now_ns;
        if closes {
            found.stage.drain(deadline_ns);
        }
        self.mark_dirty(peer.index);
        true
    }

    /// Closes in good order: a WebSocket with this code and reason, HTTP behind what is queued.
    pub fn close(&mut self, peer: PeerId, code: u16, reason: &str) {
        let deadline_ns = self.now_ns.saturating_add(self.config.linger_ns_max);
        let Some(found) = self.find(peer) else { return };
        match &mut found.stage {
            Stage::Socket { closing_ns: Some(_), .. } => {}
            Stage::Socket { socket, closing_ns } => {
                *closing_ns = Some(deadline_ns);
                let frame = CloseFrame { code: code.into(), reason: reason.into() };
                // It goes into the queue; where that is full the peer is cut.
                drop(socket.close(Some(frame)));
            }
            Stage::Securing { .. } | Stage::Http(_) | Stage::Draining { .. } | Stage::Gone => {
                found.stage.drain(deadline_ns);
            }
        }
        self.mark_dirty(peer.index);
    }

    /// Ends the connection with a reset, without a word, and drops what is queued.
    pub fn cut(&mut self, peer: PeerId) {
        let Some(found) = self.find(peer) else { return };
        found.cut();
        self.mark_dirty(peer.index);
    }

    /// Stops or goes on reading what the peer sends.
    pub fn pause_reading(&mut self, peer: PeerId, is_paused: bool) {
        let Some(found) = self.find(peer) else { return };
        found.is_paused = is_paused;
        self.make_due(peer.index);
    }

    /// Bytes that wait for the socket; 0 if the peer is gone.
    pub fn queued_bytes(&mut self, peer: PeerId) -> usize {
        let outlet = self.find(peer).and_then(|found| found.stage.outlet());
        outlet.map_or(0, |outlet| outlet.queued_bytes())
    }

    /// Whether the connection is there and not being closed.
    pub fn is_open(&self, peer: PeerId) -> bool {
        self.look(peer).is_some_and(|found| match &found.stage {
            Stage::Http(_) | Stage::Securing { .. } => true,
            Stage::Socket { closing_ns, .. } => closing_ns.is_none(),
            Stage::Draining { .. } | Stage::Gone => false,
        })
    }

    /// The address of the client.
    pub fn remote(&self, peer: PeerId) -> Option<SocketAddr> {
        self.look(peer).map(|found| found.remote)
    }

    /// The listener that took it.
    pub fn listener(&self, peer: PeerId) -> Option<ListenerId> {
        self.look(peer).map(|found| found.listener)
    }

    /// When something came from it last.
    pub fn heard_ns(&self, peer: PeerId) -> Option<u64> {
        self.look(peer).map(|found| found.heard_ns)
    }

    /// When a WebSocket pong came from it last.
    pub fn pong_ns(&self, peer: PeerId) -> Option<u64> {
        self.look(peer).and_then(|found| found.pong_ns)
    }

    /// Connections at present.
    pub fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// What happened so far.
    pub fn counts(&self) -> PeerCounts {
        self.counts
    }

    fn look(&self, peer: PeerId) -> Option<&Peer> {
        let found = self.slots.get(peer.index)?.as_deref();
        found.filter(|found| found.id == peer)
    }

    fn find(&mut self, peer: PeerId) -> Option<&mut Peer> {
        let found = self.slots.get_mut(peer.index)?.as_deref_mut();
        found.filter(|found| found.id == peer)
    }

    /// Puts something between two frames of an open WebSocket.
    fn push(&mut self, peer: PeerId, put: impl FnOnce(&mut Outlet) -> bool) -> bool {
        let Some(found) = self.find(peer) else { return false };
        let Stage::Socket { socket, closing_ns: None } = &mut found.stage else { return false };
        let is_taken = put(socket.get_mut());
        self.mark_dirty(peer.index);
        is_taken
    }

    fn mark_dirty(&mut self, index: usize) {
        if let Some(Some(peer)) = self.slots.get_mut(index)
            && !std::mem::replace(&mut peer.lists.is_dirty, true)
        {
            self.dirty.push(index);
        }
    }

    pub(super) fn make_due(&mut self, index: usize) {
        if let Some(Some(peer)) = self.slots.get_mut(index)
            && !std::mem::replace(&mut peer.lists.is_due, true)
        {
            self.due.push_back(index);
        }
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    pub(super) fn deadline_ns(&self) -> Option<u64> {
        let peers = self.slots.iter().flatten();
        peers.filter_map(|peer| peer.deadline_ns(&self.config)).min()
    }

    /// Takes what waits at a listener.
    pub(super) fn accept(
        &mut self,
        listener: ListenerId,
        socket: &TcpListener,
        tls: Option<&Arc<TlsConfig>>,
        registry: &Registry,
        now_ns: u64,
    ) -> Waiting {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let (mut tcp, remote) = match socket.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Waiting::Nothing,
                // The client went again before it was taken.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Waiting::Refused,
            };
            if self.config.peer_count_max <= self.count() {
                self.counts.refused_count += 1;
                continue;
            }
            let index = self.free.last().copied().unwrap_or(self.slots.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            let transport = tcp
                .set_nodelay(true)
                .and_then(|()| registry.register(&mut tcp, Token(index), interest))
                .and_then(|()| Transport::server(tcp, tls));
            let Ok(transport) = transport else { continue };
            self.counts.accepted_count += 1;
            self.generation += 1;
            let id = PeerId { index, generation: self.generation };
            let outlet = Outlet::new(transport, self.config.write_queue_size_bytes_max);
            let deadline_ns = now_ns.saturating_add(self.config.handshake_ns_max);
            let peer = Box::new(Peer {
                id,
                listener,
                remote,
                stage: Stage::Securing { outlet, deadline_ns },
                is_known: false,
                is_paused: false,
                lists: Lists::default(),
                heard_ns: now_ns,
                pong_ns: None,
            });
            if self.free.pop().is_some() {
                self.slots[index] = Some(peer);
            } else {
                self.slots.push(Some(peer));
            }
            self.make_due(index);
        }
        Waiting::More
    }
}
