//! An engine and a venue in one process, over real sockets of loopback, with times in milliseconds.
//!
//! ```text
//!   thread "venue": Venue <==REST, streams, WS API==> EngineSide: FeedLink, OrderLink, pipeline, journal
//!                     ^                                   ^
//!   faults, flow -----+---------------- Rig --------------+----- clocks, commands of a puppet
//! ```
//! The engine's side is turned by the test, so that a scenario says what happens between any two turns.
//!
//! **Invariant:** a rig never sleeps: it turns until something is so or a bound is reached, and says
//! what was missing.

pub mod check;
pub mod engine_side;
pub mod faults;
pub mod links;
mod look;
pub mod puppet;
pub mod runs;
pub mod storm;

use engine::clock::Clock;
use engine::event::order::ReportCode;
use engine::event::{CommandCode, Event, Kind, LockReason, OrderState, session};
use engine::pipeline::Pipeline;
use engine::pipeline::recovery::{self, RecoveryError};
use journal::RecoverError;
use tempfile::TempDir;
use venue::exchange::{FlowId, FlowKind, FlowOrder, Inspection};
use venue::fault::{Action, Fault, FaultId};
use venue::flow::FlowConfig;
use venue::money::ONE;
use venue::serve::{MarketConfig, RunningVenue, Venue, VenueConfig};
use venue::{AccountIndex, Side, SymbolIndex};

use crate::compose::Desk;
use crate::scratch;
use engine_side::EngineSide;
use links::LinkSettings;
use puppet::Move;

/// A millisecond.
pub const MS_NS: u64 = 1_000_000;
/// Time in which anything must have happened, however busy the machine is.
pub const BOUND_NS: u64 = 20_000 * MS_NS;
/// Between two changes of a market without participants.
const STIR_INTERVAL_NS: u64 = 4 * MS_NS;
/// Between two requests to cancel everything while a rig settles.
const CANCEL_INTERVAL_NS: u64 = 100 * MS_NS;

/// Where prices come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RigMarket {
    /// A thin book around fixed prices, stirred by the rig far away from them.
    Still,
    /// Generated participants, per cent of their usual pace.
    Generated {
        /// 100 is usual.
        speed_percent: u32,
    },
}

/// Who trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trader {
    /// Does what the scenario says.
    Puppet,
    /// Anything, so many times in a thousand changes of the market.
    Gambler {
        /// Per mille.
        eagerness: u64,
    },
}

/// What a rig is made of.
#[derive(Clone, Debug)]
pub struct RigConfig {
    /// Seed of market, faults, waits and gambler.
    pub seed: u64,
    /// Where prices come from.
    pub market: RigMarket,
    /// Who trades.
    pub trader: Trader,
    /// Links, with their times.
    pub links: LinkSettings,
    /// Changes the configuration of the engine.
    pub adjust: fn(&mut config::Config),
}

impl RigConfig {
    /// A puppet in a still market.
    pub fn puppet(seed: u64) -> RigConfig {
        RigConfig {
            seed,
            market: RigMarket::Still,
            trader: Trader::Puppet,
            links: LinkSettings::default(),
            adjust: |_| {},
        }
    }

    /// A gambler in a generated market.
    pub fn gambler(seed: u64) -> RigConfig {
        RigConfig {
            market: RigMarket::Generated { speed_percent: 300 },
            trader: Trader::Gambler { eagerness: 120 },
            ..RigConfig::puppet(seed)
        }
    }
}

/// Bid and ask of the still market, by symbol.
const STILL_PRICES: [[i64; 2]; 2] = [[61_780 * ONE, 61_801 * ONE], [2_680 * ONE, 2_681 * ONE]];

/// An engine, a venue and what happens to them.
#[derive(Debug)]
pub struct Rig {
    /// The venue, its faults and its truth.
    pub venue: RunningVenue,
    /// The engine with its links; `None` only between a death and the next start.
    pub side: Option<EngineSide>,
    /// Time of both.
    pub clock: Clock,
    /// Settings.
    pub config: RigConfig,
    desk: Desk,
    dir: TempDir,
    before: Inspection,
    /// Orders of the still market, by symbol: bid, ask, and the one that stirs.
    still: [[Option<FlowId>; 3]; 2],
    stir_ns: u64,
}

