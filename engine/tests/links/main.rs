//! The whole pipeline against a venue behind a bad line: at the end, orders, fills, positions and
//! balances are equal, nothing was sent twice, and the journal replays to the same bytes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod gambler;
mod heal;
mod venue;

use engine::event::market::{DepthIds, depth, level};
use engine::event::session::{clock, session_start};
use engine::event::{Event, Kind, LinkCode, Mode, OrderState, Side, link};
use engine::feed::FeedConfig;
use engine::gateway::{NoOutlet, Outlet};
use engine::instrument::{Instrument, InstrumentTable};
use engine::money::Money;
use engine::pipeline::recorder::MemoryRecorder;
use engine::pipeline::{Edges, NoProbe, Pipeline, PipelineConfig, replay};
use engine::reconcile::ReconcileConfig;
use engine::risk::{AccountLimits, InstrumentLimits, Limits};
use engine::state::{Loader, Saver, State, mix};

use gambler::Gambler;
use venue::{Faults, VENUE, World};

const MS_NS: u64 = 1_000_000;
const ACTION_COUNT: u64 = 120;

fn table() -> InstrumentTable {
    InstrumentTable::new(vec![Instrument {
        venue: VENUE,
        symbol: "BTCUSDT".to_string(),
        price_scale: 2,
        quantity_scale: 5,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }])
    .unwrap()
}

fn limits() -> Limits {
    let money = |amount: i128| Money(amount * Money::ONE.0);
    let instrument = InstrumentLimits {
        order_quantity_max: 1_000,
        order_notional_max: money(1_000),
        position_quantity_max: 1_000_000,
        position_notional_max: money(1_000_000),
        collar_bps: 500,
        passive_bps: 500,
        reference_age_ns_max: 10_000_000_000,
        restricted: false,
    };
    let account = AccountLimits {
        order_rate_count_max: 1_000,
        order_rate_window_ns: 1_000,
        orders_open_max: 64,
        loss_daily_max: money(1_000_000),
        drawdown_max: money(2_000_000),
        gross_notional_max: money(9_000_000),
        day_start_ns_utc: 0,
    };
    Limits { instruments: vec![Some(instrument)], account: Some(account), ..Limits::none() }
}

fn pipeline(seed: u64, stale_order_ns: u64) -> Pipeline {
    let config = PipelineConfig {
        engine: 1,
        mode: Mode::Live,
        ring_slot_count: 4_096,
        feed: FeedConfig { stale_ns_max: 1_000_000_000_000, buffer_event_count_max: 64 },
        limits: limits(),
        control: engine::control::ControlConfig::default(),
        order_count_max: 256,
        outbound_pending_max: 256,
        query_interval_ns: 20 * MS_NS,
        reconcile: ReconcileConfig {
            venues: vec![VENUE],
            interval_ns: 400 * MS_NS,
            retry_ns: 10 * MS_NS,
            timeout_ns: 200 * MS_NS,
            attempts_max: 4,
            stale_order_ns,
            sweep_interval_ns: 100 * MS_NS,
            ..ReconcileConfig::default()
        },
        monitor: engine::monitor::MonitorConfig::default(),
        state_hash_interval: 64,
    };
    Pipeline::new(config, table(), vec![Box::new(Gambler::new(seed, ACTION_COUNT))])
}

#[derive(Default)]
struct Outbox(Vec<Event>);

impl Outlet for Outbox {
    fn offer(&mut self, event: &Event) -> bool {
        self.0.push(*event);
        true
    }
}

struct Run {
    seed: u64,
    stale_order_ns: u64,
    pipeline: Pipeline,
    recorder: MemoryRecorder,
    world: World,
    time_ns: u64,
    session: u64,
}

impl Run {
    fn new(seed: u64, faults: Faults, stale_order_ns: u64) -> Run {
        let mut run = Run {
            seed,
            stale_order_ns,
            pipeline: pipeline(seed, stale_order_ns),
            recorder: MemoryRecorder::default(),
            world: World::new(seed, faults),
            time_ns: 1_000_000 * MS_NS,
            session: 0,
        };
        run.start();
        run
    }

