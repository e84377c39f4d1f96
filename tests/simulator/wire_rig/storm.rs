//! Market data faster than anybody needs, through threads and rings as in the product.
//!
//! ```text
//!   venue ==streams==> feed thread --+                        (a full ring loses market data, and says so)
//!                                    +--> inbound ring --> core (this thread) --> outbound ring --+
//!   venue ==WS API===> order thread -+                                                            |
//!                          ^----------------------------------------------------------------------+
//! ```
//! The core probes: now and then it sends an order that cannot trade, and measures the time to its report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use binance::feed::{FeedLink, SymbolStatus};
use binance::orders::link::{OrderLink, Requests};
use binance::orders::outbox::Sink;
use engine::border::{self, InboundProducer, OutboundConsumer};
use engine::clock::Clock;
use engine::event::order::ReportCode;
use engine::event::{BookState, Event, FeedCode, Kind, LockReason, session};
use engine::gateway::Outlet;
use engine::idle::{IdlePolicy, Idler};
use engine::market::InstrumentMarket;
use engine::pipeline::{Edges, NoProbe, NoRecorder, Pipeline};
use venue::SymbolIndex;
use venue::serve::{MarketConfig, RunningVenue, Venue};

use super::puppet::{Move, QUIET_NS};
use super::{BOUND_NS, MS_NS, RigConfig, links, venue_config};

/// Slots of the inbound ring: small, so that a core that stalls loses something.
const INBOUND_SLOTS: usize = 1 << 12;
/// Slots of the outbound ring.
const OUTBOUND_SLOTS: usize = 1 << 10;
/// Between two clocks.
const CLOCK_INTERVAL_NS: u64 = 2 * MS_NS;
/// Between two probes.
const PROBE_INTERVAL_NS: u64 = 10 * MS_NS;
/// Bytes of a page, as everywhere that this runs.
const PAGE_SIZE_BYTES: u64 = 4096;

/// What a storm is made of.
#[derive(Clone, Debug)]
pub struct StormConfig {
    /// Seeds, links and trader.
    pub rig: RigConfig,
    /// Where prices come from.
    pub market: MarketConfig,
    /// How long it blows.
    pub span_ns: u64,
    /// The core does nothing for so long in the middle of it.
    pub stall_ns: u64,
}

/// What was seen of a storm.
#[derive(Clone, Debug, Default)]
pub struct StormReport {
    /// Market events that the core applied.
    pub market_count: u64,
    /// From an order to its report, sorted, ns.
    pub report_ns: Vec<u64>,
    /// Market events that were told as lost.
    pub lost_count: u64,
    /// Books that had a gap.
    pub gap_count: u64,
    /// Most events that waited in the inbound ring.
    pub depth_max: u64,
    /// Memory of the process at the beginning and at its most, bytes.
    pub resident: (u64, u64),
    /// From the end of the stall to a book that is equal to the venue's, ns.
    pub recovery_ns: u64,
}

impl StormReport {
    /// That part of the times, per mille.
    pub fn report_at(&self, per_mille: usize) -> u64 {
        let place = self.report_ns.len() * per_mille / 1_000;
        self.report_ns.get(place).or(self.report_ns.last()).copied().unwrap_or(0)
    }
}

struct Outbound(OutboundConsumer);

impl Requests for Outbound {
    fn drain(&mut self, take: &mut dyn FnMut(&Event)) {
        self.0.poll(take);
    }
}

struct Inbound(InboundProducer);

impl Sink for Inbound {
    fn offer(&mut self, run: &[Event]) -> bool {
        self.0.publish_run(run).is_ok()
    }
}

/// What leaves the core; notes when the probe left.
struct Leaving<'a> {
    ring: &'a mut border::OutboundProducer,
    probe: &'a mut Option<(u64, u64)>,
    now_ns: u64,
}

impl Outlet for Leaving<'_> {
    fn offer(&mut self, event: &Event) -> bool {
        let is_taken = self.ring.offer(event);
        if is_taken && event.kind == Kind::SEND_NEW {
            *self.probe = Some((event.id, self.now_ns));
        }
        is_taken
    }
}

