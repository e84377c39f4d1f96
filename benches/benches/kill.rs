//! A kill with 1,000 open orders: from the command to entries blocked, and to the last cancel handed out.
//!
//! `cargo bench -p benches --bench kill [-- --rounds N]`. One thread, journaled; p50, p99, p99.9 of the rounds. The
//! floor walks 1,000 orders and copies 1,000 events into a ring and out of it, which is the least that cancelling
//! them can be.

#![expect(clippy::print_stdout, reason = "a report for people")]

use std::hint::black_box;
use std::path::Path;

use anyhow::ensure;
use benches::{argument, desk, is_measuring, rig};
use engine::event::market::{DepthIds, depth, level};
use engine::event::order::{ReportCode, report};
use engine::event::session::{clock, command, session_start};
use engine::event::{BreakerState, CommandCode, Event, Kind, Mode, OrderTerms, Scope, Side};
use engine::gateway::Outlet;
use engine::instrument::InstrumentIndex;
use engine::pipeline::recorder::JournalRecorder;
use engine::pipeline::{Edges, Hop, Pipeline, Probe};
use engine::state::{LoadError, Loader, Saver, State};
use engine::strategy::{Intents, MarketChange, OrderIntent, OrderUpdate, Strategy, View};
use hdrhistogram::Histogram;
use quanta::Clock;

const ORDER_COUNT: usize = 1_000;
/// A strategy may want so many things with one call.
const ORDERS_A_CLOCK: usize = 50;
const MS_NS: u64 = 1_000_000;

/// Rests so many orders with each clock until there are enough.
#[derive(Debug)]
struct Layers {
    wanted: usize,
}

impl State for Layers {
    fn save(&self, _out: &mut Saver) {}

    fn load(&mut self, _from: &mut Loader<'_>) -> Result<(), LoadError> {
        Ok(())
    }
}

impl Strategy for Layers {
    fn name(&self) -> &'static str {
        "layers"
    }

    fn instruments(&self) -> &[InstrumentIndex] {
        &[]
    }

    fn on_market(
        &mut self,
        _view: &View<'_>,
        _instrument: InstrumentIndex,
        _change: MarketChange,
        _intents: &mut Intents,
    ) {
    }

    fn on_order(&mut self, _view: &View<'_>, update: &OrderUpdate, _intents: &mut Intents) {
        if let OrderUpdate::State { state, .. } = update
            && state.is_terminal()
        {
            self.wanted += 1;
        }
    }

    fn on_clock(&mut self, _view: &View<'_>, intents: &mut Intents) {
        for place in 0..self.wanted.min(ORDERS_A_CLOCK) {
            self.wanted -= 1;
            let step = i64::try_from(self.wanted % 400).unwrap_or(0);
            intents.order(&OrderIntent {
                instrument: u16::try_from(place % 4).unwrap_or(0),
                side: Side::Buy,
                price: 99_000 - step,
                quantity: 10,
                terms: OrderTerms::LIMIT_GTC,
                post_only: true,
                reduce_only: false,
                tag: 1,
            });
        }
    }
}

/// Hands out cancels and remembers when the last one went.
struct Stamped {
    clock: Clock,
    sent: Vec<Event>,
    last_raw: u64,
}

impl Outlet for Stamped {
    #[inline]
    fn offer(&mut self, event: &Event) -> bool {
        self.sent.push(*event);
        if event.kind == Kind::SEND_CANCEL {
            self.last_raw = self.clock.raw();
        }
        true
    }
}

/// When the gate had heard of everything that the first round of stages said: entries are blocked.
struct Blocked {
    clock: Clock,
    raw: u64,
}

impl Probe for Blocked {
    fn begin(&mut self, _sequence: u64) {
        self.raw = 0;
    }

    #[inline]
    fn mark(&mut self, hop: Hop) {
        if hop == Hop::Risk && self.raw == 0 {
            self.raw = self.clock.raw();
        }
    }

    fn released(&mut self, _time_ns: u64) {}
    fn end(&mut self, _sequence: u64, _time_ns: u64) {}
}

struct Bench {
    pipeline: Pipeline,
    recorder: JournalRecorder,
    outlet: Stamped,
    probe: Blocked,
    clock: Clock,
    time_ns: u64,
}

impl Bench {
    fn new(dir: &Path, rounds: u64) -> anyhow::Result<Bench> {
        let clock = Clock::new();
        let layers = Layers { wanted: ORDER_COUNT };
        let config = desk::config(desk::limits());
        let pipeline = Pipeline::new(config, desk::instruments(), vec![Box::new(layers)]);
        let records = rounds * u64::try_from(ORDER_COUNT)? * 16;
        let mut bench = Bench {
            pipeline,
            recorder: rig::journal(dir, records)?,
            outlet: Stamped { clock: clock.clone(), sent: Vec::with_capacity(8_192), last_raw: 0 },
            probe: Blocked { clock: clock.clone(), raw: 0 },
            clock,
            time_ns: 1_000_000 * MS_NS,
        };
        bench.hear(session_start(1, Mode::Paper))?;
        Ok(bench)
    }

    fn hear(&mut self, event: Event) -> anyhow::Result<()> {
        self.time_ns += 1;
        let mut edges = Edges {
            recorder: &mut self.recorder,
            outlet: &mut self.outlet,
            probe: &mut self.probe,
        };
        self.pipeline.apply(&event.at(self.time_ns), &mut edges)?;
        Ok(())
    }

