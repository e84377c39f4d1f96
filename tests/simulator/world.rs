//! A world: an engine, its market, its venue, its clock, driven by one thread in event time.

use std::collections::VecDeque;

use engine::event::{CommandCode, Event, Kind, session};
use engine::gateway::Outlet;
use engine::market::InstrumentMarket;
use engine::pipeline::{Edges, Fault, NoProbe, Pipeline, Recorder};
use paper::{PaperConfig, PaperVenue};
use synthetic::{SyntheticConfig, SyntheticInstrument, SyntheticMarket};

use crate::compose::Desk;
use crate::trouble::{Line, Troubles};

/// `source` of market events, as in the product.
pub const MARKET_SOURCE: u16 = 1;
/// `source` of reports, as in the product.
pub const PAPER_SOURCE: u16 = 2;
/// When a world begins: 2026-01-01 in ns since the epoch.
pub const START_NS: u64 = 1_767_225_600_000_000_000;

/// Looks at what one inbound event led to.
pub trait Observer {
    /// `cascade` is the inbound event and everything that followed from it; `outbound` what left.
    fn after(&mut self, pipeline: &Pipeline, cascade: &[Event], outbound: &[Event]);
}

/// Looks at nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Observer for Nobody {
    fn after(&mut self, _pipeline: &Pipeline, _cascade: &[Event], _outbound: &[Event]) {}
}

/// Keeps the last cascade beside the real recorder.
#[derive(Debug)]
pub struct Tap<R> {
    /// The real one.
    pub inner: R,
    cascade: Vec<Event>,
}

impl<R: Recorder> Recorder for Tap<R> {
    #[inline]
    fn record(&mut self, event: &Event) -> bool {
        self.cascade.push(*event);
        self.inner.record(event)
    }

    #[inline]
    fn durable(&self) -> u64 {
        self.inner.durable()
    }
}

/// What left and did not reach the venue yet.
#[derive(Debug)]
struct Outbox {
    events: Vec<Event>,
}

impl Outlet for Outbox {
    #[inline]
    fn offer(&mut self, event: &Event) -> bool {
        self.events.push(*event);
        true
    }
}

/// Settings of a world besides its desk.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorldSettings {
    /// What happens to reports.
    pub troubles: Troubles,
    /// Whether the world keeps every inbound event.
    pub keeps_script: bool,
    /// Orders refused by chance, per million.
    pub reject_per_million: u32,
}

/// An engine and everything around it.
#[derive(Debug)]
pub struct World<R> {
    /// The engine.
    pub pipeline: Pipeline,
    /// Where its records go.
    pub recorder: Tap<R>,
    /// Every inbound event so far, if the world was told to keep them.
    pub script: Vec<Event>,
    /// The venue.
    pub venue: PaperVenue,
    settings: WorldSettings,
    market: SyntheticMarket,
    line: Line,
    outbox: Outbox,
    pending: VecDeque<Event>,
    clock_interval_ns: u64,
    next_clock_ns: u64,
    time_ns: u64,
}

impl<R: Recorder> World<R> {
    /// A world of `desk`; `pipeline` is the desk's engine, new or brought back.
    pub fn new(desk: &Desk, pipeline: Pipeline, recorder: R, settings: WorldSettings) -> World<R> {
        let start_ns = START_NS.max(pipeline.time_ns());
        let interval_ns = u64::from(desk.config.engine.clock_interval_ms) * 1_000_000;
        let market = market(desk, &pipeline, start_ns);
        World {
            recorder: Tap { inner: recorder, cascade: Vec::with_capacity(8192) },
            script: Vec::new(),
            venue: venue(desk, &pipeline, settings.reject_per_million),
            market,
            line: Line::new(settings.troubles, desk.config.market.seed ^ 0x7472_6f75),
            outbox: Outbox { events: Vec::with_capacity(4096) },
            pending: VecDeque::with_capacity(4096),
            clock_interval_ns: interval_ns,
            next_clock_ns: start_ns + interval_ns,
            time_ns: start_ns,
            pipeline,
            settings,
        }
    }

    /// Applies one inbound event; what it sends out is on its way to the venue afterwards.
    pub fn apply(&mut self, event: &Event, observer: &mut impl Observer) -> Result<(), Fault> {
        self.recorder.cascade.clear();
        if self.settings.keeps_script {
            self.script.push(*event);
        }
        let mut edges =
            Edges { recorder: &mut self.recorder, outlet: &mut self.outbox, probe: &mut NoProbe };
        self.pipeline.apply(event, &mut edges)?;
        observer.after(&self.pipeline, &self.recorder.cascade, &self.outbox.events);
        self.deliver();
        Ok(())
    }

    fn deliver(&mut self) {
        for request in self.outbox.events.drain(..) {
            self.venue.on_request(&request, self.time_ns);
        }
    }