fn venue_config(config: &RigConfig) -> VenueConfig {
    let mut venue = VenueConfig::local(config.seed);
    let limits = &mut venue.exchange.limits;
    limits.orders_10s_max = 100_000;
    limits.weight_1m_max = 1_000_000;
    limits.raw_5m_max = 10_000_000;
    venue.streams.depth_fast_ns = 5 * MS_NS;
    for account in venue.exchange.accounts.iter_mut().take(1) {
        account.keys.push(links::ed25519_key());
    }
    match config.market {
        RigMarket::Still => venue.still(),
        RigMarket::Generated { speed_percent } => {
            let flow = FlowConfig { speed_percent, ..FlowConfig::usual(config.seed) };
            venue.market = MarketConfig::Generated(flow);
            venue
        }
    }
}

impl Rig {
    /// Starts venue and engine; links connect with the first turns.
    pub fn start(config: RigConfig) -> Rig {
        let venue = Venue::start(venue_config(&config)).expect("loopback takes a venue");
        let before = venue.handle.inspect().inspection;
        let desk = links::desk(&config);
        let dir = scratch::directory();
        let clock = Clock::new();
        let mut rig = Rig {
            venue,
            side: None,
            clock,
            config,
            desk,
            dir,
            before,
            still: [[None; 3]; 2],
            stir_ns: 0,
        };
        rig.stir();
        let side = EngineSide::start(
            &rig.config,
            &rig.desk,
            (rig.dir.path(), None),
            &rig.venue,
            &rig.clock,
        )
        .expect("an empty directory takes an engine");
        rig.side = Some(side);
        rig
    }

    /// The engine's side.
    pub fn engine(&self) -> &EngineSide {
        self.side.as_ref().expect("the engine lives")
    }

    /// The engine's side, to do things to it.
    pub fn engine_mut(&mut self) -> &mut EngineSide {
        self.side.as_mut().expect("the engine lives")
    }

    /// One turn of everything.
    pub fn turn(&mut self) {
        self.stir();
        let clock = self.clock.clone();
        self.engine_mut().turn(&clock);
    }

    /// Turns until `done` says so; what was waited for otherwise.
    pub fn until(
        &mut self,
        what: &str,
        bound_ns: u64,
        mut done: impl FnMut(&mut Rig) -> bool,
    ) -> Result<(), String> {
        let start_ns = self.clock.now_ns();
        loop {
            if done(self) {
                return Ok(());
            }
            if let Some(fault) = self.engine().pipeline.fault() {
                return Err(format!("{what}: the core stopped: {fault}"));
            }
            if bound_ns < self.clock.now_ns().saturating_sub(start_ns) {
                return Err(format!("{what}: not within {bound_ns} ns\n{}", self.describe()));
            }
            self.turn();
        }
    }

    /// Turns for so long.
    pub fn run_for(&mut self, span_ns: u64) -> Result<(), String> {
        let end_ns = self.clock.now_ns() + span_ns;
        self.until("time passes", span_ns + BOUND_NS, |rig| end_ns <= rig.clock.now_ns())
    }

    /// Turns until books are live and the venue is unlocked.
    pub fn until_ready(&mut self) -> Result<(), String> {
        self.until("links, books and lock", BOUND_NS, |rig| rig.is_ready())
    }

    /// Whether the engine may trade.
    pub fn is_ready(&self) -> bool {
        let side = self.engine();
        self.is_unlocked() && side.pipeline.market().iter().all(|(_, market)| market.is_live())
    }

    fn is_unlocked(&self) -> bool {
        let mut venues = self.engine().pipeline.reconcile().venues();
        venues.all(|venue| {
            venue.is_link_up && venue.lock == LockReason::None && venue.unknown_count == 0
        })
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) -> FaultId {
        self.venue.handle.add_fault(fault)
    }

    /// Lets something happen now.
    pub fn affect(&self, action: &Action) {
        self.venue.handle.affect(action);
    }

