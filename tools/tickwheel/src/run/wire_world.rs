//! Feed and order entry over sockets: two threads, each with its own poll loop.
//!
//! Market data and reports never share a socket, a loop or a queue before the inbound ring, so a storm of the one does
//! not delay the other.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use binance::answer::LimitKind;
use binance::endpoints::Endpoints;
use binance::feed::{FeedLink, FeedLinkConfig, FeedPolicy, FrameTap, SegmentTap, Stream};
use binance::info::{ExchangeInfo, RateLimitKind};
use binance::orders::config::{Rules, listings};
use binance::orders::link::{OrderLink, OrderLinkConfig, Requests};
use binance::orders::machine::{Account, NewKey};
use binance::orders::outbox::Sink;
use binance::request::SelfTrade;
use config::Config;
use config::wire::{WireFeedSection, WireOrdersSection, WireSection};
use engine::border::{InboundProducer, OutboundConsumer, Polled};
use engine::clock::Clock;
use engine::event::Event;
use engine::idle::IdlePolicy;
use engine::instrument::{InstrumentTable, Venue};
use engine::pipeline::Pipeline;
use engine::pipeline::core_thread::BEAT_AGE_NS_MAX;
use engine::stats::{CounterId, StatsHandle, ThreadState};
use wire::endpoint::Endpoint;
use wire::http::HttpConfig;
use wire::poller::Turn;
use wire::segments::{SegmentConfig, SegmentRecorder};
use wire::session::SessionConfig;

use super::beside::Job;
use super::connected::Connected;
use super::local_venue::LocalVenue;
use super::rotation::Rotation;
use super::world::{Control, Start, Worker, spawn};
use crate::secrets::Credentials;

/// `source` of market events.
pub(crate) const FEED_SOURCE: u16 = 1;
/// `source` of reports.
pub(crate) const ORDERS_SOURCE: u16 = 2;
/// Numbers of the threads in `THREAD_DEAD` commands.
const THREAD_FEED: u32 = 3;
const THREAD_ORDERS: u32 = 4;
const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;
/// Longest wait of the feed for a socket; data wakes it at once.
const FEED_WAIT: Duration = Duration::from_millis(5);
/// Longest wait of order entry for a socket or the core's bell.
const ORDERS_WAIT: Duration = Duration::from_millis(5);
/// Time between two looks at the state of a link.
const WATCH_INTERVAL_NS: u64 = 100_000_000;
/// Reports that may wait for room in the inbound ring before the sockets are left alone.
const OUTBOX_HIGH_COUNT: usize = 1 << 14;
/// Kinds in the error log of the stats file.
const ERROR_ORDERS: u32 = 2;

/// Not yet running.
#[derive(Debug)]
pub(crate) struct WireWorld {
    feed: FeedLink,
    /// `None` where nothing can be signed: market data only.
    orders: Option<OrderLink>,
    child: Option<LocalVenue>,
    /// The thread that looks for another key, until it is taken, and where its keys come out.
    rotation: Option<Job>,
    keys: Option<Receiver<NewKey>>,
    spins: bool,
}

impl WireWorld {
    pub(crate) fn new(
        connected: Connected,
        config: &Config,
        pipeline: &Pipeline,
        (idle, now_ns): (IdlePolicy, u64),
    ) -> anyhow::Result<WireWorld> {
        let wire = config.wire.as_ref().context("the configuration has [wire]")?;
        let table = pipeline.instruments();
        let feed = feed_link(&connected, wire, config, table)?;
        let Connected { endpoints, tls, credentials, rotation, info, child, .. } = connected;
        let (rotation, keys) = rotation.map(Rotation::job).unzip();
        let limits = limits(&info);
        let orders = match credentials {
            Some(credentials) => {
                let session = orders_session(&wire.orders, tls.clone());
                let http = HttpConfig { tls, ..HttpConfig::default() };
                let account = account(credentials, config.engine.number, &info, table);
                let ends = order_ends(&endpoints)?;
                let settings = OrderLinkConfig {
                    rules: rules(&wire.orders)?,
                    account,
                    ws_api: ends.0,
                    session,
                    rest: Some(ends.1),
                    http,
                    outbox_high_count: OUTBOX_HIGH_COUNT,
                };
                let mut link = OrderLink::new(settings, now_ns).context("order entry")?;
                for (kind, window_ns, limit) in limits {
                    link.machine_mut().budget_mut().limit(kind, window_ns, limit);
                }
                if let Some(tap) = recording(&wire.feed)? {
                    link = link.with_tap(tap);
                }
                Some(link)
            }
            None => None,
        };
        let spins = idle == IdlePolicy::Spin;
        Ok(WireWorld { feed, orders, child, rotation, keys, spins })
    }

