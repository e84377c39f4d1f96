//! The driver: one I/O thread with the connections, the REST client and the rules between them.
//!
//! ```text
//!   outbound ring --Requests--> OrderLink --Sink--> inbound ring
//!                                |     ^
//!                                v     |
//!                          wire::Poller: WS API (one or two), REST
//! ```
//! Frames of a turn are copied into a buffer that is kept and handed to the [`Machine`] when the loop has
//! returned, because an answer may lead to the next request on the same loop.

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use engine::clock::Clock;
use engine::event::Event;
use engine::stats::{HopId, StatsHandle};
use wire::endpoint::Endpoint;
use wire::http::{HttpAnswer, HttpConfig, HttpId, HttpRequest};
use wire::poller::{Alarm, Poller, Stopper, Turn};
use wire::session::{
    ConfigError, Frame, Handler, SendError, SessionConfig, SessionEvent, SessionId,
};

use crate::answer::LimitKind;
use crate::feed::FrameTap;
use crate::orders::config::Rules;
use crate::orders::machine::{Account, Courier, LineId, Machine, NewKey, Sample, Status};
use crate::orders::outbox::Sink;

/// While the engine does not take what we have, the sockets rest for so long at once.
const BACKPRESSURE_WAIT: Duration = Duration::from_millis(1);

/// Where requests come from. Implemented by the end of the outbound ring.
pub trait Requests {
    /// Hands over what is there, in order.
    fn drain(&mut self, take: &mut dyn FnMut(&Event));
}

impl Requests for std::collections::VecDeque<Event> {
    fn drain(&mut self, take: &mut dyn FnMut(&Event)) {
        while let Some(event) = self.pop_front() {
            take(&event);
        }
    }
}

/// What an order link is made of.
#[derive(Debug)]
pub struct OrderLinkConfig {
    /// Deadlines, bounds and habits.
    pub rules: Rules,
    /// Who trades where.
    pub account: Account,
    /// The WS API.
    pub ws_api: Endpoint,
    /// Its sessions.
    pub session: SessionConfig,
    /// REST; `None` for no second way.
    pub rest: Option<Endpoint>,
    /// Its client; the key's name is added to each request.
    pub http: HttpConfig,
    /// From so many waiting events on the sockets are left alone.
    pub outbox_high_count: usize,
}

/// Something that a turn of the loop brought.
#[derive(Clone, Copy, Debug)]
enum Item {
    Opened(LineId),
    Lost(LineId),
    Frame { line: LineId, end: usize, receive_ns: u64 },
    Body { token: u64, status: u16, retry_after_s: Option<u64>, end: usize, receive_ns: u64 },
    BodyLost { token: u64, may_have_been_sent: bool },
    Used { kind: LimitKind, window_ns: u64, count: u32 },
}

/// What a turn of the loop brought, in order. Items end where the next begins in `bytes`.
#[derive(Debug, Default)]
struct Inbox {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

impl Handler for Inbox {
    fn frame(&mut self, session: SessionId, frame: Frame<'_>) {
        self.bytes.extend_from_slice(frame.payload);
        self.items.push(Item::Frame {
            line: LineId(session.0),
            end: self.bytes.len(),
            receive_ns: frame.receive_ns,
        });
    }

    fn changed(&mut self, session: SessionId, event: &SessionEvent) {
        match event {
            SessionEvent::Open { .. } => self.items.push(Item::Opened(LineId(session.0))),
            SessionEvent::Closed { .. } => self.items.push(Item::Lost(LineId(session.0))),
            SessionEvent::Connecting { .. }
            | SessionEvent::Handshaking { .. }
            | SessionEvent::Mute { .. } => {}
        }
    }

