//! The engine of a rig: pipeline, journal and both links, turned by the test.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use binance::feed::{FeedLink, FeedSink};
use binance::orders::link::OrderLink;
use binance::orders::machine::Counters;
use binance::orders::outbox::Sink;
use engine::clock::Clock;
use engine::event::{Event, Kind, session};
use engine::gateway::Outlet;
use engine::pipeline::recorder::JournalRecorder;
use engine::pipeline::recovery::{self, Recovered};
use engine::pipeline::{Edges, NoProbe, Pipeline, Recorder};
use journal::Durability;
use venue::serve::RunningVenue;

use super::puppet::{Move, QUIET_NS};
use super::{MS_NS, RigConfig, links};
use crate::compose::Desk;
use crate::scratch;

/// Between two clocks.
const CLOCK_INTERVAL_NS: u64 = 2 * MS_NS;
/// Longest wait of a turn for a socket.
const WAIT: Duration = Duration::from_millis(1);
/// Records of a journal segment.
const SEGMENT_RECORDS: u64 = 1 << 14;
/// Market events that may wait for the core; what comes beyond is told as lost by the link.
const INBOX_COUNT_MAX: usize = 1 << 16;

/// What both links told and the core has not heard.
#[derive(Debug, Default)]
struct Inbox(VecDeque<Event>);

impl FeedSink for Inbox {
    fn market(&mut self, events: &[Event]) -> usize {
        let room = INBOX_COUNT_MAX.saturating_sub(self.0.len());
        let count = events.len().min(room);
        self.0.extend(&events[..count]);
        count
    }

    fn control(&mut self, event: &Event) -> bool {
        self.0.push_back(*event);
        true
    }
}

impl Sink for Inbox {
    fn offer(&mut self, run: &[Event]) -> bool {
        self.0.extend(run);
        true
    }
}

/// What left the core and the order link has not taken.
#[derive(Debug, Default)]
struct Outbox(VecDeque<Event>);

impl Outlet for Outbox {
    fn offer(&mut self, event: &Event) -> bool {
        self.0.push_back(*event);
        true
    }
}

/// Keeps what is not market data beside the journal.
#[derive(Debug)]
struct Tap {
    journal: JournalRecorder,
    kept: Vec<Event>,
}

const fn is_kept(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::DEPTH
            | Kind::LEVEL
            | Kind::TRADE
            | Kind::QUOTE
            | Kind::CLOCK
            | Kind::TEXT
            | Kind::INSTRUMENT
            | Kind::STATE_HASH
    )
}

impl Recorder for Tap {
    fn record(&mut self, event: &Event) -> bool {
        if is_kept(event.kind) {
            self.kept.push(*event);
        }
        self.journal.record(event)
    }

    fn durable(&self) -> u64 {
        self.journal.durable()
    }
}

/// See the module.
#[derive(Debug)]
pub struct EngineSide {
    /// Stages.
    pub pipeline: Pipeline,
    /// Market data.
    pub feed: FeedLink,
    /// Order entry.
    pub orders: OrderLink,
    tap: Tap,
    inbox: Inbox,
    outbox: Outbox,
    next_clock_ns: u64,
    session: u64,
}

impl EngineSide {
    /// A new engine in an empty directory, or the next session of one that was recovered.
    pub fn start(
        rig: &RigConfig,
        desk: &Desk,
        (dir, recovered): (&Path, Option<Recovered>),
        venue: &RunningVenue,
        clock: &Clock,
    ) -> Result<EngineSide, String> {
        let options = scratch::options(SEGMENT_RECORDS, Durability::Process);
        let session = recovered.as_ref().map_or(1, |recovered| recovered.finished.session + 1);
        let manifest = desk.manifest(session);
        let pipeline = desk.build(&manifest)?;
        let (pipeline, journal) = match recovered {
            None => (pipeline, scratch::recorder(dir, options)),
            Some(recovered) => recovery::resume(&recovered, pipeline, options)
                .map_err(|error| format!("resume: {error}"))?,
        };
        let table = desk.table();
        let now_ns = clock.now_ns();
        let number = desk.config.engine.number;
        let mut side = EngineSide {
            feed: links::feed_link(rig, venue, &table)?,
            orders: links::order_link(rig, venue, &table, (number, now_ns))?,
            pipeline,
            tap: Tap { journal, kept: Vec::new() },
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            next_clock_ns: 0,
            session,
        };
        for event in manifest.to_events() {
            side.apply(&event.at(now_ns));
        }
        Ok(side)
    }

    /// Both links, then everything that they brought.
    pub fn turn(&mut self, clock: &Clock) {
        let (feed, orders) = (&mut self.feed, &mut self.orders);
        feed.turn(Duration::ZERO, clock, &mut self.inbox).expect("a poll of sockets cannot fail");
        orders
            .turn(WAIT, clock, &mut self.outbox.0, &mut self.inbox)
            .expect("a poll of sockets cannot fail");
        let now_ns = clock.now_ns();
        if self.next_clock_ns <= now_ns {
            self.next_clock_ns = now_ns + CLOCK_INTERVAL_NS;
            self.clock_at(0, now_ns);
        }
        while let Some(event) = self.inbox.0.pop_front() {
            self.apply(&event);
        }
    }

    /// What waits for the venue leaves; nothing that comes back is told to the core.
    pub fn send_only(&mut self, clock: &Clock) {
        let mut unheard = Inbox::default();
        self.orders
            .turn(Duration::ZERO, clock, &mut self.outbox.0, &mut unheard)
            .expect("a poll of sockets cannot fail");
    }

    /// Applies one event; a fault stays in the pipeline and is seen by whoever waits.
    pub fn apply(&mut self, event: &Event) {
        let mut edges =
            Edges { recorder: &mut self.tap, outlet: &mut self.outbox, probe: &mut NoProbe };
        let applied = self.pipeline.apply(event, &mut edges);
        debug_assert_eq!(applied.err(), self.pipeline.fault());
    }

    /// A clock whose last digits are a move of the puppet.
    pub fn clock_with(&mut self, what: Move, now_ns: u64) {
        self.clock_at(what as u64, now_ns);
    }

    fn clock_at(&mut self, digits: u64, now_ns: u64) {
        let time_ns = now_ns.max(self.pipeline.time_ns());
        let time_ns = time_ns - time_ns % QUIET_NS + QUIET_NS + digits;
        self.apply(&session::clock().at(time_ns));
    }

    /// Whether requests wait for the order link.
    pub fn has_requests(&self) -> bool {
        !self.outbox.0.is_empty()
    }

    /// Everything but market data since the start of this engine, as recorded.
    pub fn kept(&self) -> &[Event] {
        &self.tap.kept
    }

    /// Gone, without a word: sockets close as of a process that was killed, the journal is not closed.
    pub fn die(self) {
        drop(self);
    }

    /// Ends the session in order; the pipeline and what order entry counted.
    pub fn end(mut self, now_ns: u64) -> Result<(Pipeline, Counters), String> {
        let session = self.session;
        self.apply(&session::session_end(session).at(now_ns));
        if let Some(fault) = self.pipeline.fault() {
            return Err(format!("the core stopped: {fault}"));
        }
        let counters = self.orders.status().counters;
        self.orders.stop();
        self.tap.journal.into_writer().close().map_err(|error| error.to_string())?;
        Ok((self.pipeline, counters))
    }
}