    /// The thread that looks for another key of the venue; once.
    pub(crate) fn take_rotation(&mut self) -> Option<Job> {
        self.rotation.take()
    }

    pub(crate) fn start(self, start: Start<'_>) -> anyhow::Result<Vec<Worker>> {
        let WireWorld { feed, orders, child, keys, spins, .. } = self;
        let feed = feed.with_stats(start.stats.clone());
        let hands = |start: &Start<'_>| Hands {
            control: Arc::clone(start.control),
            clock: start.clock.clone(),
            stats: start.stats.clone(),
            spins,
        };
        let (feed_hands, producer) = (hands(&start), start.producer.another());
        let thread = spawn("feed", move || run_feed(feed, producer, &feed_hands))?;
        let mut workers = vec![Worker { name: "feed", number: THREAD_FEED, thread, child }];
        let (orders_hands, producer) = (hands(&start), Inbound(start.producer.another()));
        let requests = Outbound { ring: start.requests, stats: start.stats.clone() };
        let thread =
            spawn("orders", move || run_orders((orders, keys), requests, producer, &orders_hands))?;
        workers.push(Worker { name: "orders", number: THREAD_ORDERS, thread, child: None });
        Ok(workers)
    }
}

/// What a thread holds beside its link.
#[derive(Debug)]
struct Hands {
    control: Arc<Control>,
    clock: Clock,
    stats: StatsHandle,
    spins: bool,
}

fn run_feed(mut feed: FeedLink, mut producer: InboundProducer, hands: &Hands) {
    let Hands { control, clock, stats, spins } = hands;
    let heartbeat = stats.register_thread("feed", BEAT_AGE_NS_MAX, None, clock.now_ns());
    let wait = if *spins { Duration::ZERO } else { FEED_WAIT };
    while !control.stop.load(Ordering::Acquire) {
        if let Some(heartbeat) = &heartbeat {
            heartbeat.beat(clock.now_ns());
        }
        match feed.turn(wait, clock, &mut producer) {
            Ok(Turn::Continue) => {}
            Ok(Turn::Stop) => break,
            Err(error) => {
                stats.error(1, clock.now_ns(), format_args!("feed: {error}"));
                break;
            }
        }
    }
    if let Err(error) = feed.stop(clock, &mut producer) {
        stats.error(1, clock.now_ns(), format_args!("end of the recording: {error}"));
    }
    if let Some(heartbeat) = heartbeat {
        heartbeat.set_state(ThreadState::Stopped, clock.now_ns());
    }
}

/// The core's requests, counted.
#[derive(Debug)]
struct Outbound {
    ring: OutboundConsumer,
    stats: StatsHandle,
}

