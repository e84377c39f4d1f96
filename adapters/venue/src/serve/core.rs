//! The venue without its sockets: exchange, market, streams and faults behind calls with a time.
//!
//! ```text
//!   request, upgraded, text, closed, on_time --> Core --> commands to the socket loop, in order
//! ```
//!
//! What leaves goes through one door ([`Core::send`]), where faults look at it: it goes at once, or
//! waits in `waiting` for its time, or never goes.
//!
//! **Invariant:** changes of accounts are in the store before anything that tells of them leaves.
//!
//! **Invariant:** frames and events of one connection leave in the order in which they were made,
//! unless a fault says otherwise.

use std::collections::BTreeMap;

use crate::capture::Capture;
use crate::exchange::{ConnectionId, Exchange, Output, RestAnswer, RestCall};
use crate::fault::{Action, Channel, Faults, Place, Scope};
use crate::flow::Flow;
use crate::serve::peer::{Command, Peer, Speaks, Waiting};
use crate::serve::requests::{
    HttpRequest, WsCall, event_name, garbage, request_name, rest_fault, ws_api_options, ws_fault,
};
use crate::serve::store::Store;
use crate::serve::{MarketConfig, ServeError, Timing, VenueConfig, admin};
use crate::streams::{Heard, Streams, parse_target};

/// Steps of the market in one turn, so that requests are never far.
const MARKET_STEPS_MAX: usize = 256;
/// Steps that are overdue by more are left out.
const MARKET_LAG_NS: u64 = 1_000_000_000;
/// Things that wait; beyond it nothing waits any more and what was delayed goes at once.
const WAITING_COUNT_MAX: usize = 1 << 20;

/// Between half a frame and the reset behind it.
const HALF_TO_CUT_NS: u64 = 2_000_000;

/// Where prices come from.
#[derive(Debug)]
pub(crate) enum Market {
    /// From participants with a seed.
    Generated(Flow),
    /// From a file.
    Recorded(Capture),
    /// From nobody but accounts and tests.
    Still,
}

/// What an HTTP request leads to at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This answer.
    Respond(RestAnswer),
    /// An answer later, or never.
    Later,
    /// The connection becomes a WebSocket.
    Upgrade,
}

/// The venue without its sockets.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: VenueConfig,
    pub(crate) exchange: Exchange,
    pub(crate) market: Market,
    pub(crate) streams: Streams,
    pub(crate) faults: Faults,
    pub(crate) peers: BTreeMap<u64, Peer>,
    /// Faults of connections that are about to open.
    opening: BTreeMap<u64, Action>,
    waiting: BTreeMap<(u64, u64), Waiting>,
    waiting_number: u64,
    pub(crate) commands: Vec<Command>,
    store: Option<Store>,
    /// The first failure; the venue ends with it.
    pub(crate) failure: Option<ServeError>,
    /// The latest time that came in.
    now_ns: u64,
}

impl Core {
    pub(crate) fn new(config: VenueConfig, now_ns: u64) -> Result<Core, ServeError> {
        let mut exchange = Exchange::new(config.exchange.clone())?;
        let store = match &config.state_folder {
            Some(folder) => Some(Store::open(folder, &mut exchange)?),
            None => None,
        };
        let market = open_market(&config, &exchange, now_ns)?;
        let streams = new_streams(&config, now_ns);
        let faults = Faults::new(&config.faults, config.seed, now_ns);
        let mut core = Core {
            config,
            exchange,
            market,
            streams,
            faults,
            peers: BTreeMap::new(),
            opening: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_number: 0,
            commands: Vec::new(),
            store,
            failure: None,
            now_ns,
        };
        // The first quotes are there before the first client.
        core.run_market(now_ns);
        Ok(core)
    }

    fn timing(&self) -> Timing {
        self.config.timing
    }

