//! The socket's server: connections, lines, deadlines. Knows no verb.
//!
//! One thread polls everything. A connection asks one thing at a time; what it sends meanwhile waits in
//! its buffer, and a buffer has a bound. Who says nothing, or does not read, is cut off.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use engine::clock::Clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use crate::peer::{Credentials, Peer};
use crate::protocol::{Outcome, REQUEST_SIZE_BYTES_MAX, Reply};
use crate::socket::Socket;

/// Most connections. One more is told so and closed.
pub const CONNECTION_COUNT_MAX: usize = 32;
/// Longest silence of a connection that waits for nothing, and longest time that it may leave a reply unread.
pub const IDLE_NS_MAX: u64 = 10_000_000_000;
/// Bytes that may wait to be read by a peer.
const OUTPUT_SIZE_BYTES_MAX: usize = 8 << 20;
/// Bytes of one read.
const CHUNK_SIZE_BYTES: usize = 4096;
const NS_PER_MS: u64 = 1_000_000;

/// Number of a connection, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What the server hears.
#[derive(Debug)]
pub enum Heard<'a> {
    /// A line without its end. The connection is not heard again before its final reply.
    Line {
        /// Where the reply goes.
        ticket: Ticket,
        /// Who sent it.
        peer: Peer,
        /// Any bytes.
        line: &'a [u8],
    },
    /// The connection is over; nobody waits for replies.
    Gone {
        /// Which.
        ticket: Ticket,
    },
}

#[derive(Debug)]
struct Connection {
    ticket: Ticket,
    stream: UnixStream,
    peer: Peer,
    input: Vec<u8>,
    output: Vec<u8>,
    /// When it last said something, was answered, or took something.
    active_ns: u64,
    /// A request is being worked on.
    is_busy: bool,
    stage: Stage,
}

/// How far a connection is; it only goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Both sides talk.
    Open,
    /// The peer will send nothing more; it may still read.
    Ended,
    /// Closed as soon as everything is written.
    Closing,
    /// Nobody is there.
    Gone,
}

/// What poll says of a socket.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    /// There is something to do.
    is_any: bool,
    /// Nobody is at the other end any more.
    is_hung_up: bool,
}

/// A listening socket and its connections.
#[derive(Debug)]
pub struct Server<C> {
    socket: Socket,
    credentials: C,
    connections: Vec<Connection>,
    next_ticket: u64,
}

impl<C: Credentials> Server<C> {
    /// Serves a socket.
    pub fn new(socket: Socket, credentials: C) -> Server<C> {
        Server { socket, credentials, connections: Vec::new(), next_ticket: 1 }
    }

    /// Connections that are open.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Waits at most `wait_ms` for the sockets and gives what was heard. Never fails: a connection that
    /// does is over, and a listener that cannot accept is asked again at the next turn.
    pub fn turn(&mut self, wait_ms: u32, clock: &Clock, hear: &mut dyn FnMut(Heard<'_>)) {
        let ready = self.wait(wait_ms);
        let now_ns = clock.now_ns();
        for (connection, ready) in self.connections.iter_mut().zip(ready.iter().skip(1)) {
            if ready.is_any {
                connection.read(now_ns);
            }
            // After the last bytes: a line sent right before the hang-up is still heard.
            if ready.is_hung_up {
                connection.stage = Stage::Gone;
            }
        }
        if ready.first().is_some_and(|ready| ready.is_any) {
            self.accept(now_ns);
        }
        for connection in &mut self.connections {
            connection.hear(hear);
            connection.write(now_ns);
            connection.check_end(now_ns);
        }
        self.connections.retain(|connection| {
            let ticket = connection.ticket;
            let is_gone = connection.stage == Stage::Gone;
            if is_gone && connection.is_busy {
                hear(Heard::Gone { ticket });
            }
            !is_gone
        });
    }

    /// Sends a reply; a connection that is over does not get it.
    pub fn send(&mut self, ticket: Ticket, reply: &Reply, now_ns: u64) {
        let found = self.connections.iter_mut().find(|connection| connection.ticket == ticket);
        let Some(connection) = found else { return };
        let line = reply.to_line();
        if OUTPUT_SIZE_BYTES_MAX < connection.output.len() + line.len() {
            connection.stage = Stage::Gone;
            return;
        }
        connection.output.extend_from_slice(&line);
        connection.active_ns = now_ns;
        if reply.is_final {
            connection.is_busy = false;
        }
        connection.write(now_ns);
    }

    /// Which of listener and connections have something to do.
    fn wait(&mut self, wait_ms: u32) -> Vec<Ready> {
        // What was read while its connection was busy is a reason not to wait.
        let has_line = self.connections.iter().any(Connection::has_line);
        let wait_ms = if has_line { 0 } else { i64::from(wait_ms) };
        let wait = Timespec { tv_sec: wait_ms / 1_000, tv_nsec: (wait_ms % 1_000) * 1_000_000 };
        let mut polled = vec![PollFd::new(&self.socket.listener, PollFlags::IN)];
        for connection in &self.connections {
            let mut flags = PollFlags::empty();
            if connection.has_room() && connection.stage == Stage::Open {
                flags |= PollFlags::IN;
            }
            if !connection.output.is_empty() {
                flags |= PollFlags::OUT;
            }
            polled.push(PollFd::new(&connection.stream, flags));
        }
        if poll(&mut polled, Some(&wait)).is_err() {
            // A signal: nothing is ready, the next turn asks again.
            return Vec::new();
        }
        let hung_up = PollFlags::HUP | PollFlags::ERR;
        let ready = polled.iter().map(PollFd::revents);
        ready
            .map(|found| Ready { is_any: !found.is_empty(), is_hung_up: found.intersects(hung_up) })
            .collect()
    }

    fn accept(&mut self, now_ns: u64) {
        while let Ok((stream, _)) = self.socket.listener.accept() {
            let prepared = stream.set_nonblocking(true).and_then(|()| self.credentials.of(&stream));
            // A peer that cannot be identified is nobody.
            let Ok(peer) = prepared else { continue };
            let ticket = Ticket(self.next_ticket);
            self.next_ticket += 1;
            let mut connection = Connection {
                ticket,
                stream,
                peer,
                input: Vec::new(),
                output: Vec::new(),
                active_ns: now_ns,
                is_busy: false,
                stage: Stage::Open,
            };
            if self.connections.len() == CONNECTION_COUNT_MAX {
                let text =
                    format!("{CONNECTION_COUNT_MAX} connections are open: no room for one more");
                connection.refuse(&text);
                connection.write(now_ns);
                continue;
            }
            self.connections.push(connection);
        }
    }
}

impl Connection {
    fn has_room(&self) -> bool {
        self.input.len() <= REQUEST_SIZE_BYTES_MAX
    }