    fn answered(&mut self, _http: HttpId, token: u64, answer: HttpAnswer<'_>) {
        match answer {
            HttpAnswer::Response { status, headers, body, receive_ns } => {
                for (name, value) in headers.iter() {
                    if let Some(used) = used(name, value) {
                        self.items.push(used);
                    }
                }
                let retry_after_s = headers.number("retry-after");
                self.bytes.extend_from_slice(body);
                let end = self.bytes.len();
                self.items.push(Item::Body { token, status, retry_after_s, end, receive_ns });
            }
            HttpAnswer::Failed { may_have_been_sent, .. } => {
                self.items.push(Item::BodyLost { token, may_have_been_sent });
            }
        }
    }
}

/// `X-MBX-USED-WEIGHT-1M: 25` and `X-MBX-ORDER-COUNT-10S: 3`.
fn used(name: &str, value: &str) -> Option<Item> {
    let rest = name.get(6..).filter(|_| name.as_bytes()[..6].eq_ignore_ascii_case(b"x-mbx-"))?;
    let (word, window) = rest.rsplit_once('-')?;
    let kind = if word.eq_ignore_ascii_case("used-weight") {
        LimitKind::Weight
    } else if word.eq_ignore_ascii_case("order-count") {
        LimitKind::Orders
    } else {
        return None;
    };
    let (number, unit) = window.split_at_checked(window.len().checked_sub(1)?)?;
    let unit_ns: u64 = match unit {
        "S" | "s" => 1_000_000_000,
        "M" | "m" => 60_000_000_000,
        "H" | "h" => 3_600_000_000_000,
        "D" | "d" => 86_400_000_000_000,
        _ => return None,
    };
    let window_ns = unit_ns.checked_mul(number.parse().ok()?)?;
    Some(Item::Used { kind, window_ns, count: value.trim().parse().ok()? })
}

/// Hears nothing: of connections that are closed on purpose.
#[derive(Debug)]
struct Deaf;

impl Handler for Deaf {
    fn frame(&mut self, _session: SessionId, _frame: Frame<'_>) {}

    fn changed(&mut self, _session: SessionId, _event: &SessionEvent) {}
}

/// Header with the name of the key.
const KEY_HEADER: &str = "X-MBX-APIKEY";
/// Name of REST in recordings.
const REST_NAME: &str = "orders-rest";

struct Wires {
    poller: Poller,
    ws_api: Endpoint,
    session: SessionConfig,
    rest: Option<HttpId>,
    /// Name of the key, said with every REST request.
    api_key: String,
    /// Hears every frame.
    tap: Option<Box<dyn FrameTap>>,
    /// By line, for the tap.
    names: Vec<String>,
    /// Time of this turn, for what goes out.
    now_ns: u64,
}

impl std::fmt::Debug for Wires {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wires")
            .field("poller", &self.poller)
            .field("ws_api", &self.ws_api)
            .finish_non_exhaustive()
    }
}

impl Wires {
    /// Name of a line in recordings.
    fn name(names: &mut Vec<String>, line: LineId) -> &str {
        while names.len() <= line.0 {
            names.push(format!("orders-{}", names.len()));
        }
        &names[line.0]
    }

    fn tap_received(&mut self, line: Option<LineId>, receive_ns: u64, bytes: &[u8]) {
        let Some(tap) = &mut self.tap else { return };
        let name = line.map_or(REST_NAME, |line| Wires::name(&mut self.names, line));
        tap.received(name, receive_ns, bytes);
    }

    fn tap_sent(&mut self, line: Option<LineId>, text: &str) {
        let Some(tap) = &mut self.tap else { return };
        let name = line.map_or(REST_NAME, |line| Wires::name(&mut self.names, line));
        tap.sent(name, self.now_ns, text.as_bytes());
    }
}

impl Courier for Wires {
    fn open(&mut self) -> Option<LineId> {
        let added = self.poller.add(self.ws_api.clone(), self.session.clone());
        added.ok().map(|session| LineId(session.0))
    }

    fn close(&mut self, line: LineId) {
        self.poller.stop_session(SessionId(line.0), &mut Deaf);
    }

    fn reconnect(&mut self, line: LineId) {
        self.poller.reconnect(SessionId(line.0));
    }