    /// Takes note of the time, and lets go what waited for it.
    fn begin(&mut self, now_ns: u64) -> u64 {
        self.now_ns = self.now_ns.max(now_ns);
        while let Some(entry) = self.waiting.first_entry()
            && entry.key().0 <= self.now_ns
        {
            let item = entry.remove();
            self.let_go(item);
        }
        self.now_ns
    }

    fn wait(&mut self, due_ns: u64, item: Waiting) {
        if WAITING_COUNT_MAX <= self.waiting.len() {
            self.let_go(item);
            return;
        }
        self.waiting_number += 1;
        self.waiting.insert((due_ns, self.waiting_number), item);
    }

    fn let_go(&mut self, item: Waiting) {
        match item {
            Waiting::Text(id, text) => self.put_text(id, text),
            Waiting::Respond(id, answer) => {
                let Some(peer) = self.peers.get_mut(&id) else { return };
                peer.answer_count = peer.answer_count.saturating_sub(1);
                if peer.is_mute(self.now_ns) {
                    // What would follow could not be told apart from this answer.
                    peer.is_stuck = true;
                } else {
                    self.commands.push(Command::Respond(id, answer));
                }
            }
            Waiting::Release(id) => {
                let held = self.peers.get_mut(&id).and_then(|peer| peer.held.take());
                if let Some(text) = held {
                    self.put_text(id, text);
                }
            }
            Waiting::Cut(id) => self.cut(id),
            Waiting::Hear(id) => self.commands.push(Command::PauseReading(id, false)),
            Waiting::CloseAll => {
                for (id, peer) in &self.peers {
                    if peer.speaks != Speaks::Http {
                        self.commands.push(Command::Close(*id, 1001, "server shutdown"));
                    }
                }
            }
        }
    }

