//! The whole engine between sockets, on one, two or three threads that wait in different ways.
//!
//! ```text
//!   three:  [ feed ] --ring--> [ core, journal ] --ring--> [ orders ]     as the product
//!   two:    [ feed + orders ] <--rings--> [ core, journal ]
//!   one:    [ feed, core, journal, orders ]                               same rings, same order of calls
//! ```

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use binance::answer::LimitKind;
use binance::endpoints::Endpoints;
use binance::feed::{FeedLink, FeedLinkConfig, Stream};
use binance::orders::config::{Rules, listings};
use binance::orders::link::{OrderLink, OrderLinkConfig, Requests};
use binance::orders::machine::{Account, Sample};
use binance::orders::outbox::Sink;
use binance::sign::Signer;
use engine::border::{
    self, InboundConsumer, InboundProducer, OutboundConsumer, OutboundProducer, Polled,
};
use engine::clock::Clock;
use engine::event::{Event, OrderTerms, Side, session};
use engine::idle::{IdlePolicy, Idler};
use engine::instrument::{InstrumentIndex, Venue};
use engine::pipeline::core_thread::{Core, CoreSettings, Ending};
use engine::pipeline::recorder::JournalRecorder;
use engine::pipeline::{Edges, NoProbe, Pipeline};
use engine::state::{LoadError, Loader, Saver, State};
use engine::stats::{Counts, HopId, Identity, StatsReader, StatsWriter};
use engine::strategy::{Intents, MarketChange, OrderIntent, OrderUpdate, Strategy, View};
use rustls::ClientConfig;
use wire::endpoint::Endpoint;
use wire::http::HttpConfig;
use wire::session::SessionConfig;

use super::{API_KEY, SECRET, Shared, floors, instruments};
use crate::{desk, rig};

/// Longest wait for a socket.
const WAIT: Duration = Duration::from_millis(5);
/// The pause that order entry made between two looks at its ring.
const PAUSE: Duration = Duration::from_micros(50);
const CLOCK_INTERVAL_NS: u64 = 10_000_000;
/// Most events of one poll.
const BATCH_MAX: u64 = 256;
const FEED_SOURCE: u16 = 1;
const ORDERS_SOURCE: u16 = 2;
/// Records of one frame and its order, generously: the segments of a block are made before it.
const RECORDS_PER_FRAME: u64 = 48;

/// How order entry, or the one thread for all sockets, waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Never.
    Spin,
    /// Gives the core away whenever there is nothing to do.
    Yield,
    /// 50 us at a time.
    Pause,
    /// In the poll; the core rings a bell for each request.
    Bell,
}

/// Who runs where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// Feed, core, orders.
    Three,
    /// Feed with orders, core.
    Two,
    /// All in one.
    One,
}

/// A way to run the engine.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Its name in reports.
    pub name: &'static str,
    /// Who runs where.
    pub threads: Threads,
    /// How sockets are waited for: the feed spins or waits in its poll.
    pub wait: Wait,
    /// How the core waits.
    pub core: IdlePolicy,
}

/// What was measured inside.
#[derive(Debug, Default)]
pub struct Inside {
    /// From the read that completed a depth frame to the write of its order, ns.
    pub wire_to_wire_ns: Vec<u64>,
    /// Histograms of the product's stats file, where the core thread of the product ran.
    pub hops: Vec<(HopId, Counts)>,
}

/// Answers every change of the book with one order at the best bid.
#[derive(Debug)]
struct Answerer;

impl State for Answerer {
    fn save(&self, _out: &mut Saver) {}

    fn load(&mut self, _from: &mut Loader<'_>) -> Result<(), LoadError> {
        Ok(())
    }
}