    fn send(&mut self, line: LineId, text: &str) -> bool {
        self.tap_sent(Some(line), text);
        match self.poller.send(SessionId(line.0), text) {
            // A broken connection may have taken it; the loss that follows says that it is not known.
            Ok(()) | Err(SendError::Broken) => true,
            Err(SendError::NotOpen { .. } | SendError::QueueFull | SendError::Malformed) => false,
        }
    }

    fn rest(&mut self, token: u64, method: &str, target: &str, deadline_ns: u64) -> bool {
        let Some(rest) = self.rest else { return false };
        self.tap_sent(None, target);
        let headers = &[(KEY_HEADER, self.api_key.as_str())];
        let request = HttpRequest { token, method, target, headers, body: &[], deadline_ns };
        match self.poller.request(rest, &request) {
            // As above; whether or not it was taken, its deadline ends it.
            Ok(()) | Err(SendError::Broken) => true,
            Err(SendError::NotOpen { .. } | SendError::QueueFull | SendError::Malformed) => false,
        }
    }
}

/// Order entry at the venue; see the module.
#[derive(Debug)]
pub struct OrderLink {
    machine: Machine,
    wires: Wires,
    inbox: Inbox,
    stats: Option<StatsHandle>,
}

/// Takes what the engine wants, and times it.
fn take(machine: &mut Machine, wires: &mut Wires, clock: &Clock, requests: &mut impl Requests) {
    requests.drain(&mut |event| {
        machine.on_request(event, clock.now_ns(), wires);
        machine.written(event, clock.now_ns());
    });
}

/// Why an order link cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The system has no more of something.
    #[error("cannot make the loop of order entry")]
    Io(#[from] io::Error),
    /// A limit of sessions or client makes no sense.
    #[error("order entry cannot connect with this configuration")]
    Config(#[from] ConfigError),
}

impl OrderLink {
    /// A link that connects with its first turns.
    pub fn new(config: OrderLinkConfig, now_ns: u64) -> Result<OrderLink, LinkError> {
        let mut poller = Poller::new()?;
        let rest = match config.rest {
            Some(endpoint) => Some(poller.add_http(endpoint, config.http)?),
            None => None,
        };
        let (ws_api, session) = (config.ws_api, config.session);
        let (tap, names, api_key) = (None, Vec::new(), config.account.api_key.clone());
        let mut wires = Wires { poller, ws_api, session, rest, api_key, tap, names, now_ns };
        let mut machine =
            Machine::new(config.rules, config.account, config.outbox_high_count, now_ns);
        // Opened here and not by the machine alone, so that a bad configuration is told.
        wires.poller.add(wires.ws_api.clone(), wires.session.clone())?;
        machine.adopt(LineId(0));
        Ok(OrderLink { machine, wires, inbox: Inbox::default(), stats: None })
    }

    /// Puts every time that is measured there; [`OrderLink::take_sample`] then has none.
    #[must_use]
    pub fn with_stats(mut self, stats: StatsHandle) -> OrderLink {
        self.stats = Some(stats);
        self
    }

    /// Lets `tap` hear every frame, in and out.
    #[must_use]
    pub fn with_tap(mut self, tap: Box<dyn FrameTap>) -> OrderLink {
        self.wires.tap = Some(tap);
        self
    }

    /// Stops the loop from another thread.
    pub fn stopper(&self) -> Stopper {
        self.wires.poller.stopper()
    }

    /// Wakes the loop from another thread, when there are requests.
    pub fn alarm(&self) -> Alarm {
        self.wires.poller.alarm()
    }

    /// The loop, for a thread that waits elsewhere (`FeedLink::watch`).
    pub fn poller(&self) -> &Poller {
        &self.wires.poller
    }

    /// How it goes.
    pub fn status(&self) -> Status {
        self.machine.status()
    }

    /// Takes the next time that was measured.
    pub fn take_sample(&mut self) -> Option<Sample> {
        self.machine.take_sample()
    }

    /// The rules, for limits that `exchangeInfo` tells.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Signs with another key of the same account from here on; see [`Machine::rekey`].
    pub fn rekey(&mut self, key: NewKey, now_ns: u64) {
        self.wires.api_key.clone_from(&key.api_key);
        self.machine.rekey(key, now_ns, &mut self.wires);
    }

    /// One turn: takes requests, waits at most `timeout` for sockets and deadlines, does what is due and
    /// tells the engine. Events that the sink has no room for wait; while too many of them wait nothing
    /// more is read.
    pub fn turn(
        &mut self,
        timeout: Duration,
        clock: &Clock,
        requests: &mut impl Requests,
        sink: &mut impl Sink,
    ) -> io::Result<Turn> {
        let (machine, wires) = (&mut self.machine, &mut self.wires);
        if let Some(tap) = &mut wires.tap {
            wires.now_ns = clock.now_ns();
            tap.on_time(wires.now_ns);
        }
        take(machine, wires, clock, requests);
        self.machine.outbox.flush(sink);
        if self.machine.outbox.is_high() {
            std::thread::park_timeout(timeout.min(BACKPRESSURE_WAIT));
            return Ok(Turn::Continue);
        }
        let now_ns = clock.now_ns();
        let due_ns = self.machine.deadline_ns().unwrap_or(u64::MAX);
        let wait = timeout.min(Duration::from_nanos(due_ns.saturating_sub(now_ns)));
        let turn = self.wires.poller.run_once(wait, clock, &mut self.inbox)?;
        self.handle_inbox(clock.now_ns());
        // The wait may have ended because of them.
        let (machine, wires) = (&mut self.machine, &mut self.wires);
        take(machine, wires, clock, requests);
        self.machine.on_time(clock.now_ns(), &mut self.wires);
        self.machine.outbox.flush(sink);
        self.tell_samples();
        Ok(turn)
    }

    fn tell_samples(&mut self) {
        let Some(stats) = &self.stats else { return };
        while let Some(sample) = self.machine.take_sample() {
            match sample {
                Sample::OrderToAck(ns) => stats.record(HopId::OrderToAck, ns),
                Sample::RestRoundTrip(ns) => stats.record(HopId::RestAnswer, ns),
                Sample::TickToWire(ns) => stats.record(HopId::TickToWire, ns),
                Sample::WireToFill(ns) => stats.record(HopId::WireToFill, ns),
                Sample::TickToFill(ns) => stats.record_fill(ns),
                // `OrderToAck` tells it for what matters.
                Sample::RoundTrip(_) => {}
            }
        }
    }

    fn handle_inbox(&mut self, now_ns: u64) {
        let Inbox { bytes, items } = &mut self.inbox;
        let (machine, wires) = (&mut self.machine, &mut self.wires);
        let mut start = 0;
        for item in items.drain(..) {
            match item {
                Item::Opened(line) => machine.on_opened(line, now_ns, wires),
                Item::Lost(line) => machine.on_lost(line, now_ns, wires),
                Item::Frame { line, end, receive_ns } => {
                    wires.tap_received(Some(line), receive_ns, &bytes[start..end]);
                    machine.on_frame(line, &bytes[start..end], receive_ns, wires);
                    start = end;
                }
                Item::Body { token, status, retry_after_s, end, receive_ns } => {
                    wires.tap_received(None, receive_ns, &bytes[start..end]);
                    let head = (status, retry_after_s);
                    machine.on_body(token, head, &bytes[start..end], receive_ns, wires);
                    start = end;
                }
                Item::BodyLost { token, may_have_been_sent } => {
                    machine.on_body_lost(token, may_have_been_sent, now_ns, wires);
                }
                Item::Used { kind, window_ns, count } => {
                    machine.budget_mut().count(kind, window_ns, count, now_ns);
                }
            }
        }
        bytes.clear();
    }

    /// Ends all connections for good; what is on its way stays unknown until the next start.
    pub fn stop(&mut self) {
        self.wires.poller.stop_sessions(&mut Deaf);
    }

    /// Ends the recording, if there is one. An error says that it is not whole.
    pub fn finish_recording(&mut self) -> io::Result<()> {
        self.wires.tap.as_mut().map_or(Ok(()), |tap| tap.finish())
    }
}