    /// A text leaves now, and behind it the one that was held back.
    fn put_text(&mut self, id: u64, text: String) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let held = peer.held.take();
        if peer.is_mute(self.now_ns) {
            return;
        }
        self.commands.push(Command::Text(id, text));
        self.commands.extend(held.map(|held| Command::Text(id, held)));
    }

    /// A text leaves at `due_ns` or now.
    fn schedule(&mut self, id: u64, text: String, due_ns: u64) {
        if due_ns <= self.now_ns {
            self.put_text(id, text);
        } else {
            self.wait(due_ns, Waiting::Text(id, text));
        }
    }

    /// The door: a frame of a stream or an event of user data leaves, if no fault keeps it.
    fn send(&mut self, place: Place, id: u64, name: &str, text: String) {
        let now_ns = self.now_ns;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.skips(name) {
            return;
        }
        let lane_ns = peer.lane_ns;
        let action = self.faults.decide(place, None, name, now_ns);
        match action {
            None => self.schedule(id, text, lane_ns),
            Some(Action::Delay { wait_ns }) => {
                let due_ns = lane_ns.max(now_ns + wait_ns);
                self.with(id, |peer| peer.lane_ns = due_ns);
                self.schedule(id, text, due_ns);
            }
            Some(Action::Drop { .. }) => {}
            Some(Action::Duplicate { copy_count }) => {
                for _ in 0..=copy_count {
                    self.schedule(id, text.clone(), lane_ns);
                }
            }
            Some(Action::Reorder { wait_ns }) => self.hold(id, text, wait_ns),
            Some(Action::Gap { frame_count }) => {
                if 1 < frame_count {
                    self.with(id, |peer| {
                        peer.gaps.insert(name.to_string(), frame_count - 1);
                    });
                }
            }
            Some(Action::Half { scope: Scope::Own }) => {
                self.commands.push(Command::Half(id, text));
                self.cut_soon(id);
            }
            Some(Action::Garbage { kind, scope: Scope::Own }) => {
                self.commands.push(Command::Raw(id, garbage(kind)));
            }
            Some(other) => {
                self.affect(&other, Some(id));
                self.schedule(id, text, lane_ns);
            }
        }
    }

    /// Holds a text back until the next one of its connection has left.
    fn hold(&mut self, id: u64, text: String, wait_ns: u64) {
        let now_ns = self.now_ns;
        let earlier = self.peers.get_mut(&id).and_then(|peer| peer.held.replace(text));
        if let Some(earlier) = earlier {
            self.commands.push(Command::Text(id, earlier));
        }
        self.wait(now_ns + wait_ns, Waiting::Release(id));
    }

    fn with(&mut self, id: u64, act: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.peers.get_mut(&id) {
            act(peer);
        }
    }

    fn cut(&mut self, id: u64) {
        self.commands.push(Command::Cut(id));
        self.forget(id);
    }

    /// A reset drops what has not left yet: half a frame needs a moment before it.
    fn cut_soon(&mut self, id: u64) {
        self.wait(self.now_ns + HALF_TO_CUT_NS, Waiting::Cut(id));
    }

    fn forget(&mut self, id: u64) {
        if let Some(peer) = self.peers.remove(&id) {
            match peer.speaks {
                Speaks::Http => {}
                Speaks::Stream => self.streams.closed(id),
                Speaks::WsApi => self.exchange.ws_closed(ConnectionId(id)),
            }
        }
    }

    /// Lets a fault happen that is not about one frame or answer.
    pub(crate) fn affect(&mut self, action: &Action, own: Option<u64>) {
        match action {
            Action::Cut { scope, .. } => {
                self.each(*scope, own, Core::cut);
            }
            Action::Half { scope } => self.each(*scope, own, |core, id| {
                core.commands.push(Command::Half(id, "{\"e\":\"half\",\"half\":0}".to_string()));
                core.cut_soon(id);
            }),
            Action::Garbage { kind, scope } => self.each(*scope, own, |core, id| {
                core.commands.push(Command::Raw(id, garbage(*kind)));
            }),
            Action::Mute { wait_ns, with_pings, scope } => self.each(*scope, own, |core, id| {
                let until_ns = core.now_ns.saturating_add(*wait_ns);
                let mut is_deaf = false;
                core.with(id, |peer| {
                    peer.muted_until_ns = until_ns;
                    peer.pings_while_mute = *with_pings;
                    is_deaf = !*with_pings && peer.speaks == Speaks::Stream;
                });
                // A ping that is not read is not answered.
                if is_deaf {
                    core.commands.push(Command::PauseReading(id, true));
                    core.wait(until_ns, Waiting::Hear(id));
                }
            }),
            Action::Deaf { wait_ns, scope } => self.each(*scope, own, |core, id| {
                core.commands.push(Command::PauseReading(id, true));
                let until_ns = core.now_ns.saturating_add(*wait_ns);
                core.wait(until_ns, Waiting::Hear(id));
            }),
            Action::Expire { scope } => self.each(*scope, own, |core, id| {
                core.commands.push(Command::Close(id, 1008, "connection is too old"));
            }),
            Action::Clock { offset_ms } => {
                self.exchange.set_clock_offset_ns(offset_ms.saturating_mul(1_000_000));
            }
            Action::Restart => self.restart(),
            Action::Shutdown { wait_ns } => {
                self.announce_shutdown();
                self.wait(self.now_ns.saturating_add(*wait_ns), Waiting::CloseAll);
            }
            Action::Delay { .. }
            | Action::Drop { .. }
            | Action::Duplicate { .. }
            | Action::Reorder { .. }
            | Action::Gap { .. }
            | Action::Answer { .. } => {}
        }
    }

    fn each(&mut self, scope: Scope, own: Option<u64>, mut act: impl FnMut(&mut Core, u64)) {
        let ids: Vec<u64> = if let (Scope::Own, Some(id)) = (scope, own) {
            vec![id]
        } else {
            let chosen = self.peers.iter().filter(|(_, peer)| peer.is_in(scope));
            chosen.map(|(id, _)| *id).collect()
        };
        for id in ids {
            act(self, id);
        }
    }

    /// As if the process had died and come back: what was saved is there, the rest is not.
    fn restart(&mut self) {
        let saved = self.exchange.save();
        let loaded = Exchange::new(self.config.exchange.clone())
            .map_err(ServeError::from)
            .and_then(|mut fresh| fresh.load(&saved).map(|()| fresh).map_err(ServeError::from));
        match loaded {
            Ok(fresh) => self.exchange = fresh,
            Err(error) => {
                self.failure.get_or_insert(error);
                return;
            }
        }
        let ids: Vec<u64> = self.peers.keys().copied().collect();
        for id in ids {
            self.commands.push(Command::Cut(id));
        }
        self.peers.clear();
        self.waiting.clear();
        self.streams = new_streams(&self.config, self.now_ns);
        match open_market(&self.config, &self.exchange, self.now_ns) {
            Ok(market) => self.market = market,
            Err(error) => {
                self.failure.get_or_insert(error);
            }
        }
    }

    fn announce_shutdown(&mut self) {
        let event = format!("{{\"e\":\"serverShutdown\",\"E\":{}}}", self.now_ns / 1_000_000);
        for (id, peer) in &self.peers {
            let text = match peer.speaks {
                Speaks::Http => continue,
                Speaks::WsApi => format!("{{\"event\":{event}}}"),
                Speaks::Stream if self.streams.is_combined(*id) => {
                    format!("{{\"stream\":\"!serverShutdown\",\"data\":{event}}}")
                }
                Speaks::Stream => event.clone(),
            };
            self.commands.push(Command::Text(*id, text));
        }
    }

    /// Saves what changed and tells everybody what happened.
    pub(crate) fn settle(&mut self) {
        if let Some(store) = &mut self.store
            && let Err(error) = store.append(&mut self.exchange)
        {
            self.failure.get_or_insert(error);
        }
        let (mut frames, mut events) = (Vec::new(), Vec::new());
        let streams = &mut self.streams;
        let mut sink = |id: u64, name: &str, text: String| {
            frames.push((id, name.to_string(), text));
        };
        self.exchange.drain(&mut |output| match output {
            Output::Trade { symbol, trade } => streams.trade(symbol, &trade, &mut sink),
            Output::Level { symbol, side, price, quantity, update_id } => {
                streams.level(symbol, side, (price, quantity), update_id);
            }
            Output::UserEvent { connection, json, .. } => events.push((connection.0, json)),
        });
        self.streams.settle(&self.exchange, &mut sink);
        self.send_all(frames);
        for (id, json) in events {
            let name = event_name(&json);
            self.send(Place::User, id, &name, json);
        }
    }

    fn send_all(&mut self, frames: Vec<(u64, String, String)>) {
        for (id, name, text) in frames {
            self.send(Place::Stream, id, &name, text);
        }
    }

    /// An HTTP request.
    pub(crate) fn request(&mut self, id: u64, request: &HttpRequest<'_>, now_ns: u64) -> Outcome {
        let now_ns = self.begin(now_ns);
        let ping_ns = now_ns + self.timing().ping_ns;
        let fresh = || Peer::new(Speaks::Http, request.client, now_ns, ping_ns);
        self.peers.entry(id).or_insert_with(fresh);
        let (path, query) = request.parts();
        if path.starts_with("/tickwheel/") {
            return Outcome::Respond(admin::answer(self, request));
        }
        if parse_target(request.target).is_some()
            || ws_api_options(request.target, request.client).is_some()
        {
            return self.opening(id, request.target);
        }
        let name = request_name(request.method, path);
        let action = self.faults.decide(Place::Request, Some(Channel::Rest), &name, now_ns);
        let mut answer = None;
        if action.as_ref().is_none_or(is_accepted) {
            let call = RestCall {
                method: request.method,
                path,
                query,
                body: request.body,
                api_key: request.api_key,
                client: request.client,
                time_unit: request.time_unit(),
            };
            answer = Some(self.exchange.rest(&call, now_ns));
        }
        let outcome = self.rest_outcome(id, action, answer);
        self.settle();
        outcome
    }

    fn opening(&mut self, id: u64, target: &str) -> Outcome {
        match self.faults.decide(Place::Open, None, target, self.now_ns) {
            None => Outcome::Upgrade,
            Some(action) => {
                if let Some(answer) = rest_fault(&action) {
                    return Outcome::Respond(answer);
                }
                self.opening.insert(id, action);
                Outcome::Upgrade
            }
        }
    }

    fn rest_outcome(
        &mut self,
        id: u64,
        action: Option<Action>,
        answer: Option<RestAnswer>,
    ) -> Outcome {
        let now_ns = self.now_ns;
        let mut answer = answer;
        let mut due_ns = now_ns;
        match action {
            None => {}
            Some(Action::Delay { wait_ns } | Action::Reorder { wait_ns }) => {
                due_ns = now_ns + wait_ns;
            }
            Some(Action::Drop { .. }) => self.with(id, |peer| peer.is_stuck = true),
            Some(Action::Half { scope: Scope::Own }) => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Le";
                self.commands.push(Command::Raw(id, head.as_bytes().to_vec()));
                self.with(id, |peer| peer.is_stuck = true);
                self.cut_soon(id);
                return Outcome::Later;
            }
            Some(Action::Garbage { scope: Scope::Own, .. }) => {
                let body = "{\"orderId\":12,\"cli".to_string();
                answer = Some(RestAnswer { status: 200, headers: Vec::new(), body });
            }
            Some(action @ Action::Answer { .. }) => answer = rest_fault(&action),
            Some(other) => self.affect(&other, Some(id)),
        }
        // A connection that was cut has no answer.
        let Some(peer) = self.peers.get_mut(&id) else { return Outcome::Later };
        let Some(answer) = answer.filter(|_| !peer.is_stuck && !peer.is_mute(now_ns)) else {
            peer.is_stuck = true;
            return Outcome::Later;
        };
        due_ns = due_ns.max(peer.answer_ns);
        if due_ns <= now_ns && peer.answer_count == 0 {
            return Outcome::Respond(answer);
        }
        peer.answer_ns = due_ns;
        peer.answer_count += 1;
        self.wait(due_ns, Waiting::Respond(id, answer));
        Outcome::Later
    }

    /// The connection is a WebSocket now.
    pub(crate) fn upgraded(&mut self, id: u64, target: &str, now_ns: u64) {
        let now_ns = self.begin(now_ns);
        let ping_ns = now_ns + self.timing().ping_ns;
        let client = self.peers.get(&id).map_or(0, |peer| peer.client);
        let speaks = if let Some(options) = ws_api_options(target, client) {
            self.exchange.ws_opened(ConnectionId(id), options);
            Speaks::WsApi
        } else {
            self.streams.opened(id, &parse_target(target).unwrap_or_default());
            Speaks::Stream
        };
        self.peers.insert(id, Peer::new(speaks, client, now_ns, ping_ns));
        if let Some(action) = self.opening.remove(&id) {
            self.affect(&action, Some(id));
        }
    }

    /// A text came on a WebSocket.
    pub(crate) fn text(&mut self, id: u64, payload: &[u8], now_ns: u64) {
        let now_ns = self.begin(now_ns);
        let Some(peer) = self.peers.get(&id) else { return };
        match peer.speaks {
            Speaks::Http => {}
            Speaks::Stream => match self.streams.text(id, payload, now_ns) {
                Heard::Answer(text) => {
                    let lane_ns = self.peers.get(&id).map_or(0, |peer| peer.lane_ns);
                    self.schedule(id, text, lane_ns);
                }
                Heard::TooFast => {
                    self.commands.push(Command::Close(id, 1008, "Too many requests"));
                }
            },
            Speaks::WsApi => self.call(id, payload),
        }
    }

    /// A request on the WS API.
    fn call(&mut self, id: u64, payload: &[u8]) {
        let now_ns = self.now_ns;
        let call = serde_json::from_slice::<WsCall>(payload).unwrap_or_default();
        let channel = Some(Channel::WsApi);
        let action = self.faults.decide(Place::Request, channel, &call.method, now_ns);
        let mut answer = None;
        if action.as_ref().is_none_or(is_accepted) {
            answer = Some(self.exchange.ws_api(ConnectionId(id), payload, now_ns));
        }
        if let Some(store) = &mut self.store
            && let Err(error) = store.append(&mut self.exchange)
        {
            self.failure.get_or_insert(error);
        }
        self.ws_answer(id, action, answer, &call);
        if call.method.starts_with("userDataStream.subscribe") {
            // Clients lose events that come together with the answer to their subscription.
            let quiet_ns = now_ns + self.timing().subscribe_quiet_ns;
            self.with(id, |peer| peer.lane_ns = peer.lane_ns.max(quiet_ns));
        }
        self.settle();
    }

    fn ws_answer(
        &mut self,
        id: u64,
        action: Option<Action>,
        answer: Option<String>,
        call: &WsCall,
    ) {
        let now_ns = self.now_ns;
        let text = answer.unwrap_or_default();
        match action {
            None => self.schedule(id, text, now_ns),
            Some(Action::Delay { wait_ns }) => self.schedule(id, text, now_ns + wait_ns),
            Some(Action::Drop { .. }) => {}
            Some(Action::Duplicate { copy_count }) => {
                for _ in 0..=copy_count {
                    self.schedule(id, text.clone(), now_ns);
                }
            }
            Some(Action::Reorder { wait_ns }) => self.hold(id, text, wait_ns),
            Some(Action::Half { scope: Scope::Own }) => {
                self.commands.push(Command::Half(id, text));
                self.cut_soon(id);
            }
            Some(Action::Garbage { kind, scope: Scope::Own }) => {
                self.commands.push(Command::Raw(id, garbage(kind)));
            }
            Some(action @ Action::Answer { .. }) => {
                if let Some(text) = ws_fault(&action, &call.id, now_ns) {
                    self.schedule(id, text, now_ns);
                }
            }
            Some(other) => {
                self.affect(&other, Some(id));
                self.schedule(id, text, now_ns);
            }
        }
    }

    /// The connection is gone.
    pub(crate) fn closed(&mut self, id: u64) {
        self.opening.remove(&id);
        self.forget(id);
    }

    /// Everything that is due by the time.
    pub(crate) fn on_time(&mut self, now_ns: u64) {
        let now_ns = self.begin(now_ns);
        while let Some(action) = self.faults.due(now_ns) {
            self.affect(&action, None);
        }
        self.run_market(now_ns);
        if self.streams.next_ns() <= now_ns {
            let mut frames = Vec::new();
            self.streams.on_time(&self.exchange, now_ns, &mut |id, name, text| {
                frames.push((id, name.to_string(), text));
            });
            self.send_all(frames);
        }
        self.look_at_peers(now_ns);
    }

    fn run_market(&mut self, now_ns: u64) {
        for _ in 0..MARKET_STEPS_MAX {
            let next_ns = self.market.next_ns();
            if next_ns.is_none_or(|next_ns| now_ns < next_ns) {
                return;
            }
            match &mut self.market {
                Market::Generated(flow) => flow.step(&mut self.exchange, now_ns),
                Market::Recorded(capture) => capture.step(&mut self.exchange, now_ns),
                Market::Still => return,
            }
            self.settle();
        }
        match &mut self.market {
            Market::Generated(flow) => flow.catch_up(now_ns, MARKET_LAG_NS),
            Market::Recorded(capture) => capture.catch_up(now_ns, MARKET_LAG_NS),
            Market::Still => {}
        }
    }

    /// Pings, and connections that have become too old.
    fn look_at_peers(&mut self, now_ns: u64) {
        let timing = self.timing();
        for (id, peer) in &mut self.peers {
            if peer.speaks == Speaks::Http || now_ns < peer.ping_ns {
                continue;
            }
            if peer.opened_ns.saturating_add(timing.age_ns_max) <= now_ns {
                self.commands.push(Command::Close(*id, 1008, "connection is too old"));
                peer.ping_ns = u64::MAX;
                continue;
            }
            if !peer.is_mute(now_ns) || peer.pings_while_mute {
                self.commands.push(Command::Ping(*id));
            }
            let end_ns = peer.opened_ns.saturating_add(timing.age_ns_max);
            peer.ping_ns = (now_ns + timing.ping_ns).min(end_ns);
        }
    }

    /// When the next thing is due by itself.
    pub(crate) fn next_ns(&self) -> u64 {
        let mut next_ns = self.streams.next_ns();
        if let Some(((due_ns, _), _)) = self.waiting.first_key_value() {
            next_ns = next_ns.min(*due_ns);
        }
        for due_ns in [self.market.next_ns(), self.faults.next_ns()].into_iter().flatten() {
            next_ns = next_ns.min(due_ns);
        }
        self.peers.values().map(|peer| peer.ping_ns).fold(next_ns, u64::min)
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Whether a connection has not answered pings for too long.
    pub(crate) fn is_silent(&self, id: u64, pong_ns: Option<u64>) -> bool {
        let Some(peer) = self.peers.get(&id) else { return false };
        let last_ns = pong_ns.unwrap_or(peer.opened_ns).max(peer.opened_ns);
        let limit_ns = self.timing().pong_ns_max.saturating_add(self.timing().ping_ns);
        last_ns.saturating_add(limit_ns) <= self.now_ns
    }

    /// Connections of streams and of the WS API.
    pub(crate) fn connection_counts(&self) -> (usize, usize) {
        let count = |speaks| self.peers.values().filter(|peer| peer.speaks == speaks).count();
        (count(Speaks::Stream), count(Speaks::WsApi))
    }
}

