//! The loop of an I/O thread: one poll, several sessions and HTTP clients, and a way to stop it
//! from elsewhere.

#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::clock::Clock;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use crate::endpoint::Endpoint;
use crate::http::client::HttpClient;
use crate::http::{HttpConfig, HttpId, HttpRequest};
use crate::session::{ConfigError, Handler, SendError, Session, SessionConfig, SessionId};

const WAKE: Token = Token(usize::MAX);
const WATCHED: Token = Token(usize::MAX - 1);
/// Events taken from the system at once; the rest comes with the next turn.
const EVENT_COUNT_MAX: usize = 64;

/// What a turn of the loop says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Run the next.
    Continue,
    /// A [`Stopper`] was used; nothing was done.
    Stop,
}

/// Stops a loop from another thread. For good: a stopped poller does not run again.
#[derive(Clone, Debug)]
pub struct Stopper {
    stopped: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    pub(crate) fn new(registry: &Registry) -> io::Result<Stopper> {
        let waker = Arc::new(Waker::new(registry, WAKE)?);
        Ok(Stopper { stopped: Arc::new(AtomicBool::new(false)), waker })
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Wakes the loop and makes it stop.
    pub fn stop(&self) -> io::Result<()> {
        self.stopped.store(true, Ordering::Release);
        self.waker.wake()
    }
}

/// Ends the present wait of a loop, or the next one, from another thread: there is something to
/// send.
#[derive(Clone, Debug)]
pub struct Alarm {
    waker: Arc<Waker>,
}

impl Alarm {
    /// Makes the loop finish its turn now.
    pub fn ring(&self) -> io::Result<()> {
        self.waker.wake()
    }
}

/// The loop.
#[derive(Debug)]
pub struct Poller {
    poll: Poll,
    events: Events,
    sessions: Vec<Session>,
    clients: Vec<HttpClient>,
    /// By token, even for sessions and odd for clients: the system said that it is ready.
    ready: Vec<bool>,
    stopper: Stopper,
}

impl Poller {
    /// A loop without sessions.
    pub fn new() -> io::Result<Poller> {
        let poll = Poll::new()?;
        let stopper = Stopper::new(poll.registry())?;
        Ok(Poller {
            poll,
            events: Events::with_capacity(EVENT_COUNT_MAX),
            sessions: Vec::new(),
            clients: Vec::new(),
            ready: Vec::new(),
            stopper,
        })
    }

    /// Adds a session; the next turn connects it.
    pub fn add(
        &mut self,
        endpoint: Endpoint,
        config: SessionConfig,
    ) -> Result<SessionId, ConfigError> {
        let id = SessionId(self.sessions.len());
        self.sessions.push(Session::new(id, endpoint, config)?);
        self.grow_ready();
        Ok(id)
    }

    /// Adds an HTTP client; the next turn connects it.
    pub fn add_http(
        &mut self,
        endpoint: Endpoint,
        config: HttpConfig,
    ) -> Result<HttpId, ConfigError> {
        let id = HttpId(self.clients.len());
        self.clients.push(HttpClient::new(id, endpoint, config)?);
        self.grow_ready();
        Ok(id)
    }

    fn grow_ready(&mut self) {
        self.ready.resize(2 * self.sessions.len().max(self.clients.len()), false);
    }

    /// A handle that ends the present wait of the loop.
    pub fn alarm(&self) -> Alarm {
        Alarm { waker: Arc::clone(&self.stopper.waker) }
    }