    fn start(&mut self) {
        self.session += 1;
        self.hear(session_start(self.session, Mode::Live));
        let ids = DepthIds { first: 1, last: 1, previous: DepthIds::NO_PREVIOUS };
        self.hear(depth(0, ids, 2, true));
        self.hear(level(0, Side::Buy, 9_999, 1_000, false));
        self.hear(level(0, Side::Sell, 10_001, 1_000, true));
    }

    /// One inbound event; what leaves goes onto the line, what the line says at once is heard.
    fn hear(&mut self, event: Event) {
        let mut waiting = vec![event];
        while !waiting.is_empty() {
            let event = waiting.remove(0);
            self.time_ns += 1_000;
            let was_locked = self.pipeline.gate().is_locked(VENUE);
            let mut outbox = Outbox::default();
            let mut edges =
                Edges { recorder: &mut self.recorder, outlet: &mut outbox, probe: &mut NoProbe };
            self.pipeline.apply(&event.at(self.time_ns), &mut edges).unwrap();
            for request in &outbox.0 {
                let adds = matches!(request.kind, Kind::SEND_NEW | Kind::SEND_REPLACE);
                assert!(!adds || !was_locked, "{request:?} left while locked");
                waiting.extend(self.world.send(request));
            }
        }
    }

    fn hear_all(&mut self, events: Vec<Event>) {
        for event in events {
            self.hear(event);
        }
    }

    fn connect(&mut self) {
        self.world.is_up = true;
        self.hear(link::link(VENUE, LinkCode::Up, 0));
    }

    /// The process dies and comes back with the state that its journal gives.
    fn restart(&mut self) {
        self.world.crash();
        let mut next = pipeline(self.seed, self.stale_order_ns);
        replay::take_over(&self.pipeline, &mut next).unwrap();
        self.pipeline = next;
        self.start();
    }

    fn tick(&mut self) {
        self.time_ns += 5 * MS_NS;
        self.hear(clock());
    }

    fn listen(&mut self) {
        let is_answer = self.world.below(2) == 0;
        let told =
            if is_answer { self.world.answers.pop_front() } else { self.world.stream.pop_front() };
        self.hear_all(told.unwrap_or_default());
    }

    fn step(&mut self) {
        match self.world.below(100) {
            0..25 => self.tick(),
            25..50 => self.world.take_request(),
            50..85 => self.listen(),
            85..95 => self.world.trade(),
            95 => self.world.expire(),
            96..98 if self.world.is_up => {
                let told = self.world.cut();
                self.hear_all(told);
            }
            96..99 if !self.world.is_up => self.connect(),
            99 if self.world.below(4) == 0 => self.restart(),
            _ => {}
        }
    }

    /// Faults stop; everything that is under way ends.
    fn settle(&mut self) {
        self.world.faults = Faults::default();
        let told = self.world.cut();
        self.hear_all(told);
        self.connect();
        let mut quiet_count = 0;
        for _ in 0..20_000 {
            self.world.take_request();
            self.listen();
            if self.world.below(8) == 0 {
                self.tick();
                let locked = self.pipeline.gate().is_locked(VENUE);
                let is_quiet = self.world.is_quiet() && !locked && self.is_settled();
                quiet_count = if is_quiet { quiet_count + 1 } else { 0 };
                if quiet_count == 20 {
                    return;
                }
            }
        }
        let open: Vec<_> = self.pipeline.oms().open_orders().collect();
        let venues: Vec<_> = self.pipeline.reconcile().venues().collect();
        panic!("seed {}: never quiet: {open:#?} {venues:?}", self.seed);
    }

    fn is_settled(&self) -> bool {
        let working = |state| matches!(state, OrderState::Acked | OrderState::PartiallyFilled);
        self.pipeline.oms().open_orders().all(|order| working(order.state))
    }

