//! The pipeline: the only room that sees two stages. It wires them and runs one event to completion.
//!
//! ```text
//!   inbound event
//!      |  1. gets its sequence and its place in the core ring
//!      v
//!   [ feed ] -> [ strategy ] -> [ control ] -> [ risk ] -> [ oms ] -> [ ledger ] -> [ monitor ] -> [ reconcile ] -> [ gateway ]
//!      ^                                                                                                  |
//!      +--- 2. every cursor runs until nothing new is left -----------------------------------------------+
//!      |
//!      |  3. every new slot, input and decision alike, is recorded (journal, or comparison in replay)
//!      v
//!   outbound events leave      4. only what the recorder has made durable
//! ```
//!
//! **Invariant:** what the engine does is a function of (configuration, inbound events), never of batch
//! size, thread timing, wall clock or map order.
//!
//! **Invariant:** after a fault nothing more is applied, recorded or released.

pub mod core_thread;
pub mod follower;
pub mod manifest;
pub mod probe;
pub mod recorder;
pub mod recovery;
pub mod replay;
#[cfg(test)]
mod tests;

use crate::control::{self, Chunk, Control, ControlConfig};
use crate::event::{Event, Kind, Mode, flags};
use crate::feed::{Feed, FeedConfig};
use crate::gateway::{Gateway, Outlet};
use crate::instrument::InstrumentTable;
use crate::ledger::Ledger;
use crate::market::Market;
use crate::monitor::{Monitor, MonitorConfig};
use crate::oms::{Oms, OmsConfig, OmsTimes};
use crate::reconcile::{Reconcile, ReconcileConfig};
use crate::ring::{Emitter, Ring};
use crate::risk::{Gate, LimitKey, Limits, Rule, UNLIMITED};
use crate::state::{LoadError, Loader, STATE_VERSION, Saver, State, mix, mix_event};
use crate::strategy::{Host, Strategy};

pub use probe::{Hop, NoProbe, Probe};
pub use recorder::{NoRecorder, Recorder};

/// Settings of one engine's core.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// Number of this engine, part of every order id.
    pub engine: u8,
    /// Dry-run withholds, every other mode sends.
    pub mode: Mode,
    /// Slots of the core ring (power of two): what one inbound event may lead to.
    pub ring_slot_count: usize,
    /// Feed stage.
    pub feed: FeedConfig,
    /// Risk limits.
    pub limits: Limits,
    /// Control stage.
    pub control: ControlConfig,
    /// Slots for orders (power of two).
    pub order_count_max: usize,
    /// Outbound events that may wait for the journal or the outbound ring.
    pub outbound_pending_max: usize,
    /// Event time between two queries for the orders whose fate is unknown.
    pub query_interval_ns: u64,
    /// Reconciler: which venues have a link, and how often they are compared.
    pub reconcile: ReconcileConfig,
    /// Post-trade monitor; its default is inactive.
    pub monitor: MonitorConfig,
    /// A state hash is recorded after this many inbound events (power of two).
    pub state_hash_interval: u64,
}

/// Why the core stopped. It stays stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// One inbound event led to more decisions than the core ring holds.
    #[error("the cascade of event {sequence} is longer than the core ring")]
    CascadeTooLong {
        /// The inbound event.
        sequence: u64,
    },
    /// More outbound events wait than the gateway has room for.
    #[error("the gateway has no room for outbound events at event {sequence}")]
    OutboundFull {
        /// The inbound event.
        sequence: u64,
    },
    /// The recorder refused a record; it knows why.
    #[error("record {sequence} could not be written")]
    NotRecorded {
        /// The record that was refused.
        sequence: u64,
    },
}

/// What the core needs from outside while it applies an event.
#[derive(Debug)]
pub struct Edges<'a, R, O, P> {
    /// Gets every record: the journal, or the comparison of a replay.
    pub recorder: &'a mut R,
    /// Gets the outbound events.
    pub outlet: &'a mut O,
    /// Measures; never an input.
    pub probe: &'a mut P,
}

