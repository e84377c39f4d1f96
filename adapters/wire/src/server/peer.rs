//! One connection: what stage it is in, and when that stage has lasted too long.
//!
//! ```text
//!   Securing --TLS done--> Http --101--> Socket
//!       |                   |              |
//!       +------- error, ----+---- close ---+--> Draining --taken, or too late--> gone
//!                cut: gone at once
//! ```

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tungstenite::WebSocket;

use super::outlet::Outlet;
use super::{ListenerId, PeerId, ServerConfig};

/// A request that was handed out and has no answer yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) is_head: bool,
    pub(super) closes: bool,
}

/// A connection that speaks HTTP.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) outlet: Outlet,
    /// Bytes of requests that were not handed out yet.
    pub(super) inbox: Vec<u8>,
    pub(super) pending: Option<Pending>,
    /// Since when a request is incomplete, or since when there is none.
    pub(super) since_ns: u64,
    /// The client of the present request was told to send the body.
    pub(super) has_word: bool,
    /// Nothing more comes.
    pub(super) at_end: bool,
}

pub(super) enum Stage {
    Securing { outlet: Outlet, deadline_ns: u64 },
    Http(Box<Http>),
    Socket { socket: Box<WebSocket<Outlet>>, closing_ns: Option<u64> },
    Draining { outlet: Outlet, deadline_ns: u64, is_finished: bool },
    Gone,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stage::Securing { .. } => "Securing",
            Stage::Http(_) => "Http",
            Stage::Socket { .. } => "Socket",
            Stage::Draining { .. } => "Draining",
            Stage::Gone => "Gone",
        })
    }
}

impl Stage {
    pub(super) fn http(outlet: Outlet, now_ns: u64) -> Stage {
        Stage::Http(Box::new(Http {
            outlet,
            inbox: Vec::new(),
            pending: None,
            since_ns: now_ns,
            has_word: false,
            at_end: false,
        }))
    }

    pub(super) fn outlet(&mut self) -> Option<&mut Outlet> {
        match self {
            Stage::Securing { outlet, .. } | Stage::Draining { outlet, .. } => Some(outlet),
            Stage::Http(http) => Some(&mut http.outlet),
            Stage::Socket { socket, .. } => Some(socket.get_mut()),
            Stage::Gone => None,
        }
    }

    /// Sends the rest, then waits for the peer to go.
    pub(super) fn drain(&mut self, deadline_ns: u64) {
        *self = match std::mem::replace(self, Stage::Gone) {
            Stage::Http(http) => {
                Stage::Draining { outlet: http.outlet, deadline_ns, is_finished: false }
            }
            Stage::Socket { socket, .. } => {
                Stage::Draining { outlet: socket.into_inner(), deadline_ns, is_finished: false }
            }
            Stage::Securing { .. } | Stage::Gone => Stage::Gone,
            draining @ Stage::Draining { .. } => draining,
        };
    }
}

/// In which lists of the server it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lists {
    /// Of those to be run.
    pub(super) is_due: bool,
    /// Of those to be settled.
    pub(super) is_dirty: bool,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) listener: ListenerId,
    pub(super) remote: SocketAddr,
    pub(super) stage: Stage,
    /// The service heard of it and will hear of its end.
    pub(super) is_known: bool,
    pub(super) is_paused: bool,
    pub(super) lists: Lists,
    pub(super) heard_ns: u64,
    pub(super) pong_ns: Option<u64>,
}

impl Peer {
    /// When [`Peer::on_time`] has something to do; `None` if never.
    pub(super) fn deadline_ns(&self, config: &ServerConfig) -> Option<u64> {
        match &self.stage {
            Stage::Securing { deadline_ns, .. } | Stage::Draining { deadline_ns, .. } => {
                Some(*deadline_ns)
            }
            Stage::Http(http) if http.pending.is_some() => None,
            Stage::Http(http) if http.inbox.is_empty() => {
                Some(http.since_ns.saturating_add(config.idle_ns_max))
            }
            Stage::Http(http) => Some(http.since_ns.saturating_add(config.request_ns_max)),
            Stage::Socket { closing_ns, .. } => *closing_ns,
            Stage::Gone => None,
        }
    }

    /// Ends with a reset, at once. The next settling takes leave of it.
    pub(super) fn cut(&mut self) {
        if let Some(outlet) = self.stage.outlet() {
            // Where that is refused the end is an ordinary one.
            let tcp = outlet.transport().tcp();
            set_socket_linger(tcp, Some(Duration::ZERO)).unwrap_or_default();
        }
        self.stage = Stage::Gone;
    }

    /// Goes on with the TLS handshake. Whether the connection is still worth something.
    pub(super) fn secure(&mut self, now_ns: u64) -> bool {
        let Stage::Securing { outlet, .. } = &mut self.stage else { return true };
        match outlet.transport().handshake() {
            Ok(false) => true,
            Ok(true) => {
                let Stage::Securing { outlet, .. } =
                    std::mem::replace(&mut self.stage, Stage::Gone)
                else {
                    return false;
                };
                self.stage = Stage::http(outlet, now_ns);
                true
            }
            Err(_) => false,
        }
    }

    /// Reads and forgets. Whether the peer is still there.
    pub(super) fn discard(&mut self, buffer: &mut [u8]) -> bool {
        let Stage::Draining { outlet, .. } = &mut self.stage else { return true };
        loop {
            match outlet.read(buffer) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// The queue is empty: where that was waited for, tells the peer so. Whether it is gone.
    pub(super) fn finish(&mut self, buffer: &mut [u8]) -> bool {
        let Stage::Draining { outlet, is_finished, .. } = &mut self.stage else { return false };
        if !std::mem::replace(is_finished, true) && outlet.transport().finish_writing().is_err() {
            return true;
        }
        !self.discard(buffer)
    }
}