    fn check(&self) {
        let seed = self.seed;
        let ours: Vec<_> = self.pipeline.oms().open_orders().map(|order| order.id).collect();
        let mut theirs: Vec<_> = self.world.orders.iter().collect();
        theirs.retain(|(_, order)| order.is_open());
        assert_eq!(ours.len(), theirs.len(), "seed {seed}: {ours:x?} {theirs:x?}");
        for (id, theirs) in &self.world.orders {
            let Some(ours) = self.pipeline.oms().order(*id) else { continue };
            assert_eq!(ours.filled, theirs.filled, "seed {seed}: fills of {id:x}");
            assert_eq!(ours.is_live(), theirs.is_open(), "seed {seed}: {ours:?} {theirs:?}");
            if theirs.is_open() {
                let terms = (theirs.price, theirs.quantity);
                assert_eq!((ours.price, ours.quantity), terms, "seed {seed}: {id:x}");
            }
        }
        let totals = self.pipeline.ledger().totals(self.pipeline.market(), |_| true);
        let position: i64 = self.pipeline.ledger().rows().map(|row| row.position.quantity).sum();
        assert_eq!(position, self.world.base - 1_000_000, "seed {seed}: position");
        assert_eq!(i128::from(position), self.position_of_gate(), "seed {seed}: the gate's");
        let cash = totals.cash_flow.minus(totals.fees);
        let theirs = Money::from_event(self.world.quote_e8 - 1_000_000_000_000);
        assert_eq!(cash, theirs, "seed {seed}: cash");
        let (_, _, positions) = self.pipeline.host().strategies().next().unwrap();
        // A fill that comes when its order's slot has another order is nobody's.
        let own = self.pipeline.ledger().position(0, 0).unwrap().quantity;
        assert_eq!(positions[0], own, "seed {seed}: the strategy's");
    }

    fn position_of_gate(&self) -> i128 {
        i128::from(self.pipeline.gate().exposure(0).unwrap().position)
    }

    /// The same inputs give the same records, also with snapshots on the way.
    fn replay(&self) {
        let mut recorder = MemoryRecorder::default();
        let mut again = pipeline(self.seed, self.stale_order_ns);
        let mut random = mix(self.seed, 3);
        for event in self.recorder.events.iter().filter(|event| event.kind.is_inbound()) {
            random = mix(random, 4);
            if event.kind == Kind::SESSION_START || random.is_multiple_of(61) {
                again = reloaded(&again, self);
            }
            let mut edges =
                Edges { recorder: &mut recorder, outlet: &mut NoOutlet, probe: &mut NoProbe };
            again.apply(event, &mut edges).unwrap();
        }
        let differs = recorder.events.iter().zip(&self.recorder.events).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {}", self.seed);
        assert_eq!(recorder.events.len(), self.recorder.events.len());
        assert_eq!(again.state_hash(), self.pipeline.state_hash());
    }
}

fn reloaded(before: &Pipeline, run: &Run) -> Pipeline {
    let mut saver = Saver::new();
    before.save(&mut saver);
    let bytes = saver.into_bytes();
    let mut next = pipeline(run.seed, run.stale_order_ns);
    let mut loader = Loader::new(&bytes);
    next.load(&mut loader).unwrap();
    loader.finish().unwrap();
    assert_eq!(next.state_hash(), before.state_hash());
    next
}

fn count(run: &Run, kind: Kind) -> usize {
    run.recorder.events.iter().filter(|event| event.kind == kind).count()
}

/// Seeds from `SEEDS` (a first one and how many), or a sample.
fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("SEEDS").unwrap_or_else(|_| "1 150".to_string());
    let (first, count) = text.split_once(' ').unwrap();
    let first: u64 = first.parse().unwrap();
    first..first + count.parse::<u64>().unwrap()
}

#[test]
fn whatever_the_line_does_engine_and_venue_end_equal() {
    let (mut fills, mut sent, mut queries, mut differences, mut locks) = (0, 0, 0, 0, 0);
    println!("seeds {:?}", seeds());
    for seed in seeds() {
        let bad = |salt: u64| mix(seed, salt) % 16;
        let (lost, unanswered, held) = (bad(5), bad(6), bad(7) / 2);
        let faults = Faults { lost, unanswered, held, doubled: 3 * bad(8), refused: bad(9) };
        let mut run = Run::new(seed, faults, 900 * MS_NS);
        run.world.strange_count = seed % 3;
        run.connect();
        for _ in 0..2_500 {
            run.step();
        }
        run.settle();
        run.check();
        run.replay();
        fills += count(&run, Kind::FILL);
        sent += count(&run, Kind::SEND_NEW);
        queries += count(&run, Kind::SEND_QUERY);
        differences += count(&run, Kind::DIFFERENCE);
        locks += count(&run, Kind::LOCK);
    }
    println!("{sent} orders, {fills} fills, {queries} queries, {differences} told, {locks} locks");
    assert!(100 < sent && 100 < fills && 100 < queries && 100 < differences && 100 < locks);
}