const NS_PER_MS: u64 = 1_000_000;
/// Stages do not know each other: what control knows of the gate's codes is checked here, where both are seen.
const _: () = {
    assert!(control::RULE_REPEATED_EXECUTION == Rule::RepeatedExecution as u16);
    assert!(control::LIMIT_HOLD_TIME == LimitKey::HoldTime as u16);
    assert!(control::RULES_TOO_LARGE[0] == Rule::OrderQuantity as u16);
    assert!(control::RULES_TOO_LARGE[1] == Rule::OrderNotional as u16);
};

const STAGE_COUNT: usize = 9;

// Bits of the stages in `LISTENERS`, and their cursors' indices, in the order of the flow.
const FEED: usize = 0;
const HOST: usize = 1;
const CONTROL: usize = 2;
const GATE: usize = 3;
const OMS: usize = 4;
const LEDGER: usize = 5;
const MONITOR: usize = 6;
const RECONCILE: usize = 7;
const GATEWAY: usize = 8;

/// By code of the kind: which stages look at it. One load answers for all of them.
const LISTENERS: [u16; 256] = listeners();

const fn listeners() -> [u16; 256] {
    let interests = [
        Feed::INTEREST,
        Host::INTEREST,
        Control::INTEREST,
        Gate::INTEREST,
        Oms::INTEREST,
        Ledger::INTEREST,
        Monitor::INTEREST,
        Reconcile::INTEREST,
        Gateway::INTEREST,
    ];
    let mut table = [0; 256];
    let mut code = 0_u8;
    // The codes of a `KindSet` end at 127.
    while code < 128 {
        let mut stage = 0;
        while stage < STAGE_COUNT {
            if interests[stage].contains(Kind(code)) {
                table[code as usize] |= 1 << stage;
            }
            stage += 1;
        }
        code += 1;
    }
    table
}

/// Stages, market and core ring of one engine.
#[derive(Debug)]
pub struct Pipeline {
    ring: Ring,
    market: Market,
    feed: Feed,
    host: Host,
    control: Control,
    gate: Gate,
    oms: Oms,
    ledger: Ledger,
    monitor: Monitor,
    reconcile: Reconcile,
    gateway: Gateway,
    instruments: InstrumentTable,
    time_ns: u64,
    inbound_count: u64,
    rolling_hash: u64,
    state_hash_interval: u64,
    fault: Option<Fault>,
}

impl Pipeline {
    /// Wires the stages. Everything that will ever be allocated is allocated here.
    pub fn new(
        config: PipelineConfig,
        instruments: InstrumentTable,
        strategies: Vec<Box<dyn Strategy>>,
    ) -> Pipeline {
        assert!(config.state_hash_interval.is_power_of_two());
        let mut control = config.control.clone();
        tighten_hold(&mut control, &config.limits);
        let strategy_count = strategies.len();
        let oms = OmsConfig {
            engine: config.engine,
            orders_max: config.order_count_max,
            strategy_count,
            instruments: instruments.clone(),
            times: oms_times(&config),
        };
        let gateway = Gateway::new(config.mode == Mode::DryRun, config.outbound_pending_max);
        let has_links = !config.reconcile.venues.is_empty();
        Pipeline {
            ring: Ring::new(config.ring_slot_count, 0),
            market: Market::new(instruments.count()),
            feed: Feed::new(config.feed, &instruments),
            host: Host::new(strategies, instruments.clone()),
            control: Control::new(
                control,
                chunks(&config.limits, instruments.count()),
                instruments.clone(),
                strategy_count,
            ),
            gate: Gate::new(
                config.limits,
                instruments.clone(),
                strategy_count,
                config.order_count_max,
            ),
            oms: Oms::new(oms),
            ledger: Ledger::new(strategy_count, instruments.clone()),
            monitor: Monitor::new(config.monitor, instruments.clone(), strategy_count),
            reconcile: Reconcile::new(config.reconcile, instruments.clone()),
            gateway: if has_links { gateway.with_reads() } else { gateway },
            instruments,
            time_ns: 0,
            inbound_count: 0,
            rolling_hash: 0,
            state_hash_interval: config.state_hash_interval,
            fault: None,
        }
    }

