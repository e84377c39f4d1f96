//! The simulated exchange: the generated market and the paper venue on one thread of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use config::Config;
use engine::border::{InboundProducer, OutboundConsumer, Polled};
use engine::clock::Clock;
use engine::event::{Event, Kind, Mode};
use engine::pipeline::Pipeline;
use engine::pipeline::core_thread::BEAT_AGE_NS_MAX;
use engine::stats::{CounterId, Heartbeat, StatsHandle, ThreadState};
use paper::PaperVenue;
use synthetic::{SyntheticConfig, SyntheticInstrument, SyntheticMarket};

use super::world::Control;

/// `source` of market events.
pub(crate) const MARKET_SOURCE: u16 = 1;
/// `source` of reports of the paper venue.
pub(crate) const PAPER_SOURCE: u16 = 2;
/// Longest pause between two looks at the outbound ring.
const PAUSE: Duration = Duration::from_micros(200);
/// Reports that may wait for room in the inbound ring. More than orders can be open at once.
const REPORT_WAITING_MAX: usize = 1 << 16;

/// Market and venue, not yet running.
#[derive(Debug)]
pub(crate) struct Exchange {
    market: SyntheticMarket,
    venue: PaperVenue,
    reports: VecDeque<Event>,
    /// Events of one step of the market, published as one run.
    frame: Vec<Event>,
    time_ns: u64,
}

impl Exchange {
    /// A market that starts at the last known prices of `pipeline`, and a venue that has its open orders.
    pub(crate) fn new(
        config: &Config,
        origin: &str,
        mode: Mode,
        pipeline: &Pipeline,
        now_ns: u64,
    ) -> anyhow::Result<Exchange> {
        let market = market(config, origin, pipeline, now_ns)?;
        let mut venue = super::paper_venue(config, origin, mode)?;
        for order in pipeline.oms().open_orders() {
            let mut event = Event::new(Kind::SEND_NEW);
            event.instrument = order.instrument;
            event.price = order.price;
            event.quantity = order.quantity;
            event.id = order.id;
            event.code = order.terms;
            event.flags = order.flags;
            event.source = order.source;
            event.tag = order.tag;
            if !venue.restore(&event, order.filled) {
                eprintln!(
                    "order {:016x} was open and is not known to the venue any more",
                    order.id
                );
            }
        }
        let (reports, frame) = (VecDeque::with_capacity(1024), Vec::with_capacity(1024));
        Ok(Exchange { market, venue, reports, frame, time_ns: now_ns })
    }

    /// Runs until told to stop.
    pub(crate) fn run(
        mut self,
        control: &Arc<Control>,
        mut requests: OutboundConsumer,
        mut producer: InboundProducer,
        clock: &Clock,
        stats: &StatsHandle,
    ) {
        let heartbeat = stats.register_thread("market", BEAT_AGE_NS_MAX, None, clock.now_ns());
        while !control.stop.load(Ordering::Acquire) {
            let now_ns = clock.now_ns();
            beat(heartbeat.as_ref(), now_ns);
            let asked = self.take_requests(&mut requests, now_ns, stats);
            let moved = !control.quiet.load(Ordering::Acquire)
                && self.move_market(&mut producer, now_ns, stats);
            let reported = self.report(&mut producer, now_ns);
            if !(asked || moved || reported) {
                std::thread::park_timeout(PAUSE);
            }
        }
        if let Some(heartbeat) = heartbeat {
            heartbeat.set_state(ThreadState::Stopped, clock.now_ns());
        }
    }

    fn take_requests(
        &mut self,
        requests: &mut OutboundConsumer,
        now_ns: u64,
        stats: &StatsHandle,
    ) -> bool {
        let venue = &mut self.venue;
        match requests.poll(|request| venue.on_request(request, now_ns)) {
            Polled::Events(count) => {
                stats.add(CounterId::OutboundConsumed, count);
                true
            }
            Polled::Nothing | Polled::Closed => false,
        }
    }

    /// Everything in the market that is due, stamped with the time at which it is published.
    fn move_market(
        &mut self,
        producer: &mut InboundProducer,
        now_ns: u64,
        stats: &StatsHandle,
    ) -> bool {
        let mut moved = false;
        let (market, venue, frame) = (&mut self.market, &mut self.venue, &mut self.frame);
        let mut dropped = 0;
        while market.next_ns() <= now_ns {
            moved = true;
            frame.clear();
            market.step(&mut |mut event| {
                event.source = MARKET_SOURCE;
                event.time_ns = now_ns;
                venue.on_market(&event);
                frame.push(event);
            });
            dropped += frame.len() - producer.publish_market_run(frame);
        }
        if 0 < dropped {
            let count = u64::try_from(dropped).unwrap_or(u64::MAX);
            stats.add(CounterId::InboundDropped, count);
            stats.add(CounterId::InboundFull, 1);
        }
        moved
    }

    /// Reports that are due; what finds no room waits and goes first the next time.
    fn report(&mut self, producer: &mut InboundProducer, now_ns: u64) -> bool {
        self.time_ns = self.time_ns.max(now_ns);
        if self.reports.len() < REPORT_WAITING_MAX {
            let reports = &mut self.reports;
            self.venue.advance(self.time_ns, &mut |event| reports.push_back(event));
        }
        let mut reported = false;
        while let Some(report) = self.reports.front() {
            if producer.publish(&report.at(now_ns)).is_err() {
                break;
            }
            self.reports.pop_front();
            reported = true;
        }
        reported
    }
}

fn beat(heartbeat: Option<&Heartbeat>, now_ns: u64) {
    if let Some(heartbeat) = heartbeat {
        heartbeat.beat(now_ns);
    }
}

fn market(
    config: &Config,
    origin: &str,
    pipeline: &Pipeline,
    now_ns: u64,
) -> anyhow::Result<SyntheticMarket> {
    let table = pipeline.instruments();
    let mut instruments = Vec::new();
    for section in &config.market.instrument {
        let key = format!("{origin}: market.instrument {}", section.symbol);
        let index = table.find(&section.symbol).ok_or_else(|| anyhow!("{key}: unknown symbol"))?;
        let instrument = table.get(index).context("found in the table")?;
        let configured =
            section.price.scaled(instrument.price_scale).with_context(|| format!("{key}.price"))?;
        let last =
            pipeline.market().get(index).and_then(engine::market::InstrumentMarket::mark_twice);
        let quantity = section
            .level_quantity
            .scaled(instrument.quantity_scale)
            .with_context(|| format!("{key}.level_quantity"))?;
        instruments.push(SyntheticInstrument {
            index,
            price_start: last.map_or(configured, |twice| twice / 2),
            volatility_ppm: section.volatility_ppm,
            trades_per_second: section.trades_per_second,
            orders_per_second: section.orders_per_second,
            level_count: section.levels,
            level_quantity: quantity,
        });
    }
    // Every session has a market of its own, and the same sessions always have the same.
    let session = pipeline.oms().session();
    let settings = SyntheticConfig {
        seed: config.market.seed.wrapping_add(session),
        speed_percent: config.market.speed_percent,
        instruments,
        start_ns: now_ns,
    };
    SyntheticMarket::new(&settings, table).map_err(|error| anyhow!("{origin}: [market]: {error}"))
}