impl Market {
    fn next_ns(&self) -> Option<u64> {
        match self {
            Market::Generated(flow) => flow.next_ns(),
            Market::Recorded(capture) => capture.next_ns(),
            Market::Still => None,
        }
    }
}

/// Whether a request is done although a fault sits on it.
fn is_accepted(action: &Action) -> bool {
    match action {
        Action::Drop { accepted }
        | Action::Cut { accepted, .. }
        | Action::Answer { accepted, .. } => *accepted,
        Action::Restart => false,
        Action::Delay { .. }
        | Action::Duplicate { .. }
        | Action::Reorder { .. }
        | Action::Gap { .. }
        | Action::Half { .. }
        | Action::Garbage { .. }
        | Action::Mute { .. }
        | Action::Deaf { .. }
        | Action::Clock { .. }
        | Action::Shutdown { .. }
        | Action::Expire { .. } => true,
    }
}

fn new_streams(config: &VenueConfig, now_ns: u64) -> Streams {
    let symbols = &config.exchange.symbols;
    let names: Vec<&str> = symbols.iter().map(|symbol| symbol.name.as_str()).collect();
    Streams::new(&config.streams, &names, now_ns)
}

fn open_market(
    config: &VenueConfig,
    exchange: &Exchange,
    now_ns: u64,
) -> Result<Market, ServeError> {
    Ok(match &config.market {
        MarketConfig::Generated(flow) => Market::Generated(Flow::new(flow, exchange, now_ns)),
        MarketConfig::Capture { path, symbol, speed_percent } => {
            let index = exchange
                .symbol_index(symbol)
                .ok_or_else(|| ServeError::UnknownSymbol { symbol: symbol.clone() })?;
            let symbol = (index, symbol.as_str());
            Market::Recorded(Capture::open(path, symbol, *speed_percent, now_ns)?)
        }
        MarketConfig::Still => Market::Still,
    })
}
