//! What the venue knows of one connection, and what it tells the socket loop to do.

use std::collections::BTreeMap;

use crate::exchange::RestAnswer;
use crate::fault::Scope;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP.
    Http,
    /// Streams of market data.
    Stream,
    /// The WebSocket API.
    WsApi,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) speaks: Speaks,
    /// Whom the limits of an address count against.
    pub(crate) client: u64,
    pub(crate) opened_ns: u64,
    /// When the next ping goes.
    pub(crate) ping_ns: u64,
    /// Frames and events do not leave before: what is behind a delayed one waits too.
    pub(crate) lane_ns: u64,
    /// Answers do not leave before.
    pub(crate) answer_ns: u64,
    /// Answers of HTTP that wait: those after them wait too.
    pub(crate) answer_count: usize,
    /// An answer of HTTP will never come: none after it can.
    pub(crate) is_stuck: bool,
    /// A frame that leaves after the next one.
    pub(crate) held: Option<String>,
    pub(crate) muted_until_ns: u64,
    /// Pings leave although it is mute.
    pub(crate) pings_while_mute: bool,
    /// Frames of a stream that are still to be skipped.
    pub(crate) gaps: BTreeMap<String, u32>,
}

impl Peer {
    pub(crate) fn new(speaks: Speaks, client: u64, now_ns: u64, ping_ns: u64) -> Peer {
        Peer {
            speaks,
            client,
            opened_ns: now_ns,
            ping_ns,
            lane_ns: 0,
            answer_ns: 0,
            answer_count: 0,
            is_stuck: false,
            held: None,
            muted_until_ns: 0,
            pings_while_mute: false,
            gaps: BTreeMap::new(),
        }
    }

    pub(crate) fn is_mute(&self, now_ns: u64) -> bool {
        now_ns < self.muted_until_ns
    }

    /// Whether a frame of `stream` is skipped; counts it.
    pub(crate) fn skips(&mut self, stream: &str) -> bool {
        let Some(left) = self.gaps.get_mut(stream) else { return false };
        *left -= 1;
        if *left == 0 {
            self.gaps.remove(stream);
        }
        true
    }

    pub(crate) fn is_in(&self, scope: Scope) -> bool {
        match scope {
            Scope::Own | Scope::All => true,
            Scope::Stream => self.speaks == Speaks::Stream,
            Scope::WsApi => self.speaks == Speaks::WsApi,
            Scope::Rest => self.speaks == Speaks::Http,
        }
    }
}

/// What the socket loop is to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Send a text.
    Text(u64, String),
    /// Send bytes as they are.
    Raw(u64, Vec<u8>),
    /// Send the first half of the frame of a text.
    Half(u64, String),
    /// Answer an HTTP request that was put off.
    Respond(u64, RestAnswer),
    /// Send a ping.
    Ping(u64),
    /// Stop reading, or begin again.
    PauseReading(u64, bool),
    /// Close with a close frame.
    Close(u64, u16, &'static str),
    /// Reset.
    Cut(u64),
}

/// What waits for its time.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A text to a connection.
    Text(u64, String),
    /// An answer of HTTP.
    Respond(u64, RestAnswer),
    /// The frame that was held back goes although none came after it.
    Release(u64),
    /// The connection is reset.
    Cut(u64),
    /// The connection is read again.
    Hear(u64),
    /// Every WebSocket is closed: the venue said that it would.
    CloseAll,
}