    /// Tells the puppet what to do.
    pub fn puppet(&mut self, what: Move) {
        let now_ns = self.clock.now_ns();
        self.engine_mut().clock_with(what, now_ns);
    }

    /// A command of the operator.
    pub fn command(&mut self, code: CommandCode) {
        let now_ns = self.clock.now_ns();
        self.engine_mut().apply(&session::command(code, 0).at(now_ns));
    }

    /// An order of a participant of the still market that takes what it can.
    pub fn take(&mut self, side: Side, price: i64, quantity: i64) -> i64 {
        let order = FlowOrder { side, price, quantity, kind: FlowKind::Ioc };
        self.venue.handle.with_exchange(|exchange, now_ns| {
            exchange.submit(SymbolIndex(0), &order, now_ns).filled
        })
    }

    /// Keeps the still market where it is, and moving.
    fn stir(&mut self) {
        let now_ns = self.clock.now_ns();
        if self.config.market != RigMarket::Still || now_ns < self.stir_ns {
            return;
        }
        self.stir_ns = now_ns + STIR_INTERVAL_NS;
        let mut still = self.still;
        self.venue.handle.with_exchange(|exchange, now_ns| {
            for (symbol, (still, [bid, ask])) in still.iter_mut().zip(STILL_PRICES).enumerate() {
                let symbol = SymbolIndex(symbol);
                let rows = [(Side::Buy, bid), (Side::Sell, ask)];
                for (place, (side, price)) in still.iter_mut().zip(rows) {
                    if place.is_none_or(|id| exchange.flow_remaining(id) < 10 * ONE) {
                        let (quantity, kind) = (50 * ONE, FlowKind::Limit);
                        let order = FlowOrder { side, price, quantity, kind };
                        *place = exchange.submit(symbol, &order, now_ns).id;
                    }
                }
                let gone = still[2].take().is_some_and(|id| exchange.cancel_flow(id, now_ns));
                if !gone {
                    let (side, price) = (Side::Buy, bid / 100 * 97);
                    let (quantity, kind) = (ONE, FlowKind::Limit);
                    let order = FlowOrder { side, price, quantity, kind };
                    still[2] = exchange.submit(symbol, &order, now_ns).id;
                }
            }
        });
        self.still = still;
    }

    /// Id and state of the newest order of the engine.
    pub fn newest(&self) -> Option<(u64, OrderState)> {
        let orders = self.engine().pipeline.oms().orders().filter(|order| order.id != 0);
        orders.map(|order| (order.id, order.state)).max_by_key(|(id, _)| *id)
    }

    /// State of the newest order.
    pub fn newest_state(&self) -> Option<OrderState> {
        self.newest().map(|(_, state)| state)
    }

    /// Orders of the engine's account that the venue ever took.
    pub fn venue_order_count(&self) -> usize {
        let view = self.venue.handle.inspect().inspection;
        view.orders.iter().filter(|order| order.account == AccountIndex(0)).count()
    }

    /// How often a report of that code was heard.
    pub fn report_count(&self, code: ReportCode) -> usize {
        let wanted = |event: &&Event| event.kind == Kind::REPORT && event.code == code as u16;
        self.engine().kept().iter().filter(wanted).count()
    }