    /// Applies one inbound event and everything that follows from it.
    #[inline]
    pub fn apply<R: Recorder, O: Outlet, P: Probe>(
        &mut self,
        inbound: &Event,
        edges: &mut Edges<'_, R, O, P>,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.time_ns = self.time_ns.max(inbound.time_ns);
        let event = self.ring.begin_at(inbound, self.time_ns);
        let sequence = event.sequence;
        self.inbound_count += 1;
        edges.probe.begin(sequence);
        self.run_cascade(&event, edges.probe);
        let is_hash_due = self.inbound_count & (self.state_hash_interval - 1) == 0;
        // Before the first session a replay has no pipeline yet that could decide the same; in the manifest of a later
        // one it still has that of the session before, whose configuration may be another.
        if is_hash_due && self.oms.session() != 0 && !manifest::is_part(&event) {
            self.push_state_hash(sequence);
        }
        let outcome = self.record(sequence, edges.recorder);
        edges.probe.mark(Hop::Journal);
        let outcome = outcome.and_then(|()| self.release(edges));
        edges.probe.end(sequence, inbound.time_ns);
        if let Err(fault) = outcome {
            self.fault = Some(fault);
        }
        outcome
    }

    /// Runs every stage until nothing new is left.
    #[inline]
    fn run_cascade<P: Probe>(&mut self, event: &Event, probe: &mut P) {
        let sequence = event.sequence;
        let listeners = LISTENERS[usize::from(event.kind.0)];
        if listeners & (1 << FEED) != 0 {
            let mut out = Emitter::new(&mut self.ring, event);
            self.feed.apply(event, &mut self.market, &mut out);
        }
        // Most events are levels inside a depth run: the feed takes them, nobody else would do anything.
        let others = listeners & !(1 << FEED);
        let is_over = others == 0 || (others == 1 << HOST && Host::passes_over(event));
        if is_over && self.ring.head() == sequence {
            probe.mark(Hop::Feed);
            return;
        }
        // A cursor stands on the last event that its stage has seen.
        let mut cursors = [sequence - 1; STAGE_COUNT];
        cursors[FEED] = sequence;
        loop {
            self.run_stages(&mut cursors, probe);
            // The feed's cursor stood at the head when the round began: it is behind as long as any
            // stage of that round added something, which the stages before that one have still to see.
            if cursors[FEED] != self.ring.head() {
                continue;
            }
            // A command is answered when everything that follows from it is known.
            let Some(command) = self.control.take_due() else { break };
            self.control.settle(&mut Emitter::new(&mut self.ring, &command));
        }
        debug_assert!(cursors.iter().all(|cursor| *cursor == self.ring.head()));
    }

    /// Every stage walks its cursor to the head once. What a later stage adds is seen in the next round.
    fn run_stages<P: Probe>(&mut self, cursors: &mut [u64; STAGE_COUNT], probe: &mut P) {
        // 1. Books and their quality.
        while let Some(event) = next(FEED, cursors, &self.ring) {
            let mut out = Emitter::new(&mut self.ring, &event);
            self.feed.apply(&event, &mut self.market, &mut out);
        }
        probe.mark(Hop::Feed);
        // 2. What the strategies want.
        while let Some(event) = next(HOST, cursors, &self.ring) {
            self.host.apply(&event, &self.market, &mut Emitter::new(&mut self.ring, &event));
        }
        probe.mark(Hop::Strategy);
        // 3. What operators command, what trips, what is closed by force.
        while let Some(event) = next(CONTROL, cursors, &self.ring) {
            let mut out = Emitter::new(&mut self.ring, &event);
            self.control.apply(&event, &self.market, &mut out);
        }
        // 4. Whether they may.
        while let Some(event) = next(GATE, cursors, &self.ring) {
            self.gate.apply(&event, &self.market, &mut Emitter::new(&mut self.ring, &event));
        }
        probe.mark(Hop::Risk);
        // 5. Orders and what became of them.
        while let Some(event) = next(OMS, cursors, &self.ring) {
            self.oms.apply(&event, &mut Emitter::new(&mut self.ring, &event));
        }
        // 6. Positions and money.
        while let Some(event) = next(LEDGER, cursors, &self.ring) {
            self.ledger.apply(&event, &mut Emitter::new(&mut self.ring, &event));
        }
        // 7. What it came to.
        while let Some(event) = next(MONITOR, cursors, &self.ring) {
            self.monitor.apply(&event, &self.market, &mut Emitter::new(&mut self.ring, &event));
        }
        // 8. Whether the venue agrees.
        while let Some(event) = next(RECONCILE, cursors, &self.ring) {
            self.reconcile.apply(&event, &mut Emitter::new(&mut self.ring, &event));
        }
        if let Some(event) = self.reconcile.take_due() {
            self.reconcile.settle(&mut Emitter::new(&mut self.ring, &event));
        }
        probe.mark(Hop::Oms);
        // 9. What leaves.
        while let Some(event) = next(GATEWAY, cursors, &self.ring) {
            self.gateway.apply(&event, &mut Emitter::new(&mut self.ring, &event));
        }
        probe.mark(Hop::Gateway);
    }