    /// Lets what waits for the journal go, if it may. Returns what left.
    pub fn release_pending(&mut self) -> Result<Vec<Event>, Fault> {
        let mut edges =
            Edges { recorder: &mut self.recorder, outlet: &mut self.outbox, probe: &mut NoProbe };
        self.pipeline.release_pending(&mut edges)?;
        let left = self.outbox.events.clone();
        self.deliver();
        Ok(left)
    }

    /// The manifest and the start of session number `session`.
    pub fn start(
        &mut self,
        desk: &Desk,
        session: u64,
        observer: &mut impl Observer,
    ) -> Result<(), Fault> {
        for event in desk.manifest(session).to_events() {
            self.apply(&event.at(self.time_ns), observer)?;
        }
        Ok(())
    }

    /// The next thing that happens.
    pub fn step(&mut self, observer: &mut impl Observer) -> Result<(), Fault> {
        let report_ns = self.venue.next_due_ns().unwrap_or(u64::MAX);
        let market_ns = self.market.next_ns();
        let next_ns = report_ns.min(market_ns).min(self.next_clock_ns);
        self.time_ns = self.time_ns.max(next_ns);
        if report_ns == next_ns {
            let (line, pending) = (&mut self.line, &mut self.pending);
            self.venue.advance(self.time_ns, &mut |event| {
                line.carry(&event, &mut |event| pending.push_back(event));
            });
        } else if market_ns == next_ns {
            let (pending, time_ns) = (&mut self.pending, self.time_ns);
            self.market.step(&mut |mut event| {
                event.source = MARKET_SOURCE;
                pending.push_back(event.at(time_ns));
            });
        } else {
            self.next_clock_ns += self.clock_interval_ns;
            self.pending.push_back(session::clock().at(self.time_ns));
        }
        while let Some(event) = self.pending.pop_front() {
            if event.source == MARKET_SOURCE {
                self.venue.on_market(&event);
            }
            self.apply(&event, observer)?;
        }
        Ok(())
    }

    /// Goes on until the engine has heard `count` more events.
    pub fn run(&mut self, count: u64, observer: &mut impl Observer) -> Result<(), Fault> {
        let until = self.pipeline.inbound_count() + count;
        while self.pipeline.inbound_count() < until {
            self.step(observer)?;
        }
        Ok(())
    }

    /// An operator's command.
    pub fn command(
        &mut self,
        code: CommandCode,
        target: u32,
        observer: &mut impl Observer,
    ) -> Result<(), Fault> {
        self.apply(&session::command(code, target).at(self.time_ns), observer)
    }

    /// Ends the session in order: stop, wait a simulated while for cancels, session end.
    pub fn end(&mut self, session: u64, observer: &mut impl Observer) -> Result<(), Fault> {
        self.command(CommandCode::Stop, 0, observer)?;
        for _ in 0..2_000 {
            if self.pipeline.oms().open_count() == 0 {
                break;
            }
            self.step(observer)?;
        }
        self.apply(&session::session_end(session).at(self.time_ns), observer)
    }

    /// Event time of the world.
    pub fn time_ns(&self) -> u64 {
        self.time_ns
    }
}

/// The market of a desk; it goes on where the engine saw it last.
pub fn market(desk: &Desk, pipeline: &Pipeline, start_ns: u64) -> SyntheticMarket {
    let table = pipeline.instruments();
    let instruments = desk.config.market.instrument.iter().map(|section| {
        let index = table.find(&section.symbol).expect("the market trades known symbols");
        let instrument = table.get(index).expect("just found");
        let last = pipeline.market().get(index).and_then(InstrumentMarket::mark_twice);
        let configured = section.price.scaled(instrument.price_scale).expect("a valid price");
        SyntheticInstrument {
            index,
            price_start: last.map_or(configured, |twice| twice / 2),
            volatility_ppm: section.volatility_ppm,
            trades_per_second: section.trades_per_second,
            orders_per_second: section.orders_per_second,
            level_count: section.levels,
            level_quantity: section
                .level_quantity
                .scaled(instrument.quantity_scale)
                .expect("a valid quantity"),
        }
    });
    let settings = SyntheticConfig {
        seed: desk.config.market.seed.wrapping_add(pipeline.oms().session()),
        speed_percent: desk.config.market.speed_percent,
        instruments: instruments.collect(),
        start_ns,
    };
    SyntheticMarket::new(&settings, table).expect("the desk's market is valid")
}

/// The venue of a desk, with the orders that the engine believes to be open.
fn venue(desk: &Desk, pipeline: &Pipeline, reject_per_million: u32) -> PaperVenue {
    let paper = &desk.config.paper;
    let settings = PaperConfig {
        seed: paper.seed,
        latency_out_ns: u64::from(paper.latency_out_us) * 1_000,
        latency_in_ns: u64::from(paper.latency_in_us) * 1_000,
        latency_jitter_ns: u64::from(paper.latency_jitter_us) * 1_000,
        reject_per_million,
        source: PAPER_SOURCE,
        ..PaperConfig::default()
    };
    let mut venue =
        PaperVenue::new(settings, desk.table(), desk.mode()).expect("no scenario is live");
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
        venue.restore(&event, order.filled);
    }
    venue
}