    /// A thousand orders rest.
    fn fill_up(&mut self) -> anyhow::Result<()> {
        self.time_ns += 2_000 * MS_NS;
        for index in 0..desk::INSTRUMENT_COUNT {
            let ids = DepthIds { first: 1, last: 1, previous: DepthIds::NO_PREVIOUS };
            self.hear(depth(index, ids, 2, true))?;
            self.hear(level(index, Side::Buy, 99_999, 10_000, false))?;
            self.hear(level(index, Side::Sell, 100_001, 10_000, true))?;
        }
        for _ in 0..ORDER_COUNT / ORDERS_A_CLOCK {
            self.outlet.sent.clear();
            self.hear(clock())?;
            for at in 0..self.outlet.sent.len() {
                let sent = self.outlet.sent[at];
                self.hear(report(sent.instrument, sent.id, ReportCode::Acked, 0))?;
            }
        }
        ensure!(self.pipeline.oms().open_count() == ORDER_COUNT, "a thousand orders rest");
        Ok(())
    }

    /// Kills; ns to blocked, and to the last cancel. Then everything is as before.
    fn round(&mut self) -> anyhow::Result<(u64, u64)> {
        self.fill_up()?;
        self.outlet.sent.clear();
        let mut kill = command(CommandCode::Kill, Scope::All.tag());
        (kill.source, kill.id, kill.quantity) = (1, self.time_ns, 1);
        let start = self.clock.raw();
        self.hear(kill)?;
        let (blocked, last) = (self.probe.raw, self.outlet.last_raw);
        let cancels = self.outlet.sent.iter().filter(|sent| sent.kind == Kind::SEND_CANCEL);
        ensure!(cancels.count() == ORDER_COUNT, "every order was asked to be cancelled");
        let state = self.pipeline.control().state();
        ensure!(state == BreakerState::Killed);
        for at in 0..self.outlet.sent.len() {
            let sent = self.outlet.sent[at];
            self.hear(report(sent.instrument, sent.id, ReportCode::Cancelled, 0))?;
        }
        let mut rearm = command(CommandCode::Rearm, Scope::All.tag());
        (rearm.source, rearm.id) = (1, self.time_ns);
        rearm.price = self.pipeline.control().last_trip().trip.cast_signed();
        self.hear(rearm)?;
        ensure!(
            self.pipeline.control().state() == BreakerState::Normal,
            "done, so it may be rearmed"
        );
        let ns = |raw| self.clock.delta_as_nanos(start, raw);
        Ok((ns(blocked), ns(last)))
    }
}

/// Walks a thousand orders and copies a thousand events in and out; ns.
fn floor(clock: &Clock, orders: &[[u64; 12]], ring: &mut [Event], out: &mut Vec<Event>) -> u64 {
    out.clear();
    let start = clock.raw();
    for (order, slot) in orders.iter().zip(ring.iter_mut()) {
        let mut event = Event::new(Kind::SEND_CANCEL);
        event.id = black_box(order)[0];
        *slot = event;
    }
    out.extend_from_slice(black_box(ring));
    black_box(out);
    clock.delta_as_nanos(start, clock.raw())
}

fn print(name: &str, histogram: &Histogram<u64>) {
    let at = |quantile: u64| histogram.value_at_percentile_ppm(quantile);
    println!(
        "{name:>12}: p50 {:>9} ns, p99 {:>9} ns, p99.9 {:>9} ns, max {:>9} ns",
        at(500_000),
        at(990_000),
        at(999_000),
        histogram.max()
    );
}

/// Percentiles without floats.
trait Ppm {
    fn value_at_percentile_ppm(&self, ppm: u64) -> u64;
}

impl Ppm for Histogram<u64> {
    fn value_at_percentile_ppm(&self, ppm: u64) -> u64 {
        let wanted = (self.len() * ppm).div_ceil(1_000_000).max(1);
        let mut seen = 0;
        for bar in self.iter_recorded() {
            seen += bar.count_since_last_iteration();
            if wanted <= seen {
                return bar.value_iterated_to();
            }
        }
        self.max()
    }
}

fn main() -> anyhow::Result<()> {
    let rounds = argument("--rounds").map_or(Ok(1_000), |text| text.parse())?;
    let rounds: u64 = if is_measuring() { rounds } else { 3 };
    let dir = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let mut bench = Bench::new(dir.path(), rounds.min(64))?;
    let histogram = || Histogram::<u64>::new(3);
    let (mut blocked, mut last, mut least) = (histogram()?, histogram()?, histogram()?);
    let orders = vec![[1_u64; 12]; ORDER_COUNT];
    let mut ring = vec![Event::new(Kind::CLOCK); ORDER_COUNT];
    let mut out = Vec::with_capacity(ORDER_COUNT);
    for _ in 0..rounds {
        let (first, second) = bench.round()?;
        blocked.record(first)?;
        last.record(second)?;
        least.record(floor(&bench.clock, &orders, &mut ring, &mut out))?;
    }
    println!(
        "{rounds} kills, {ORDER_COUNT} open orders each, journaled (level process), one thread"
    );
    print("blocked", &blocked);
    print("last cancel", &last);
    print("floor", &least);
    Ok(())
}