    #[cold]
    fn push_state_hash(&mut self, cause: u64) {
        let mut event = Event::new(Kind::STATE_HASH);
        event.price = self.rolling_hash.cast_signed();
        event.quantity = self.digest().cast_signed();
        event.id = self.inbound_count;
        event.flags = flags::LAST;
        let cause = *self.ring.get(cause);
        Emitter::new(&mut self.ring, &cause).emit(event);
    }

    #[inline]
    fn record<R: Recorder>(&mut self, sequence: u64, recorder: &mut R) -> Result<(), Fault> {
        if self.ring.overflowed() {
            return Err(Fault::CascadeTooLong { sequence });
        }
        for sequence in sequence..=self.ring.head() {
            let event = self.ring.get(sequence);
            if !recorder.record(event) {
                return Err(Fault::NotRecorded { sequence });
            }
            self.rolling_hash = mix_event(self.rolling_hash, event);
        }
        Ok(())
    }

    #[inline]
    fn release<R: Recorder, O: Outlet, P: Probe>(
        &mut self,
        edges: &mut Edges<'_, R, O, P>,
    ) -> Result<(), Fault> {
        if !self.gateway.has_pending() {
            return Ok(());
        }
        let before = self.gateway.released_count();
        let time_ns = self.gateway.pending_time_ns();
        let fault = Fault::OutboundFull { sequence: self.ring.head() };
        self.gateway.release(edges.recorder.durable(), edges.outlet).map_err(|_| fault)?;
        if before < self.gateway.released_count() {
            edges.probe.released(time_ns);
        }
        Ok(())
    }

    /// Tries again to release what waits for the journal or for room. To be called while idle.
    pub fn release_pending<R: Recorder, O: Outlet, P: Probe>(
        &mut self,
        edges: &mut Edges<'_, R, O, P>,
    ) -> Result<(), Fault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => self.release(edges),
        }
    }

    /// Hash of everything so far (inputs and decisions, in order) and of the present state.
    pub fn state_hash(&self) -> u64 {
        mix(self.rolling_hash, self.digest())
    }

    /// Hash of the present state alone.
    fn digest(&self) -> u64 {
        let mut hash = mix(self.time_ns, self.inbound_count);
        hash = mix(hash, self.market.digest());
        hash = mix(hash, self.feed.digest());
        hash = mix(hash, self.host.digest());
        hash = mix(hash, self.gate.digest());
        hash = mix(hash, self.oms.digest());
        hash = mix(hash, self.ledger.digest());
        // Journals of engines without them hold hashes without them.
        if self.reconcile.is_active() {
            hash = mix(hash, self.reconcile.digest());
        }
        if self.control.is_active() {
            hash = mix(hash, self.control.digest());
        }
        if self.monitor.is_active() {
            hash = mix(hash, self.monitor.digest());
        }
        hash
    }

    /// Sequence of the last record.
    pub fn head(&self) -> u64 {
        self.ring.head()
    }

    /// Event time, ns: the latest that any inbound event carried.
    pub fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// Inbound events applied so far.
    pub fn inbound_count(&self) -> u64 {
        self.inbound_count
    }

    /// The event at `sequence`, one of the last cascade.
    pub fn recent(&self, sequence: u64) -> &Event {
        self.ring.get(sequence)
    }

    /// Why the core stopped, if it did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Instruments.
    pub fn instruments(&self) -> &InstrumentTable {
        &self.instruments
    }

    /// Books and best prices.
    pub fn market(&self) -> &Market {
        &self.market
    }

    /// Feed stage, for its counters.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Strategies, for reports.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Breakers and kills, for reports.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Risk gate, for reports.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Orders, for reports.
    pub fn oms(&self) -> &Oms {
        &self.oms
    }

    /// Positions and money, for reports.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Post-trade monitor, for reports.
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Reconciler, for reports.
    pub fn reconcile(&self) -> &Reconcile {
        &self.reconcile
    }

    /// Gateway, for its counters.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }
}