impl Requests for Outbound {
    fn drain(&mut self, take: &mut dyn FnMut(&Event)) {
        match self.ring.poll(take) {
            Polled::Events(count) => self.stats.add(CounterId::OutboundConsumed, count),
            Polled::Nothing | Polled::Closed => {}
        }
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

fn run_orders(
    (mut link, keys): (Option<OrderLink>, Option<Receiver<NewKey>>),
    mut requests: Outbound,
    mut producer: Inbound,
    hands: &Hands,
) {
    let Hands { control, clock, stats, spins } = hands;
    let heartbeat = stats.register_thread("orders", BEAT_AGE_NS_MAX, None, clock.now_ns());
    let mut watch = Watch { keys, ..Watch::default() };
    link = link.map(|link| link.with_stats(stats.clone()));
    if let Some(link) = link.as_ref().filter(|_| !spins) {
        let alarm = link.alarm();
        // A bell that fails is heard a wait later.
        requests.ring.set_bell(move || drop(alarm.ring()));
    }
    while !control.stop.load(Ordering::Acquire) {
        let now_ns = clock.now_ns();
        if let Some(heartbeat) = &heartbeat {
            heartbeat.beat(now_ns);
        }
        let Some(link) = &mut link else {
            // Dry-run without a key: nothing comes out of the core, and nothing could be done with it.
            requests.drain(&mut |_| {});
            std::thread::park_timeout(FEED_WAIT);
            continue;
        };
        let is_quiet = !spins && requests.ring.wait_begins();
        let wait = if is_quiet { ORDERS_WAIT } else { Duration::ZERO };
        let turned = link.turn(wait, clock, &mut requests, &mut producer);
        requests.ring.wait_ends();
        if let Err(error) = turned {
            stats.error(1, now_ns, format_args!("order entry: {error}"));
            break;
        }
        watch.look(link, now_ns, stats);
    }
    if let Some(link) = &mut link {
        link.stop();
        if let Err(error) = link.finish_recording() {
            stats.error(1, clock.now_ns(), format_args!("end of the recording: {error}"));
        }
    }
    if let Some(heartbeat) = heartbeat {
        heartbeat.set_state(ThreadState::Stopped, clock.now_ns());
    }
}

/// Looks at the order link now and then: tells changes of it in words, once each, and hands it a new key.
#[derive(Debug, Default)]
struct Watch {
    next_ns: u64,
    error: Option<String>,
    keys: Option<Receiver<NewKey>>,
}

impl Watch {
    fn look(&mut self, link: &mut OrderLink, now_ns: u64, stats: &StatsHandle) {
        if now_ns < self.next_ns {
            return;
        }
        self.next_ns = now_ns + WATCH_INTERVAL_NS;
        // Without its thread there is never another one.
        if let Some(Ok(key)) = self.keys.as_ref().map(Receiver::try_recv) {
            link.rekey(key, now_ns);
        }
        let status = link.status();
        if status.error != self.error {
            if let Some(error) = &status.error {
                stats.error(ERROR_ORDERS, now_ns, format_args!("order entry: {error}"));
            }
            self.error = status.error;
        }
    }
}

fn feed_link(
    connected: &Connected,
    wire: &WireSection,
    config: &Config,
    table: &InstrumentTable,
) -> anyhow::Result<FeedLink> {
    let section = &wire.feed;
    let mut settings = FeedLinkConfig::new(&connected.endpoints);
    settings.producer = FEED_SOURCE;
    let count = usize::try_from(section.connections).unwrap_or(1);
    // The same address again where the venue has only one: two connections fail less often at once.
    while settings.sources.len() < count {
        let mut again =
            settings.sources.first().cloned().context("a venue has a stream address")?;
        again.name = format!("copy-{}", settings.sources.len());
        settings.sources.push(again);
    }
    settings.sources.truncate(count);
    settings.policy = match (section.policy.as_str(), count) {
        (_, 1) | ("primary", _) => FeedPolicy::PrimaryOnly,
        ("failover", _) => FeedPolicy::Failover,
        _ => FeedPolicy::BetterOfAll,
    };
    settings.streams =
        [(Stream::Depth, true), (Stream::Trade, section.trades), (Stream::Quote, section.quotes)]
            .into_iter()
            .filter_map(|(stream, wanted)| wanted.then_some(stream))
            .collect();
    feed_times(&mut settings, section);
    settings.session.tls.clone_from(&connected.tls);
    settings.http.tls.clone_from(&connected.tls);
    settings.weight_windows = connected.info.windows(RateLimitKind::RequestWeight);
    settings.engine_buffer_event_count_max =
        usize::try_from(config.feed.depth_buffer_events).unwrap_or(usize::MAX);
    settings.gate.band_ppm = section.price_band_percent * 10_000;
    settings.seed = wire.local.seed;
    let mut link = FeedLink::new(settings, table).context("market data")?;
    if let Some(tap) = recording(section)? {
        link = link.with_tap(tap);
    }
    Ok(link)
}

/// Records every frame of a link, where that is wanted; each link has files of its own names.
fn recording(section: &WireFeedSection) -> anyhow::Result<Option<Box<dyn FrameTap>>> {
    let Some(dir) = &section.record_dir else { return Ok(None) };
    let recorder = SegmentRecorder::create(Path::new(dir), SegmentConfig::default())
        .with_context(|| format!("wire.feed.record_dir = \"{dir}\""))?;
    Ok(Some(Box::new(SegmentTap::new(recorder))))
}

fn feed_times(settings: &mut FeedLinkConfig, section: &WireFeedSection) {
    settings.session.backoff_ns_min = u64::from(section.reconnect_ms_min) * NS_PER_MS;
    settings.session.backoff_ns_max = u64::from(section.reconnect_ms_max) * NS_PER_MS;
    let mute_ns = u64::from(section.mute_ms_max) * NS_PER_MS;
    // A symbol may go without a trade for as long as it likes; its book and its best prices may not.
    settings.mute_ns_max = [mute_ns, 0, mute_ns];
    settings.connection_age_ns_max = u64::from(section.connection_age_s_max) * NS_PER_S;
    settings.snapshot_level_count = section.snapshot_levels;
}

fn orders_session(
    section: &WireOrdersSection,
    tls: Option<Arc<rustls::ClientConfig>>,
) -> SessionConfig {
    SessionConfig {
        tls,
        idle_ns_max: u64::from(section.mute_ms_max) * NS_PER_MS,
        backoff_ns_min: u64::from(section.reconnect_ms_min) * NS_PER_MS,
        backoff_ns_max: u64::from(section.reconnect_ms_max) * NS_PER_MS,
        ..SessionConfig::default()
    }
}

/// The WebSocket API and REST.
fn order_ends(endpoints: &Endpoints) -> anyhow::Result<(Endpoint, Endpoint)> {
    let rest = endpoints.rest.first().context("a venue has a REST address")?;
    Ok((Endpoint::resolve(&endpoints.ws_api)?, Endpoint::resolve_http(rest)?))
}

fn account(
    credentials: Credentials,
    engine: u8,
    info: &ExchangeInfo,
    table: &InstrumentTable,
) -> Account {
    let assets = |symbol: &str| {
        info.symbol(symbol).map(|info| (info.base_asset.clone(), info.quote_asset.clone()))
    };
    Account {
        engine,
        source: ORDERS_SOURCE,
        venue: Venue::BinanceSpot,
        listings: listings(Venue::BinanceSpot, table, assets),
        signer: credentials.signer,
        api_key: credentials.api_key,
    }
}

/// The venue's limits of requests and orders, as order entry counts them.
fn limits(info: &ExchangeInfo) -> Vec<(LimitKind, u64, u32)> {
    [(RateLimitKind::RequestWeight, LimitKind::Weight), (RateLimitKind::Orders, LimitKind::Orders)]
        .into_iter()
        .flat_map(|(listed, kind)| {
            let windows = info.windows(listed).into_iter();
            windows.map(move |(limit, window_ns)| {
                (kind, window_ns, u32::try_from(limit).unwrap_or(u32::MAX))
            })
        })
        .collect()
}

fn rules(section: &WireOrdersSection) -> anyhow::Result<Rules> {
    let ns = |ms: u32| u64::from(ms) * NS_PER_MS;
    let name = section.self_trade_prevention.as_str();
    let self_trade =
        [SelfTrade::None, SelfTrade::ExpireMaker, SelfTrade::ExpireTaker, SelfTrade::ExpireBoth]
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or_else(|| {
                anyhow!("wire.orders.self_trade_prevention = \"{name}\": no such mode")
            })?;
    Ok(Rules {
        recv_window_ns: ns(section.recv_window_ms),
        clock_error_ns_max: ns(section.clock_error_ms_max),
        settle_margin_ns: ns(section.settle_margin_ms),
        answer_ns_max: ns(section.request_ms_max),
        ping_ns_max: ns(section.mute_ms_max),
        offset_ns_max: ns(section.clock_offset_ms_max),
        ping_interval_ns: ns(section.clock_interval_ms).min(ns(section.mute_ms_max) / 3),
        renew_ns: u64::from(section.connection_age_s_max) * NS_PER_S,
        self_trade: Some(self_trade),
        ..Rules::default()
    })
}