    /// Ends waits of this loop also when `other` has something to do, so that one thread can run both:
    /// wait here, then turn the other without a wait. `other` must live as long as this.
    pub fn watch(&mut self, other: &Poller) -> io::Result<()> {
        let fd = other.poll.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), WATCHED, Interest::READABLE)
    }

    /// A handle that stops the loop.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// A session of this poller.
    pub fn session(&self, id: SessionId) -> &Session {
        &self.sessions[id.0]
    }

    /// Sends a text on a session of this poller.
    pub fn send(&mut self, id: SessionId, text: &str) -> Result<(), SendError> {
        self.sessions[id.0].send(text)
    }

    /// Takes a request of a client of this poller; [`Handler::answered`] tells how it ends, once.
    /// What can be sent is sent at once.
    pub fn request(&mut self, id: HttpId, request: &HttpRequest<'_>) -> Result<(), SendError> {
        self.clients[id.0].request(request)
    }

    /// An HTTP client of this poller.
    pub fn http(&self, id: HttpId) -> &HttpClient {
        &self.clients[id.0]
    }

    /// Changes what a session sends after each opening, from the next one on.
    pub fn set_opening_texts(
        &mut self,
        id: SessionId,
        texts: Vec<String>,
    ) -> Result<(), ConfigError> {
        self.sessions[id.0].set_opening_texts(texts)
    }

    /// Drops the connection of a session and makes a new one with the next turn, without a wait.
    pub fn reconnect(&mut self, id: SessionId) {
        self.sessions[id.0].reconnect();
    }

    /// When a session became open; `None` if it is not.
    pub fn opened_ns(&self, id: SessionId) -> Option<u64> {
        self.sessions[id.0].opened_ns()
    }

    /// Ends one session for good.
    pub fn stop_session(&mut self, id: SessionId, handler: &mut impl Handler) {
        self.sessions[id.0].stop(handler);
    }

    /// Ends one HTTP client for good. Its requests are answered as failed.
    pub fn stop_http(&mut self, id: HttpId, handler: &mut impl Handler) {
        self.clients[id.0].stop(handler);
    }

    /// One turn: waits at most `timeout` for a socket, a deadline or a stop, then does what is due.
    /// Sockets come before deadlines, so that a loop that was held up does not take what has been
    /// waiting in a socket for silence.
    /// The clock is read, and only here: after a wait the time from before it is not a receive
    /// time.
    pub fn run_once(
        &mut self,
        timeout: Duration,
        clock: &Clock,
        handler: &mut impl Handler,
    ) -> io::Result<Turn> {
        if self.stopper.is_stopped() {
            return Ok(Turn::Stop);
        }
        let wait = self.wait(timeout, clock.now_ns());
        match self.poll.poll(&mut self.events, Some(wait)) {
            Ok(()) => {}
            // A signal; the caller may want to look at it.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Turn::Continue),
            Err(error) => return Err(error),
        }
        if self.stopper.is_stopped() {
            return Ok(Turn::Stop);
        }
        for event in &self.events {
            if let Some(ready) = self.ready.get_mut(event.token().0) {
                *ready = true;
            }
        }
        for session in &mut self.sessions {
            if std::mem::take(&mut self.ready[session.token().0]) || session.has_more() {
                session.on_ready(clock, handler);
            }
        }
        for client in &mut self.clients {
            if std::mem::take(&mut self.ready[client.token().0]) || client.has_more() {
                client.on_ready(clock, handler);
            }
        }
        self.on_time(clock.now_ns(), handler);
        Ok(Turn::Continue)
    }

    /// Ends all sessions and HTTP clients for good.
    pub fn stop_sessions(&mut self, handler: &mut impl Handler) {
        for session in &mut self.sessions {
            session.stop(handler);
        }
        for client in &mut self.clients {
            client.stop(handler);
        }
    }

    fn on_time(&mut self, now_ns: u64, handler: &mut impl Handler) {
        for session in &mut self.sessions {
            session.on_time(self.poll.registry(), now_ns, handler);
        }
        for client in &mut self.clients {
            client.on_time(self.poll.registry(), now_ns, handler);
        }
    }

    fn wait(&self, timeout: Duration, now_ns: u64) -> Duration {
        let has_more = self.sessions.iter().any(Session::has_more)
            || self.clients.iter().any(HttpClient::has_more);
        if has_more {
            return Duration::ZERO;
        }
        let sessions = self.sessions.iter().filter_map(Session::deadline_ns);
        let clients = self.clients.iter().filter_map(HttpClient::deadline_ns);
        sessions.chain(clients).min().map_or(timeout, |deadline_ns| {
            timeout.min(Duration::from_nanos(deadline_ns.saturating_sub(now_ns)))
        })
    }
}
