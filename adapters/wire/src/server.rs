//! A server loop: HTTP/1.1 and WebSocket on the same ports, plain and with TLS, in one thread.
//!
//! ```text
//!   clients --> Listener --> Peer --requests, texts--> Service
//!                             ^                          |
//!                             +---- Peers: answers, texts, faults ----+
//! ```
//!
//! **Invariant:** requests of a connection are answered in their order, one at a time.
//! **Invariant:** a peer that does not read is cut when its queue is full; memory stays bounded.
//! **Invariant:** whatever bytes come in, the worst that happens is the end of their connection.

mod outlet;
mod peer;
pub mod peers;
mod request;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::Clock;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use rustls::ServerConfig as TlsConfig;

use crate::http::head::Headers;
use crate::poller::{Stopper, Turn};
use peers::Peers;

/// Events taken from the system at once; the rest comes with the next turn.
const EVENT_COUNT_MAX: usize = 256;
/// Tokens of listeners begin here; below are those of peers.
const LISTENER_TOKEN_MIN: usize = usize::MAX / 2;

/// Limits of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Connections at the same time; one more is closed at once.
    pub peer_count_max: usize,
    /// From the first packet to the end of the TLS handshake.
    pub handshake_ns_max: u64,
    /// From the first byte of a request to its last.
    pub request_ns_max: u64,
    /// An HTTP connection without a request for so long is closed.
    pub idle_ns_max: u64,
    /// How long a connection that we close waits until the peer has taken the rest.
    pub linger_ns_max: u64,
    /// Request line and headers.
    pub head_size_bytes_max: usize,
    /// Body of a request.
    pub body_size_bytes_max: usize,
    /// Longest WebSocket message from a peer.
    pub frame_size_bytes_max: usize,
    /// Bytes that may wait for the socket of a peer; at one more it is cut.
    pub write_queue_size_bytes_max: usize,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            peer_count_max: 1_024,
            handshake_ns_max: 5_000_000_000,
            request_ns_max: 10_000_000_000,
            idle_ns_max: 75_000_000_000,
            linger_ns_max: 1_000_000_000,
            head_size_bytes_max: 32 * 1024,
            body_size_bytes_max: 1 << 20,
            frame_size_bytes_max: 1 << 20,
            // A depth snapshot of 5000 levels a side takes some 350 kB.
            write_queue_size_bytes_max: 8 << 20,
        }
    }
}

/// Number of a listener, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerId(pub usize);

/// A connection. Never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerId {
    index: usize,
    generation: u64,
}

/// A request of a peer, in the receive buffer.
#[derive(Debug)]
pub struct Request<'a> {
    /// As sent, mostly in capitals.
    pub method: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// Its headers.
    pub headers: &'a Headers<'a>,
    /// Its body, whole.
    pub body: &'a [u8],
}

impl Request<'_> {
    /// The target up to its question mark.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The target behind its question mark; empty if it has none.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// An answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Besides `Content-Length` and `Connection`.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Vec<u8>,
    /// Ends the connection behind it.
    pub closes: bool,
}

impl Response {
    /// An answer without headers and body.
    pub fn new(status: u16) -> Response {
        Response { status, ..Response::default() }
    }

    /// An answer with a JSON text.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response::new(status)
            .header("Content-Type", "application/json;charset=UTF-8")
            .with_body(body)
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Display) -> Response {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Response {
        self.body = body.into();
        self
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This is the answer.
    Respond(Response),
    /// Speak WebSocket from here on. If the request does not ask for that, it is answered with 400
    /// or 426 instead; otherwise [`Service::upgraded`] follows.
    Upgrade,
    /// [`Peers::respond`] will answer. Requests behind it wait.
    Later,
}

/// Who answers. Called on the thread of the loop, so it must not block.
pub trait Service {
    /// A whole request.
    fn request(
        &mut self,
        peers: &mut Peers,
        peer: PeerId,
        request: &Request<'_>,
        now_ns: u64,
    ) -> Reply;
    /// The peer speaks WebSocket now.
    fn upgraded(&mut self, peers: &mut Peers, peer: PeerId, target: &str, now_ns: u64);
    /// A WebSocket message; a binary one comes as its bytes too.
    fn text(&mut self, peers: &mut Peers, peer: PeerId, payload: &[u8], now_ns: u64);
    /// A peer that was named before is gone; also after [`Peers::close`] and [`Peers::cut`].
    fn closed(&mut self, peers: &mut Peers, peer: PeerId);
    /// Called with each turn.
    fn on_time(&mut self, peers: &mut Peers, now_ns: u64);
    /// When [`Service::on_time`] has something to do; `None` if never.
    fn deadline_ns(&self) -> Option<u64>;
}

/// What waits at a listener though the system will not say so again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    /// Perhaps something.
    More,
    /// The system lacked something to take it; tried with each turn, but not without a wait.
    Refused,
}