/// The core and what it counts.
struct Core {
    pipeline: Pipeline,
    outbound: border::OutboundProducer,
    probe: Option<(u64, u64)>,
    report: StormReport,
}

impl Core {
    fn apply(&mut self, event: &Event, now_ns: u64) {
        match event.kind {
            Kind::DEPTH | Kind::LEVEL | Kind::TRADE | Kind::QUOTE => self.report.market_count += 1,
            Kind::FEED if event.code == FeedCode::Dropped as u16 => {
                self.report.lost_count += u64::from(event.tag);
            }
            Kind::REPORT => self.hear(event, now_ns),
            _ => {}
        }
        let before = self.pipeline.head();
        let probe = &mut self.probe;
        let mut leaving = Leaving { ring: &mut self.outbound, probe, now_ns };
        let mut edges =
            Edges { recorder: &mut NoRecorder, outlet: &mut leaving, probe: &mut NoProbe };
        self.pipeline.apply(event, &mut edges).expect("the core never stops in a storm");
        for sequence in before + 1..=self.pipeline.head() {
            let decided = self.pipeline.recent(sequence);
            let is_gap = decided.code == u16::from(BookState::Gap.code());
            self.report.gap_count += u64::from(decided.kind == Kind::BOOK_STATE && is_gap);
        }
    }

    fn hear(&mut self, event: &Event, now_ns: u64) {
        let Some((id, sent_ns)) = self.probe else { return };
        let ends = event.code == ReportCode::Expired as u16;
        if event.id == id && ends {
            self.report.report_ns.push(now_ns.saturating_sub(sent_ns));
            self.probe = None;
        }
    }

    fn clock(&mut self, digits: u64, now_ns: u64) {
        let time_ns = now_ns.max(self.pipeline.time_ns());
        let time_ns = time_ns - time_ns % QUIET_NS + QUIET_NS + digits;
        self.apply(&session::clock().at(time_ns), now_ns);
    }

    fn may_probe(&self) -> bool {
        let is_open = self.pipeline.reconcile().venues().all(|v| v.lock == LockReason::None);
        let market = self.pipeline.market().get(0);
        self.probe.is_none() && is_open && market.is_some_and(InstrumentMarket::is_live)
    }
}

/// Blows; panics where something that must happen does not.
pub fn storm(config: &StormConfig) -> StormReport {
    let mut settings = venue_config(&config.rig);
    settings.market = config.market.clone();
    let venue = Venue::start(settings).expect("loopback takes a venue");
    let desk = links::desk(&config.rig);
    let table = desk.table();
    let clock = Clock::new();
    let idler = Idler::new(IdlePolicy::Yield);
    let (producer, mut inbound, depth) =
        border::inbound(INBOUND_SLOTS, table.count(), idler.waker());
    let (outbound, requests, _) = border::outbound(OUTBOUND_SLOTS);
    let feed = links::feed_link(&config.rig, &venue, &table).expect("valid links");
    let engine = desk.config.engine.number;
    let orders = links::order_link(&config.rig, &venue, &table, (engine, clock.now_ns()))
        .expect("valid links");
    let mut core =
        Core { pipeline: desk.pipeline(), outbound, probe: None, report: StormReport::default() };
    for event in desk.manifest(1).to_events() {
        core.apply(&event.at(clock.now_ns()), clock.now_ns());
    }
    let stop = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let ends = Ends { stop: Arc::clone(&stop), clock: clock.clone() };
        let to_core = producer.another();
        scope.spawn(move || run_feed(feed, to_core, &ends));
        let ends = Ends { stop: Arc::clone(&stop), clock: clock.clone() };
        scope.spawn(move || run_orders(orders, Outbound(requests), Inbound(producer), &ends));
        let _stops = StopAtEnd(&stop);
        let mut phase =
            Phase { core: &mut core, clock: &clock, next_clock_ns: 0, next_probe_ns: 0 };
        let mut poll = |core: &mut Core, now_ns: u64| {
            core.report.depth_max = core.report.depth_max.max(depth.get());
            inbound.poll(256, |event| {
                core.apply(event, now_ns);
                true
            });
        };
        phase.until(&mut poll, |core, _| core.may_probe());
        let resident_bytes = resident_bytes();
        let half_ns = clock.now_ns() + (config.span_ns >> 1);
        phase.until(&mut poll, |_, now_ns| half_ns <= now_ns);
        let before_stall = phase.core.report.report_ns.len();
        let awake_ns = clock.now_ns() + config.stall_ns;
        while clock.now_ns() < awake_ns {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let end_ns = clock.now_ns() + (config.span_ns >> 1);
        phase.until(&mut poll, |core, _| is_equal(core, &venue));
        phase.core.report.recovery_ns = clock.now_ns() - awake_ns;
        phase.until(&mut poll, |core, now_ns| {
            end_ns <= now_ns && before_stall < core.report.report_ns.len()
        });
        phase.core.report.resident = (resident_bytes, self::resident_bytes());
    });
    core.report.report_ns.sort_unstable();
    core.report
}