impl Strategy for Answerer {
    fn name(&self) -> &'static str {
        "answerer"
    }

    fn instruments(&self) -> &[InstrumentIndex] {
        &[0]
    }

    fn on_market(
        &mut self,
        view: &View<'_>,
        instrument: InstrumentIndex,
        change: MarketChange,
        intents: &mut Intents,
    ) {
        if change != MarketChange::Book {
            return;
        }
        let Some(market) = view.market.get(instrument).filter(|market| market.is_live()) else {
            return;
        };
        intents.order(&OrderIntent {
            instrument,
            side: Side::Buy,
            price: market.top.bid_price,
            quantity: floors::QUANTITY,
            terms: OrderTerms::LIMIT_IOC,
            post_only: false,
            reduce_only: false,
            tag: 0,
        });
    }

    fn on_order(&mut self, _view: &View<'_>, _update: &OrderUpdate, _intents: &mut Intents) {}

    fn on_clock(&mut self, _view: &View<'_>, _intents: &mut Intents) {}
}

/// The core's requests.
#[derive(Debug)]
struct Outbound(OutboundConsumer);

impl Requests for Outbound {
    fn drain(&mut self, take: &mut dyn FnMut(&Event)) {
        self.0.poll(take);
    }
}

/// The way into the core.
#[derive(Debug)]
struct Inbound(InboundProducer);

impl Sink for Inbound {
    fn offer(&mut self, run: &[Event]) -> bool {
        self.0.publish_run(run).is_ok()
    }
}

/// Feed and order entry with their ends of the rings.
struct Links {
    feed: FeedLink,
    market: InboundProducer,
    orders: OrderLink,
    reports: Inbound,
    requests: Outbound,
    wire_to_wire_ns: Vec<u64>,
}

impl Links {
    fn take_samples(&mut self) {
        take_samples(&mut self.orders, &mut self.wire_to_wire_ns);
    }
}

fn take_samples(orders: &mut OrderLink, into: &mut Vec<u64>) {
    while let Some(sample) = orders.take_sample() {
        if let Sample::TickToWire(ns) = sample {
            into.push(ns);
        }
    }
}

fn pipeline() -> Pipeline {
    let mut config = desk::config(desk::limits_of(1));
    config.reconcile.venues = vec![Venue::BinanceSpot];
    Pipeline::new(config, instruments(), vec![Box::new(Answerer)])
}

fn feed(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> anyhow::Result<FeedLink> {
    let s = if tls.is_some() { "s" } else { "" };
    let endpoints = Endpoints {
        venue: Venue::BinanceSpot,
        rest: vec![format!("http{s}://{address}")],
        streams: vec![format!("ws{s}://{address}")],
        trade_streams: Vec::new(),
        ws_api: format!("ws{s}://{address}/ws-api/v3"),
    };
    let mut config = FeedLinkConfig::new(&endpoints);
    config.producer = FEED_SOURCE;
    config.streams = vec![Stream::Depth];
    config.session.tls = tls.cloned();
    config.http.tls = tls.cloned();
    Ok(FeedLink::new(config, &instruments())?)
}

fn orders(
    address: SocketAddr,
    tls: Option<&Arc<ClientConfig>>,
    now_ns: u64,
) -> anyhow::Result<OrderLink> {
    let s = if tls.is_some() { "s" } else { "" };
    let account = Account {
        engine: 1,
        source: ORDERS_SOURCE,
        venue: Venue::BinanceSpot,
        listings: listings(Venue::BinanceSpot, &instruments(), |_| None),
        signer: Signer::hmac(SECRET)?,
        api_key: API_KEY.to_string(),
    };
    let mut link = OrderLink::new(
        OrderLinkConfig {
            rules: Rules::default(),
            account,
            ws_api: Endpoint::resolve(&format!("ws{s}://{address}/ws-api/v3"))?,
            session: SessionConfig { tls: tls.cloned(), ..SessionConfig::default() },
            rest: None,
            http: HttpConfig::default(),
            outbox_high_count: 1 << 14,
        },
        now_ns,
    )?;
    let budget = link.machine_mut().budget_mut();
    budget.limit(LimitKind::Weight, 60_000_000_000, 1_000_000_000);
    budget.limit(LimitKind::Orders, 10_000_000_000, 1_000_000_000);
    Ok(link)
}

/// What a core needs, whichever thread it runs on.
struct Parts {
    pipeline: Pipeline,
    recorder: JournalRecorder,
    inbound: InboundConsumer,
    inbound_depth: border::Depth,
    outbound: OutboundProducer,
    outbound_depth: border::Depth,
    idler: Idler,
}

/// Runs the engine until it is stopped. Journal and stats go to `dir`.
pub fn run(
    variant: &Variant,
    address: SocketAddr,
    tls: Option<&Arc<ClientConfig>>,
    (shared, clock): (&Arc<Shared>, &Clock),
    dir: &Path,
) -> anyhow::Result<Inside> {
    let frame_count = shared.load.warm_count + shared.load.sample_count;
    let record_count = frame_count * RECORDS_PER_FRAME;
    let mut recorder = rig::journal(&dir.join("journal"), record_count)?;
    let mut pipeline = pipeline();
    let idler = Idler::new(variant.core);
    let (producer, inbound, inbound_depth) = border::inbound(65_536, 1, idler.waker());
    let (mut outbound, requests, outbound_depth) = border::outbound(4_096);
    for event in desk::manifest_of(instruments()).to_events() {
        let mut edges =
            Edges { recorder: &mut recorder, outlet: &mut outbound, probe: &mut NoProbe };
        pipeline.apply(&event.at(clock.now_ns()), &mut edges)?;
    }
    let links = Links {
        feed: feed(address, tls)?,
        market: producer.another(),
        orders: orders(address, tls, clock.now_ns())?,
        reports: Inbound(producer.another()),
        requests: Outbound(requests),
        wire_to_wire_ns: Vec::new(),
    };
    let parts =
        Parts { pipeline, recorder, inbound, inbound_depth, outbound, outbound_depth, idler };
    match variant.threads {
        Threads::One => one(variant, links, parts, producer, (shared, clock)),
        Threads::Two | Threads::Three => {
            many(variant, links, parts, producer, (shared, clock), dir)
        }
    }
}

/// Sends the clock when it is due.
struct Ticker {
    producer: InboundProducer,
    next_ns: u64,
}

impl Ticker {
    fn tick(&mut self, now_ns: u64) {
        if self.next_ns <= now_ns {
            self.next_ns = now_ns + CLOCK_INTERVAL_NS;
            // A full ring has events that tell the time.
            let _full = self.producer.publish(&session::clock().at(now_ns));
        }
    }
}

fn many(
    variant: &Variant,
    links: Links,
    parts: Parts,
    producer: InboundProducer,
    (shared, clock): (&Arc<Shared>, &Clock),
    dir: &Path,
) -> anyhow::Result<Inside> {
    let identity = Identity {
        instance: "bench",
        engine_version: "bench",
        commit: "bench",
        mode: "paper",
        journal_dir: "",
    };
    let stats = StatsWriter::create_in(dir, &identity, clock.now_ns())?;
    let reader = StatsReader::open(stats.path())?;
    let handle = stats.handle();
    let abandon = Arc::new(AtomicBool::new(false));
    let core = Core {
        pipeline: parts.pipeline,
        recorder: parts.recorder,
        inbound: parts.inbound,
        inbound_depth: parts.inbound_depth,
        outbound: parts.outbound,
        outbound_depth: parts.outbound_depth,
        stats,
        clock: clock.clone(),
        idler: parts.idler,
        settings: CoreSettings { sample_interval: 1, ..CoreSettings::default() },
        kill_flag: None,
        abandon: Arc::clone(&abandon),
    };
    let core = std::thread::spawn(move || core.run());
    let links = Links { feed: links.feed.with_stats(handle), ..links };
    let ticker = {
        let (shared, clock) = (Arc::clone(shared), clock.clone());
        let mut ticker = Ticker { producer, next_ns: 0 };
        std::thread::spawn(move || {
            while !shared.stopped() {
                ticker.tick(clock.now_ns());
                std::thread::park_timeout(WAIT);
            }
        })
    };
    let threads = match variant.threads {
        Threads::Three => three(variant, links, (shared, clock)),
        Threads::Two | Threads::One => two(variant, links, (shared, clock)),
    };
    // The core ends also when a link failed, so that nothing hangs.
    shared.is_stopped.store(threads.is_err() || shared.stopped(), Ordering::Release);
    let joined = ticker.join();
    abandon.store(true, Ordering::Release);
    let end = core.join().map_err(|_| anyhow!("the core panicked"))?;
    joined.map_err(|_| anyhow!("the ticker panicked"))?;
    anyhow::ensure!(end.ending == Ending::Abandoned, "the core ended with {:?}", end.ending);
    end.recorder.into_writer().close()?;
    let snapshot = reader.snapshot().context("the stats of the core")?;
    let hops = [HopId::Decode, HopId::InboundWait, HopId::TickToOrder, HopId::Cycle];
    let hops = hops.into_iter().filter_map(|id| Some((id, snapshot.hop(id)?.clone()))).collect();
    Ok(Inside { wire_to_wire_ns: threads?, hops })
}

/// One turn of order entry with its way of waiting.
fn orders_turn(
    wait: Wait,
    clock: &Clock,
    orders: &mut OrderLink,
    requests: &mut Outbound,
    reports: &mut Inbound,
) -> anyhow::Result<()> {
    match wait {
        Wait::Spin => {}
        Wait::Yield => std::thread::yield_now(),
        Wait::Pause => std::thread::park_timeout(PAUSE),
        Wait::Bell => {
            let timeout = if requests.0.wait_begins() { WAIT } else { Duration::ZERO };
            orders.turn(timeout, clock, requests, reports)?;
            requests.0.wait_ends();
            return Ok(());
        }
    }
    orders.turn(Duration::ZERO, clock, requests, reports)?;
    Ok(())
}

fn three(
    variant: &Variant,
    links: Links,
    (shared, clock): (&Arc<Shared>, &Clock),
) -> anyhow::Result<Vec<u64>> {
    let Links { mut feed, mut market, mut orders, mut reports, mut requests, mut wire_to_wire_ns } =
        links;
    if variant.wait == Wait::Bell {
        let alarm = orders.alarm();
        requests.0.set_bell(move || drop(alarm.ring()));
    }
    let wait = variant.wait;
    let feed_thread = {
        let (shared, clock) = (Arc::clone(shared), clock.clone());
        let timeout = if wait == Wait::Spin { Duration::ZERO } else { WAIT };
        std::thread::spawn(move || -> anyhow::Result<()> {
            while !shared.stopped() {
                feed.turn(timeout, &clock, &mut market)?;
            }
            feed.stop(&clock, &mut market)?;
            Ok(())
        })
    };
    let mut failure = Ok(());
    while !shared.stopped() && failure.is_ok() {
        failure = orders_turn(wait, clock, &mut orders, &mut requests, &mut reports);
        take_samples(&mut orders, &mut wire_to_wire_ns);
    }
    shared.is_stopped.store(true, Ordering::Release);
    orders.stop();
    feed_thread.join().map_err(|_| anyhow!("the feed panicked"))??;
    failure.map(|()| wire_to_wire_ns)
}

fn two(
    variant: &Variant,
    mut links: Links,
    (shared, clock): (&Arc<Shared>, &Clock),
) -> anyhow::Result<Vec<u64>> {
    let bell = variant.wait == Wait::Bell;
    if bell {
        let alarm = links.orders.alarm();
        links.requests.0.set_bell(move || drop(alarm.ring()));
        links.feed.watch(links.orders.poller())?;
    }
    while !shared.stopped() {
        let Links { feed, market, orders, reports, requests, .. } = &mut links;
        let timeout = if bell && requests.0.wait_begins() { WAIT } else { Duration::ZERO };
        feed.turn(timeout, clock, market)?;
        requests.0.wait_ends();
        orders.turn(Duration::ZERO, clock, requests, reports)?;
        links.take_samples();
        if variant.wait == Wait::Yield {
            std::thread::yield_now();
        }
    }
    end(links, clock)
}

fn one(
    variant: &Variant,
    mut links: Links,
    parts: Parts,
    producer: InboundProducer,
    (shared, clock): (&Arc<Shared>, &Clock),
) -> anyhow::Result<Inside> {
    let Parts { mut pipeline, mut recorder, mut inbound, mut outbound, .. } = parts;
    let mut ticker = Ticker { producer, next_ns: 0 };
    let waits = variant.wait == Wait::Bell;
    if waits {
        links.feed.watch(links.orders.poller())?;
    }
    let mut failure = None;
    let mut has_more = true;
    while !shared.stopped() && failure.is_none() {
        let Links { feed, market, orders, reports, requests, .. } = &mut links;
        let timeout = if waits && !has_more { WAIT } else { Duration::ZERO };
        feed.turn(timeout, clock, market)?;
        ticker.tick(clock.now_ns());
        let polled = inbound.poll(BATCH_MAX, |event| {
            let mut edges =
                Edges { recorder: &mut recorder, outlet: &mut outbound, probe: &mut NoProbe };
            failure = pipeline.apply(event, &mut edges).err();
            failure.is_none()
        });
        orders.turn(Duration::ZERO, clock, requests, reports)?;
        // Reports of this turn are in the ring now; they are few and wait for nothing else.
        has_more = matches!(polled, Polled::Events(_));
        links.take_samples();
        if variant.wait == Wait::Yield {
            std::thread::yield_now();
        }
    }
    if let Some(fault) = failure {
        return Err(anyhow!("{fault}: {:?}", recorder.error()));
    }
    let wire_to_wire_ns = end(links, clock)?;
    recorder.into_writer().close()?;
    Ok(Inside { wire_to_wire_ns, hops: Vec::new() })
}

fn end(mut links: Links, clock: &Clock) -> anyhow::Result<Vec<u64>> {
    links.feed.stop(clock, &mut links.market)?;
    links.orders.stop();
    Ok(links.wire_to_wire_ns)
}