struct Listener {
    socket: TcpListener,
    tls: Option<Arc<TlsConfig>>,
    waiting: Waiting,
}

impl fmt::Debug for Listener {
    /// Without the settings of TLS: they hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("socket", &self.socket)
            .field("is_tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// The loop.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    events: Events,
    stopper: Stopper,
    listeners: Vec<Listener>,
    peers: Peers,
}

impl Server {
    /// A server with the usual limits that listens nowhere.
    pub fn new() -> io::Result<Server> {
        Server::with_config(ServerConfig::default())
    }

    /// A server that listens nowhere.
    pub fn with_config(config: ServerConfig) -> io::Result<Server> {
        let poll = Poll::new()?;
        let stopper = Stopper::new(poll.registry())?;
        Ok(Server {
            poll,
            events: Events::with_capacity(EVENT_COUNT_MAX),
            stopper,
            listeners: Vec::new(),
            peers: Peers::new(config),
        })
    }

    /// Listens; with TLS if there are settings for it. The address that it got, for port 0.
    pub fn listen(
        &mut self,
        address: SocketAddr,
        tls: Option<Arc<TlsConfig>>,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        let mut socket = TcpListener::bind(address)?;
        let id = ListenerId(self.listeners.len());
        let token = Token(LISTENER_TOKEN_MIN + id.0);
        self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
        let address = socket.local_addr()?;
        self.listeners.push(Listener { socket, tls, waiting: Waiting::Nothing });
        Ok((id, address))
    }

    /// A handle that stops the loop.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The connections.
    pub fn peers(&mut self) -> &mut Peers {
        &mut self.peers
    }

    /// One turn: waits at most `timeout` for a socket, a deadline or a stop, then does what is due.
    pub fn run_once(
        &mut self,
        timeout: Duration,
        clock: &Clock,
        service: &mut impl Service,
    ) -> io::Result<Turn> {
        if self.stopper.is_stopped() {
            return Ok(Turn::Stop);
        }
        let wait = self.wait(timeout, clock.now_ns(), service);
        match self.poll.poll(&mut self.events, Some(wait)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Turn::Continue),
            Err(error) => return Err(error),
        }
        if self.stopper.is_stopped() {
            return Ok(Turn::Stop);
        }
        for event in &self.events {
            match event.token().0.checked_sub(LISTENER_TOKEN_MIN) {
                Some(index) => {
                    if let Some(listener) = self.listeners.get_mut(index) {
                        listener.waiting = Waiting::More;
                    }
                }
                None => self.peers.make_due(event.token().0),
            }
        }
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if listener.waiting != Waiting::Nothing {
                listener.waiting = self.peers.accept(
                    ListenerId(index),
                    &listener.socket,
                    listener.tls.as_ref(),
                    self.poll.registry(),
                    clock.now_ns(),
                );
            }
        }
        self.peers.run_due(clock, service);
        self.on_time(clock.now_ns(), service);
        Ok(Turn::Continue)
    }

    fn on_time(&mut self, now_ns: u64, service: &mut impl Service) {
        self.peers.on_time(now_ns);
        service.on_time(&mut self.peers, now_ns);
        self.peers.settle(now_ns, service);
    }

    fn wait(&self, timeout: Duration, now_ns: u64, service: &impl Service) -> Duration {
        let is_waiting = self.listeners.iter().any(|listener| listener.waiting == Waiting::More);
        if self.peers.has_due() || is_waiting {
            return Duration::ZERO;
        }
        let deadlines = self.peers.deadline_ns().into_iter().chain(service.deadline_ns());
        deadlines.min().map_or(timeout, |deadline_ns| {
            timeout.min(Duration::from_nanos(deadline_ns.saturating_sub(now_ns)))
        })
    }
}
