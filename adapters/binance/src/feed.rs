//! Live market data: the driver of an I/O thread that turns streams and snapshots into inbound events.
//!
//! ```text
//!   primary  ==ws==> line \                      +--> gate --> merge --> sync --> FeedSink (inbound ring)
//!   fallback ==ws==> line  > Poller --> FeedLink |                        |
//!   REST  <==http==> client /                    +<--- snapshots, on demand
//! ```
//!
//! - Connections subscribe after each opening, are judged on data, and are replaced before the venue cuts
//!   them by one that runs beside the old one until it has joined.
//! - One row of updates per symbol comes out, whatever number of connections brings it; what is missing is
//!   told by its ids (the engine's feed stage sees the gap), what breaks by FEED events.
//! - A book that is not whole gets a snapshot, by REST and within the request weight. The engine joins it;
//!   this side knows before that it will fit.
//! - Every connection's coming, going and silence is an event of its own: FEED without an instrument,
//!   `id` the number of the connection from 1.
//!
//! **Invariant:** a book that the engine believes has every update since its snapshot.
//!
//! **Invariant:** bad data is counted and told, never published.

pub mod config;
pub mod gate;
mod line;
mod lines;
mod machine;
mod merge;
mod refused;
mod scan;
mod state;
mod status;
mod symbol;
mod sync;
pub mod tap;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use engine::border::InboundProducer;
use engine::clock::Clock;
use engine::event::Event;
use engine::instrument::{InstrumentIndex, InstrumentTable};
use engine::stats::{CounterId, HopId, StatsHandle};
use wire::endpoint::{Endpoint, EndpointError};
use wire::http::{HttpAnswer, HttpId, HttpRequest};
use wire::poller::{Poller, Stopper, Turn};
use wire::rate::RateLimiter;
use wire::session::{
    ConfigError, Frame, FrameKind, Handler, SessionEvent, SessionId, SessionState,
};

pub use config::{FeedConfigError, FeedLinkConfig, FeedPolicy, GateConfig, SourceConfig, Stream};
pub use line::LineState;
pub use status::{Delay, FeedStatus, SourceCounts, SourceStatus, SymbolStatus};
pub use symbol::SymbolCounts;
pub use sync::SyncState;
pub use tap::{FrameTap, SegmentTap};

use crate::endpoints::{depth_target, depth_weight};
use machine::Machine;
use state::Command;

const SECOND_NS: u64 = 1_000_000_000;
/// Wait after a 429 or 418 without `Retry-After`.
const BAN_NS: u64 = 60 * SECOND_NS;
/// Longest `Retry-After` that is believed, seconds; the venue's longest ban is three days.
const RETRY_AFTER_S_MAX: u64 = 3 * 86_400;

/// Where events go.
pub trait FeedSink {
    /// Publishes the market events of one frame, as many from the front as there is room for; what has
    /// none must be marked in the row of events. Returns how many were published.
    fn market(&mut self, events: &[Event]) -> usize;
    /// Publishes an event that must not be lost. False when there is no room now: it is tried again.
    fn control(&mut self, event: &Event) -> bool;
}

impl FeedSink for InboundProducer {
    fn market(&mut self, events: &[Event]) -> usize {
        self.publish_market_run(events)
    }

    fn control(&mut self, event: &Event) -> bool {
        self.publish(event).is_ok()
    }
}

