//! The venue behind a socket loop: calls in, commands out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::server::peers::Peers;
use wire::server::{PeerId, Reply, Request, Response, Service};

use crate::exchange::RestAnswer;
use crate::serve::core::{Core, Outcome};
use crate::serve::peer::Command;
use crate::serve::requests::HttpRequest;

/// Translates between the socket loop and the core.
#[derive(Debug)]
pub(crate) struct Door {
    core: Arc<Mutex<Core>>,
    numbers: BTreeMap<PeerId, u64>,
    peers: BTreeMap<u64, PeerId>,
    next_number: u64,
}

/// The core, also after a thread that held it has panicked: tests want to see what is there.
pub(crate) fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Door {
    pub(crate) fn new(core: Arc<Mutex<Core>>) -> Door {
        Door { core, numbers: BTreeMap::new(), peers: BTreeMap::new(), next_number: 1 }
    }

    fn number(&mut self, peer: PeerId) -> u64 {
        if let Some(number) = self.numbers.get(&peer) {
            return *number;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(peer, number);
        self.peers.insert(number, peer);
        number
    }

    /// Does what the core wants done.
    fn obey(&self, peers: &mut Peers, core: &mut Core) {
        for command in std::mem::take(&mut core.commands) {
            match command {
                // A peer that is gone is told about by `closed`.
                Command::Text(number, text) => {
                    self.with(number, |peer| _ = peers.send_text(peer, &text));
                }
                Command::Raw(number, bytes) => {
                    self.with(number, |peer| _ = peers.send_raw(peer, &bytes));
                }
                Command::Half(number, text) => {
                    self.with(number, |peer| _ = peers.send_half_text(peer, &text));
                }
                Command::Respond(number, answer) => {
                    self.with(number, |peer| _ = peers.respond(peer, response(answer)));
                }
                Command::Ping(number) => self.with(number, |peer| {
                    if core.is_silent(number, peers.pong_ns(peer)) {
                        peers.close(peer, 1008, "Pong timeout");
                    } else {
                        peers.ping(peer);
                    }
                }),
                Command::PauseReading(number, is_paused) => {
                    self.with(number, |peer| peers.pause_reading(peer, is_paused));
                }
                Command::Close(number, code, reason) => {
                    self.with(number, |peer| peers.close(peer, code, reason));
                }
                Command::Cut(number) => self.with(number, |peer| peers.cut(peer)),
            }
        }
    }

    fn with(&self, number: u64, act: impl FnOnce(PeerId)) {
        if let Some(peer) = self.peers.get(&number) {
            act(*peer);
        }
    }
}

fn response(answer: RestAnswer) -> Response {
    let json = Response::json(answer.status, answer.body);
    answer.headers.iter().fold(json, |response, (name, value)| response.header(name, value))
}

/// Whom the limits of an address count against.
fn client_of(address: Option<IpAddr>) -> u64 {
    match address {
        Some(IpAddr::V4(address)) => u64::from(address.to_bits()),
        Some(IpAddr::V6(address)) => u64::try_from(address.to_bits() >> 64).unwrap_or(1) | 1 << 63,
        None => 0,
    }
}

impl Service for Door {
    fn request(
        &mut self,
        peers: &mut Peers,
        peer: PeerId,
        request: &Request<'_>,
        now_ns: u64,
    ) -> Reply {
        let number = self.number(peer);
        let unit = request.headers.get("X-MBX-TIME-UNIT");
        let call = HttpRequest {
            method: request.method,
            target: request.target,
            body: request.body,
            api_key: request.headers.get("X-MBX-APIKEY"),
            microseconds: unit.is_some_and(|unit| unit.eq_ignore_ascii_case("microsecond")),
            client: client_of(peers.remote(peer).map(|address| address.ip())),
            is_local: peers.remote(peer).is_some_and(|address| address.ip().is_loopback()),
        };
        let core = Arc::clone(&self.core);
        let mut core = lock(&core);
        let outcome = core.request(number, &call, now_ns);
        self.obey(peers, &mut core);
        match outcome {
            Outcome::Respond(answer) => Reply::Respond(response(answer)),
            Outcome::Later => Reply::Later,
            Outcome::Upgrade => Reply::Upgrade,
        }
    }

    fn upgraded(&mut self, peers: &mut Peers, peer: PeerId, target: &str, now_ns: u64) {
        let number = self.number(peer);
        let core = Arc::clone(&self.core);
        let mut core = lock(&core);
        core.upgraded(number, target, now_ns);
        self.obey(peers, &mut core);
    }

    fn text(&mut self, peers: &mut Peers, peer: PeerId, payload: &[u8], now_ns: u64) {
        let number = self.number(peer);
        let core = Arc::clone(&self.core);
        let mut core = lock(&core);
        core.text(number, payload, now_ns);
        self.obey(peers, &mut core);
    }

    fn closed(&mut self, peers: &mut Peers, peer: PeerId) {
        if let Some(number) = self.numbers.remove(&peer) {
            let core = Arc::clone(&self.core);
            let mut core = lock(&core);
            core.closed(number);
            self.obey(peers, &mut core);
            self.peers.remove(&number);
        }
    }

    fn on_time(&mut self, peers: &mut Peers, now_ns: u64) {
        let core = Arc::clone(&self.core);
        let mut core = lock(&core);
        core.on_time(now_ns);
        self.obey(peers, &mut core);
    }

    fn deadline_ns(&self) -> Option<u64> {
        Some(lock(&self.core).next_ns())
    }
}