struct Phase<'a> {
    core: &'a mut Core,
    clock: &'a Clock,
    next_clock_ns: u64,
    next_probe_ns: u64,
}

impl Phase<'_> {
    fn until(
        &mut self,
        poll: &mut impl FnMut(&mut Core, u64),
        mut done: impl FnMut(&Core, u64) -> bool,
    ) {
        let start_ns = self.clock.now_ns();
        loop {
            let now_ns = self.clock.now_ns();
            poll(self.core, now_ns);
            if self.next_clock_ns <= now_ns {
                self.next_clock_ns = now_ns + CLOCK_INTERVAL_NS;
                let may_probe = self.next_probe_ns <= now_ns && self.core.may_probe();
                if may_probe {
                    self.next_probe_ns = now_ns + PROBE_INTERVAL_NS;
                }
                self.core.clock(if may_probe { Move::Probe as u64 } else { 0 }, now_ns);
                if done(self.core, now_ns) {
                    return;
                }
                assert!(now_ns - start_ns < BOUND_NS, "{:?}", self.core.report);
            }
            std::thread::yield_now();
        }
    }
}

/// Whether the book is live and equal to the venue's: best prices of the same update are enough here, the
/// levels below them are proved where the market is slower.
fn is_equal(core: &Core, venue: &RunningVenue) -> bool {
    let Some(market) = core.pipeline.market().get(0) else { return false };
    let best = venue.handle.with_exchange(|exchange, _| exchange.best(SymbolIndex(0)));
    let same = |ours: (i64, i64), there: Option<(i64, i64)>| {
        there.is_some_and(|(price, quantity)| (price / 1_000_000, quantity) == ours)
    };
    let top = &market.top;
    market.is_live()
        && same((top.bid_price, top.bid_quantity), best.bid)
        && same((top.ask_price, top.ask_quantity), best.ask)
}

/// Lets the threads end also when an assertion failed.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

struct Ends {
    stop: Arc<AtomicBool>,
    clock: Clock,
}

fn run_feed(mut feed: FeedLink, mut producer: InboundProducer, ends: &Ends) {
    while !ends.stop.load(Ordering::Acquire) {
        feed.turn(Duration::from_millis(2), &ends.clock, &mut producer)
            .expect("a poll of sockets cannot fail");
    }
    let lost = |symbol: &SymbolStatus| symbol.counts.lost_count;
    let lost_count: u64 = feed.status().symbols.iter().map(lost).sum();
    println!("the feed lost {lost_count} events for want of room");
}

fn run_orders(mut orders: OrderLink, mut requests: Outbound, mut sink: Inbound, ends: &Ends) {
    while !ends.stop.load(Ordering::Acquire) {
        orders
            .turn(Duration::ZERO, &ends.clock, &mut requests, &mut sink)
            .expect("a poll of sockets cannot fail");
        std::thread::park_timeout(Duration::from_micros(50));
    }
}

/// Memory that this process holds, bytes; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * PAGE_SIZE_BYTES
}