/// Why there is no feed link.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Settings outside their range.
    #[error(transparent)]
    Config(#[from] FeedConfigError),
    /// A URL that is none, or whose host has no address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Settings of a session or of the HTTP client.
    #[error(transparent)]
    Session(#[from] ConfigError),
    /// The system gives no poll.
    #[error("cannot make a poll: {0}")]
    Io(#[from] io::Error),
}

/// The feed link.
pub struct FeedLink {
    poller: Poller,
    /// By leg.
    endpoints: Vec<Endpoint>,
    config: FeedLinkConfig,
    /// By line.
    sessions: Vec<Option<SessionId>>,
    https: Vec<HttpId>,
    parts: Parts,
    is_started: bool,
}

/// What hears the poller.
struct Parts {
    machine: Machine,
    weights: RateLimiter,
    /// Window of one minute, which the venue tells about with each answer.
    minute_window: Option<usize>,
    /// By session.
    lines: Vec<usize>,
    /// By line, for the tap.
    names: Vec<String>,
    /// How many requests failed: the next goes to the next URL.
    failed_count: usize,
    /// Requests on their way, and when they left.
    fetches: Vec<(u64, u64)>,
    stats: Option<StatsHandle>,
    tap: Option<Box<dyn FrameTap>>,
}

impl std::fmt::Debug for FeedLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedLink")
            .field("venue", &self.config.venue)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl FeedLink {
    /// A link for the venue's instruments in the table. Resolves names, so it belongs before the loop.
    pub fn new(config: FeedLinkConfig, table: &InstrumentTable) -> Result<FeedLink, FeedError> {
        let machine = Machine::new(&config, table)?;
        let mut poller = Poller::new()?;
        let legs = machine.state.legs.iter();
        let endpoints =
            legs.map(|leg| Endpoint::resolve(&leg.url)).collect::<Result<Vec<_>, _>>()?;
        let mut https = Vec::new();
        for url in config.rest.iter().filter(|_| config.has(Stream::Depth)) {
            https.push(poller.add_http(Endpoint::resolve_http(url)?, config.http.clone())?);
        }
        let line_count = machine.state.lines.len();
        let names = (0..line_count).map(|line| {
            let leg = machine.state.leg_of(line);
            format!("{}-{line}", machine.state.sources[leg.source].name)
        });
        Ok(FeedLink {
            poller,
            endpoints,
            sessions: vec![None; line_count],
            https,
            parts: Parts {
                weights: RateLimiter::new(&config.weight_windows),
                minute_window: (config.weight_windows.iter())
                    .position(|(_, interval_ns)| *interval_ns == 60 * SECOND_NS),
                lines: Vec::new(),
                names: names.collect(),
                failed_count: 0,
                fetches: Vec::new(),
                stats: None,
                tap: None,
                machine,
            },
            config,
            is_started: false,
        })
    }

    /// Counts frames, bytes and the way from receipt to publication there.
    #[must_use]
    pub fn with_stats(mut self, stats: StatsHandle) -> FeedLink {
        self.parts.stats = Some(stats);
        self
    }

    /// Lets `tap` hear every frame.
    #[must_use]
    pub fn with_tap(mut self, tap: Box<dyn FrameTap>) -> FeedLink {
        self.parts.tap = Some(tap);
        self
    }

    /// A handle that stops the loop from another thread.
    pub fn stopper(&self) -> Stopper {
        self.poller.stopper()
    }

    /// Ends waits of [`FeedLink::turn`] also when `other` has something to do: for one thread that runs
    /// both.
    pub fn watch(&mut self, other: &Poller) -> io::Result<()> {
        self.poller.watch(other)
    }

    /// How the feed is.
    pub fn status(&self) -> FeedStatus {
        self.parts.machine.status()
    }

    /// Makes the book of an instrument anew: for whoever sees that the engine's is in a gap while ours is
    /// live, as when it had no room for a level.
    pub fn resync(&mut self, instrument: InstrumentIndex, now_ns: u64) {
        let state = &mut self.parts.machine.state;
        if let Some(place) = state.place_of(instrument) {
            state.resync(place, now_ns);
        }
    }

    /// One turn: waits at most `timeout` for a socket or a deadline, then does what is due. Work of a turn is
    /// bounded by what the poller hands out at once.
    pub fn turn(
        &mut self,
        timeout: Duration,
        clock: &Clock,
        sink: &mut impl FeedSink,
    ) -> io::Result<Turn> {
        if !self.is_started {
            self.is_started = true;
            self.parts.machine.state.start();
        }
        self.settle(clock, sink);
        let wait_ns = self.parts.machine.state.wake_ns.saturating_sub(clock.now_ns());
        let wait = timeout.min(Duration::from_nanos(wait_ns));
        let turn =
            self.poller.run_once(wait, clock, &mut Ears { parts: &mut self.parts, clock, sink })?;
        self.settle(clock, sink);
        Ok(turn)
    }

    /// Ends all connections for good; every symbol is told as disconnected. An error is the tap's.
    pub fn stop(&mut self, clock: &Clock, sink: &mut impl FeedSink) -> io::Result<()> {
        self.poller.stop_sessions(&mut Ears { parts: &mut self.parts, clock, sink });
        self.parts.tap.as_mut().map_or(Ok(()), |tap| tap.finish())
    }

    fn settle(&mut self, clock: &Clock, sink: &mut impl FeedSink) {
        let now_ns = clock.now_ns();
        self.parts.machine.state.on_time(now_ns, sink);
        if let Some(tap) = &mut self.parts.tap {
            tap.on_time(now_ns);
        }
        // Bounded: a command makes no other but by way of what is heard later.
        while let Some(command) = self.parts.machine.next_command() {
            self.run(command, clock, sink);
        }
    }

    fn run(&mut self, command: Command, clock: &Clock, sink: &mut impl FeedSink) {
        match command {
            Command::Open(line) => self.open(line),
            Command::Reopen(line) => match self.sessions[line] {
                Some(session) => self.poller.reconnect(session),
                None => self.open(line),
            },
            Command::Close(line) => {
                if let Some(session) = self.sessions[line].take() {
                    let mut ears = Ears { parts: &mut self.parts, clock, sink };
                    self.poller.stop_session(session, &mut ears);
                }
            }
            Command::Send { line, text } => {
                let Some(session) = self.sessions[line] else { return };
                self.parts.heard_out(line, clock, text.as_bytes());
                // A text that does not go out is not answered, which is found at its deadline.
                if self.poller.send(session, &text).is_err() {
                    self.parts.machine.state.not_sent(line);
                }
            }
            Command::Fetch { place, token } => self.fetch(place, token, clock.now_ns()),
        }
    }

    /// A stopped session does not come back, so each opening that is asked for is a new one.
    fn open(&mut self, line: usize) {
        let endpoint = self.endpoints[line.div_euclid(2)].clone();
        let mut session = self.config.session.clone();
        let count = u64::try_from(self.parts.lines.len()).unwrap_or(0);
        session.backoff_seed = self.config.seed.wrapping_mul(1021).wrapping_add(count);
        let added =
            self.poller.add(endpoint, session).expect("the same settings were taken at first");
        debug_assert_eq!(added.0, self.parts.lines.len());
        self.parts.lines.push(line);
        self.sessions[line] = Some(added);
    }

    fn fetch(&mut self, place: usize, token: u64, now_ns: u64) {
        let (venue, level_count) = (self.config.venue, self.config.snapshot_level_count);
        let parts = &mut self.parts;
        let weight = u64::from(depth_weight(venue, level_count));
        if let Err(wait_ns) = parts.weights.try_take(now_ns, weight) {
            return parts.machine.snapshot_postponed(token, now_ns.saturating_add(wait_ns));
        }
        let target = depth_target(venue, &parts.machine.state.symbols[place].name, level_count);
        let http = self.https[parts.failed_count % self.https.len()];
        let request = HttpRequest {
            token,
            method: "GET",
            target: &target,
            headers: &[],
            body: &[],
            deadline_ns: now_ns.saturating_add(self.config.snapshot_ns_max),
        };
        if let Some(tap) = &mut parts.tap {
            tap.sent(tap::REST_NAME, now_ns, target.as_bytes());
        }
        if self.poller.request(http, &request).is_err() {
            self.parts.failed_count += 1;
            self.parts.machine.snapshot_failed(token, now_ns);
        } else {
            self.parts.fetches.push((token, now_ns));
        }
    }
}

impl Parts {
    fn heard_out(&mut self, line: usize, clock: &Clock, payload: &[u8]) {
        if let Some(tap) = &mut self.tap {
            tap.sent(&self.names[line], clock.now_ns(), payload);
        }
    }

    /// A snapshot stands in the row of the connection whose updates it begins, so that the recording of
    /// that connection is a capture; other answers stand by themselves.
    fn record_snapshot(&mut self, token: u64, receive_ns: u64, status: u16, body: &[u8]) {
        let Some(tap) = &mut self.tap else { return };
        let line = self.machine.state.line_of_fetch(token).filter(|_| status == 200);
        let name = line.map_or(tap::REST_NAME, |line| self.names[line].as_str());
        tap.received(name, receive_ns, body);
    }

    /// A request is answered, or will never be; when it left.
    fn fetched(&mut self, token: u64) -> Option<u64> {
        let place = self.fetches.iter().position(|(other, _)| *other == token)?;
        Some(self.fetches.swap_remove(place).1)
    }

    fn line_of(&self, session: SessionId) -> Option<usize> {
        self.lines.get(session.0).copied()
    }
}

/// The link while the poller runs.
struct Ears<'a, S> {
    parts: &'a mut Parts,
    clock: &'a Clock,
    sink: &'a mut S,
}

impl<S: FeedSink> Handler for Ears<'_, S> {
    fn frame(&mut self, session: SessionId, frame: Frame<'_>) {
        let Some(line) = self.parts.line_of(session) else { return };
        let (is_text, receive_ns) = (frame.kind == FrameKind::Text, frame.receive_ns);
        self.parts.machine.frame(line, frame.payload, is_text, receive_ns, self.sink);
        if let Some(stats) = &self.parts.stats {
            stats.inc(CounterId::FramesReceived);
            let size_bytes = u64::try_from(frame.payload.len()).unwrap_or(u64::MAX);
            stats.add(CounterId::BytesReceived, size_bytes);
            let took_ns = self.clock.now_ns().saturating_sub(receive_ns);
            stats.record(HopId::Decode, took_ns);
            if let Some(age_ns) = self.parts.machine.age_ns {
                stats.record(HopId::MessageAge, age_ns);
            }
        }
        // Behind the publication, so that recording costs no latency.
        if let Some(tap) = &mut self.parts.tap {
            tap.received(&self.parts.names[line], receive_ns, frame.payload);
        }
    }

    fn changed(&mut self, session: SessionId, event: &SessionEvent) {
        let Some(line) = self.parts.line_of(session) else { return };
        let now_ns = self.clock.now_ns();
        match event {
            SessionEvent::Open { .. } => self.parts.machine.state.opened(line, now_ns),
            SessionEvent::Closed { state, .. } => {
                self.parts.machine.state.closed(line, now_ns, self.sink);
                if let (Some(stats), SessionState::Open) = (&self.parts.stats, state) {
                    stats.inc(CounterId::SessionsLost);
                }
            }
            SessionEvent::Connecting { .. }
            | SessionEvent::Handshaking { .. }
            | SessionEvent::Mute { .. } => {}
        }
    }

    fn answered(&mut self, _http: HttpId, token: u64, answer: HttpAnswer<'_>) {
        let now_ns = self.clock.now_ns();
        let parts = &mut *self.parts;
        let sent_ns = parts.fetched(token);
        match answer {
            HttpAnswer::Response { status, headers, body, receive_ns } => {
                if let (Some(stats), Some(sent_ns)) = (&parts.stats, sent_ns) {
                    stats.record(HopId::RestAnswer, receive_ns.saturating_sub(sent_ns));
                }
                if let Some(used) = headers.number("x-mbx-used-weight-1m")
                    && let Some(window) = parts.minute_window
                {
                    parts.weights.observe_used(window, used, now_ns);
                }
                parts.record_snapshot(token, receive_ns, status, body);
                if status == 200 {
                    return parts.machine.snapshot(token, body, receive_ns, self.sink);
                }
                if status == 429 || status == 418 {
                    let seconds = headers.number("retry-after").map(|s| s.min(RETRY_AFTER_S_MAX));
                    let wait_ns = seconds.map_or(BAN_NS, |s| s * SECOND_NS);
                    parts.weights.ban_until(now_ns.saturating_add(wait_ns));
                } else {
                    parts.failed_count += 1;
                }
                parts.machine.snapshot_failed(token, now_ns);
            }
            HttpAnswer::Failed { .. } => {
                parts.failed_count += 1;
                parts.machine.snapshot_failed(token, now_ns);
            }
        }
    }
}