    /// The engine dies as of kill -9 and is started again from its journal.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        self.revive()
    }

    /// The engine dies as of kill -9: nothing is closed, what was on its way inside is gone.
    pub fn kill(&mut self) {
        let side = self.side.take().expect("the engine lives");
        side.die();
    }

    /// Starts it again from its journal.
    pub fn revive(&mut self) -> Result<(), String> {
        let (dir, desk) = (self.dir.path(), &self.desk);
        let start_ns = self.clock.now_ns();
        let recovered = loop {
            match recovery::recover(dir, &mut |manifest| desk.build(manifest)) {
                Ok(recovered) => break recovered,
                // The helper thread of the dead writer still lives in this process, for a moment.
                Err(RecoveryError::Journal(RecoverError::Locked(_)))
                    if self.clock.now_ns() - start_ns < BOUND_NS =>
                {
                    std::thread::yield_now();
                }
                Err(error) => return Err(format!("recovery: {error}")),
            }
        };
        let place = (dir, Some(recovered));
        let side = EngineSide::start(&self.config, desk, place, &self.venue, &self.clock)?;
        self.side = Some(side);
        Ok(())
    }

    /// Faults end.
    pub fn calm(&self) {
        self.venue.handle.clear_faults();
        self.affect(&Action::Clock { offset_ms: 0 });
    }

    /// Faults end, the strategies stop, everything calms down.
    pub fn settle(&mut self) -> Result<(), String> {
        self.calm();
        self.command(CommandCode::Stop);
        let mut next_ns = self.clock.now_ns() + CANCEL_INTERVAL_NS;
        self.until("no order is open and the venue is unlocked", BOUND_NS, |rig| {
            let now_ns = rig.clock.now_ns();
            if next_ns <= now_ns && 0 < rig.engine().pipeline.oms().open_count() {
                next_ns = now_ns + CANCEL_INTERVAL_NS;
                rig.command(CommandCode::CancelAll);
            }
            rig.is_unlocked() && rig.engine().pipeline.oms().open_count() == 0
        })?;
        // Whatever is still on its way is told before a pull that begins now has ended.
        let pull = self.pull_number();
        self.until("one more comparison", BOUND_NS, |rig| {
            pull + 1 < rig.pull_number() && rig.is_unlocked()
        })
    }

    /// Number of the newest pull.
    pub fn pull_number(&self) -> u64 {
        self.engine().pipeline.reconcile().venues().map(|venue| venue.pull).max().unwrap_or(0)
    }

    /// Settles and ends the session.
    pub fn end(mut self) -> Result<Ended, String> {
        self.settle()?;
        let side = self.side.take().expect("the engine lives");
        let (pipeline, counters) = side.end(self.clock.now_ns())?;
        let view = self.venue.handle.inspect();
        Ok(Ended {
            events: scratch::events_of(self.dir.path()),
            pipeline,
            before: self.before,
            after: view.inspection,
            fault_count: view.fault_count,
            unknown_count: counters.unknowns,
            desk: self.desk,
        })
    }

    /// Settles, ends the session and proves that engine, venue and journal say the same.
    pub fn finish(self) -> Result<check::Summary, String> {
        self.end()?.prove()
    }

    /// What a failed wait is explained with.
    pub fn describe(&self) -> String {
        let side = self.engine();
        let venues: Vec<_> = side.pipeline.reconcile().venues().collect();
        let open: Vec<_> = side.pipeline.oms().open_orders().collect();
        format!(
            "seed {}\nreconcile {venues:?}\nopen {open:?}\norders link {:?}\nfeed link {:?}\n{}",
            self.config.seed,
            side.orders.status(),
            side.feed.status(),
            check::story(side.kept(), &self.venue.handle.inspect().inspection)
        )
    }
}

/// A rig that came to its end.
#[derive(Debug)]
pub struct Ended {
    /// The whole journal.
    pub events: Vec<Event>,
    /// The engine.
    pub pipeline: Pipeline,
    /// The venue's accounts at the beginning.
    pub before: Inspection,
    /// And now.
    pub after: Inspection,
    fault_count: u64,
    unknown_count: u64,
    desk: Desk,
}

impl Ended {
    /// Proves that engine, venue and journal say the same.
    pub fn prove(&self) -> Result<check::Summary, String> {
        let Ended { events, pipeline, before, after, .. } = self;
        let given = check::Given { events, pipeline, before, after };
        let summary = check::check(&given)
            .map_err(|what| format!("{what}\n{}", check::story(events, after)))?;
        let replayed = scratch::replay(events, &self.desk).map_err(|error| error.to_string())?;
        if replayed.pipeline.state_hash() != pipeline.state_hash() {
            return Err("the replay of the journal has another state hash".to_string());
        }
        let (fault_count, unknown_count) = (self.fault_count, self.unknown_count);
        Ok(check::Summary { unknown_count, fault_count, ..summary })
    }
}