/// What the gate lets pass of one order, for whoever closes positions in pieces.
fn chunks(limits: &Limits, instrument_count: usize) -> Vec<Option<Chunk>> {
    let mut chunks = vec![None; instrument_count];
    for (chunk, limits) in chunks.iter_mut().zip(&limits.instruments) {
        *chunk = limits.as_ref().map(|limits| Chunk {
            quantity_max: limits.order_quantity_max,
            notional_max: limits.order_notional_max.0,
            collar_bps: limits.collar_bps,
        });
    }
    chunks
}

/// The gate's limits tell how long positions may be held; whoever closes them is another stage.
fn tighten_hold(control: &mut ControlConfig, limits: &Limits) {
    for (index, own) in limits.controls.instruments.iter().enumerate() {
        let ms = own.limits.get(LimitKey::HoldTime);
        if let Some(ms) = u64::try_from(ms).ok().filter(|_| ms != UNLIMITED) {
            control.hold.tighten_instrument(index, ms.saturating_mul(NS_PER_MS));
        }
    }
}

fn oms_times(config: &PipelineConfig) -> OmsTimes {
    let has_links = !config.reconcile.venues.is_empty();
    OmsTimes {
        query_interval_ns: config.query_interval_ns,
        stale_order_ns: if has_links { config.reconcile.stale_order_ns } else { 0 },
        sweep_interval_ns: config.reconcile.sweep_interval_ns,
    }
}

/// The next event that `stage` looks at, and moves its cursor there; `None` when it stands at the head.
#[inline]
fn next(stage: usize, cursors: &mut [u64; STAGE_COUNT], ring: &Ring) -> Option<Event> {
    let mut cursor = cursors[stage];
    while cursor < ring.head() {
        cursor += 1;
        let event = ring.get(cursor);
        if LISTENERS[usize::from(event.kind.0)] & (1 << stage) != 0 {
            cursors[stage] = cursor;
            return Some(*event);
        }
    }
    cursors[stage] = cursor;
    None
}

impl State for Pipeline {
    /// Only between two inbound events, when every stage has seen everything.
    fn save(&self, out: &mut Saver) {
        out.u32(STATE_VERSION);
        out.u64(self.ring.head());
        out.u64(self.time_ns);
        out.u64(self.inbound_count);
        out.u64(self.rolling_hash);
        self.market.save(out);
        self.feed.save(out);
        self.host.save(out);
        self.control.save(out);
        self.gate.save(out);
        self.oms.save(out);
        self.ledger.save(out);
        self.monitor.save(out);
        self.reconcile.save(out);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        if from.u32()? != STATE_VERSION {
            return Err(from.invalid("version of the saved state"));
        }
        self.ring.restart_after(from.u64()?);
        self.time_ns = from.u64()?;
        self.inbound_count = from.u64()?;
        self.rolling_hash = from.u64()?;
        self.market.load(from)?;
        self.feed.load(from)?;
        self.host.load(from)?;
        self.control.load(from)?;
        self.gate.load(from)?;
        self.oms.load(from)?;
        self.ledger.load(from)?;
        self.monitor.load(from)?;
        self.reconcile.load(from)
    }
}