    fn has_line(&self) -> bool {
        !self.is_busy && self.stage < Stage::Closing && self.input.contains(&b'\n')
    }

    fn read(&mut self, now_ns: u64) {
        let mut chunk = [0; CHUNK_SIZE_BYTES];
        while self.has_room() && self.stage == Stage::Open {
            match self.stream.read(&mut chunk) {
                // It may still read what it asked for, as `printf .. | nc -U -N` does.
                Ok(0) => self.stage = Stage::Ended,
                Ok(count) => {
                    self.input.extend_from_slice(&chunk[..count]);
                    self.active_ns = now_ns;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.stage = Stage::Gone,
            }
        }
    }

    fn hear(&mut self, hear: &mut dyn FnMut(Heard<'_>)) {
        // What came right before a hang-up is still heard.
        if self.is_busy || self.stage == Stage::Closing {
            return;
        }
        if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).take(end).collect();
            self.is_busy = true;
            hear(Heard::Line { ticket: self.ticket, peer: self.peer, line: &line });
        } else if REQUEST_SIZE_BYTES_MAX < self.input.len() {
            self.refuse(&format!("a request has at most {REQUEST_SIZE_BYTES_MAX} bytes"));
        }
    }

    /// Says why, and closes.
    fn refuse(&mut self, text: &str) {
        self.input.clear();
        self.output.extend(Reply::last(Outcome::Invalid, text, Value::Null).to_line());
        self.stage = self.stage.max(Stage::Closing);
    }

    fn write(&mut self, now_ns: u64) {
        while !self.output.is_empty() && self.stage < Stage::Gone {
            match self.stream.write(&self.output) {
                Ok(0) => self.stage = Stage::Gone,
                Ok(count) => {
                    self.output.drain(..count);
                    self.active_ns = now_ns;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.stage = Stage::Gone,
            }
        }
        if self.stage == Stage::Closing && self.output.is_empty() {
            self.stage = Stage::Gone;
        }
    }

    /// Nothing more will come and nothing is owed, or it was silent too long.
    fn check_end(&mut self, now_ns: u64) {
        let is_over = self.stage == Stage::Ended && !self.is_busy;
        if is_over && !self.has_line() && self.output.is_empty() {
            self.stage = Stage::Gone;
        }
        let waits_for_us = self.is_busy && self.output.is_empty();
        let silent_ns = now_ns.saturating_sub(self.active_ns);
        if !waits_for_us && IDLE_NS_MAX < silent_ns {
            self.stage = Stage::Gone;
        }
    }
}

/// A wait for the sockets, ms, that ends in time for something due at `due_ns`.
pub fn wait_until(due_ns: Option<u64>, now_ns: u64, wait_ms_max: u32) -> u32 {
    let Some(due_ns) = due_ns else { return wait_ms_max };
    let left_ms = due_ns.saturating_sub(now_ns).div_ceil(NS_PER_MS);
    u32::try_from(left_ms).map_or(wait_ms_max, |left| left.min(wait_ms_max))
}

#[cfg(test)]
mod tests;
