//! The loop of an I/O thread: one poll, several sessions, and a way to stop it from elsewhere.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::clock::Clock;
use mio::{Events, Poll, Token, Waker};

use crate::endpoint::Endpoint;
use crate::session::{ConfigError, Handler, SendError, Session, SessionConfig, SessionId};

const WAKE: Token = Token(usize::MAX);
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
    /// Wakes the loop and makes it stop.
    pub fn stop(&self) -> io::Result<()> {
        self.stopped.store(true, Ordering::Release);
        self.waker.wake()
    }
}

/// The loop.
#[derive(Debug)]
pub struct Poller {
    poll: Poll,
    events: Events,
    sessions: Vec<Session>,
    /// By session: the system said that it is ready.
    ready: Vec<bool>,
    stopper: Stopper,
}

impl Poller {
    /// A loop without sessions.
    pub fn new() -> io::Result<Poller> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok(Poller {
            poll,
            events: Events::with_capacity(EVENT_COUNT_MAX),
            sessions: Vec::new(),
            ready: Vec::new(),
            stopper: Stopper { stopped: Arc::new(AtomicBool::new(false)), waker },
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
        self.ready.push(false);
        Ok(id)
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

    /// One turn: waits at most `timeout` for a socket, a deadline or a stop, then does what is due.
    /// The clock is read, and only here: after a wait the time from before it is not a receive time.
    pub fn run_once(
        &mut self,
        timeout: Duration,
        clock: &Clock,
        handler: &mut impl Handler,
    ) -> io::Result<Turn> {
        if self.is_stopped() {
            return Ok(Turn::Stop);
        }
        self.on_time(clock.now_ns(), handler);
        let wait = self.wait(timeout, clock.now_ns());
        match self.poll.poll(&mut self.events, Some(wait)) {
            Ok(()) => {}
            // A signal; the caller may want to look at it.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Turn::Continue),
            Err(error) => return Err(error),
        }
        if self.is_stopped() {
            return Ok(Turn::Stop);
        }
        for event in &self.events {
            if let Some(ready) = self.ready.get_mut(event.token().0) {
                *ready = true;
            }
        }
        for (session, ready) in self.sessions.iter_mut().zip(&mut self.ready) {
            if std::mem::take(ready) || session.has_more() {
                session.on_ready(clock, handler);
            }
        }
        self.on_time(clock.now_ns(), handler);
        Ok(Turn::Continue)
    }

    /// Ends all sessions for good.
    pub fn stop_sessions(&mut self, handler: &mut impl Handler) {
        for session in &mut self.sessions {
            session.stop(handler);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopper.stopped.load(Ordering::Acquire)
    }

    fn on_time(&mut self, now_ns: u64, handler: &mut impl Handler) {
        for session in &mut self.sessions {
            session.on_time(self.poll.registry(), now_ns, handler);
        }
    }

    fn wait(&self, timeout: Duration, now_ns: u64) -> Duration {
        if self.sessions.iter().any(Session::has_more) {
            return Duration::ZERO;
        }
        let deadline_ns = self.sessions.iter().filter_map(Session::deadline_ns).min();
        deadline_ns.map_or(timeout, |deadline_ns| {
            timeout.min(Duration::from_nanos(deadline_ns.saturating_sub(now_ns)))
        })
    }
}
