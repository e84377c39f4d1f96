//! Random lives of a whole engine under commands, faults and trips: what control promises holds.
//!
//! The strategy wants something with every clock, the venue answers late, twice or not at all, the operator
//! gives any command, the process restarts. After every inbound event the new records are judged.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use engine::control::{Action, ControlConfig, Trigger, Triggers};
use engine::event::market::{DepthIds, depth, level};
use engine::event::order::{Execution, ReportCode, fill_report, report};
use engine::event::session::{clock, command, session_start};
use engine::event::{
    BreakerState, CommandCode, Event, Kind, Mode, OrderTerms, Scope, Side, TripReason, flags,
};
use engine::feed::FeedConfig;
use engine::gateway::Outlet;
use engine::instrument::{Instrument, InstrumentIndex, InstrumentTable, Venue};
use engine::money::Money;
use engine::monitor::MonitorConfig;
use engine::pipeline::recorder::MemoryRecorder;
use engine::pipeline::{Edges, NoProbe, Pipeline, PipelineConfig, replay};
use engine::reconcile::ReconcileConfig;
use engine::risk::{AccountLimits, InstrumentLimits, Limits};
use engine::state::{LoadError, Loader, Saver, State};
use engine::strategy::{Intents, MarketChange, OrderIntent, OrderUpdate, Strategy, View};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, prop, prop_oneof, proptest};

const MS_NS: u64 = 1_000_000;

fn table() -> InstrumentTable {
    let instrument = |symbol: &str, venue| Instrument {
        venue,
        symbol: symbol.to_string(),
        price_scale: 0,
        quantity_scale: 0,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    };
    let (spot, usdm) = (Venue::BinanceSpot, Venue::BinanceUsdm);
    InstrumentTable::new(vec![instrument("AAA", spot), instrument("BBB", usdm)]).unwrap()
}

fn limits() -> Limits {
    let money = |amount: i128| Money(amount * Money::ONE.0);
    let instrument = InstrumentLimits {
        order_quantity_max: 50,
        order_notional_max: money(1_000_000),
        position_quantity_max: 200,
        position_notional_max: money(1_000_000),
        collar_bps: 200,
        passive_bps: 500,
        reference_age_ns_max: 10_000 * MS_NS,
        restricted: false,
    };
    Limits {
        instruments: vec![Some(instrument); 2],
        account: Some(AccountLimits {
            order_rate_count_max: 10_000,
            order_rate_window_ns: 1_000,
            orders_open_max: 64,
            loss_daily_max: money(3_000),
            drawdown_max: money(5_000),
            gross_notional_max: money(10_000_000),
            day_start_ns_utc: 0,
        }),
        ..Limits::none()
    }
}

fn control() -> ControlConfig {
    let rate = |action, count| Trigger {
        action,
        is_wide: false,
        count,
        window_ns: 1_000 * MS_NS,
        limit_ns: 100 * MS_NS,
    };
    ControlConfig {
        is_configured: true,
        quiet_ns: 50 * MS_NS,
        triggers: Triggers {
            loss_daily: Trigger::plain(Action::Safe),
            drawdown: Trigger::plain(Action::Kill),
            reject_rate: rate(Action::Safe, 4),
            error_rate: rate(Action::Safe, 6),
            latency: rate(Action::Safe, 5),
            ..Triggers::default()
        },
        ..ControlConfig::default()
    }
}

/// Wants to buy or sell something with every clock, on either instrument.
#[derive(Debug, Default)]
struct Greedy {
    count: i64,
}

impl State for Greedy {
    fn save(&self, out: &mut Saver) {
        out.i64(self.count);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.count = from.i64()?;
        Ok(())
    }
}

impl Strategy for Greedy {
    fn name(&self) -> &'static str {
        "greedy"
    }

    fn instruments(&self) -> &[InstrumentIndex] {
        &[0, 1]
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
        let tag = match update {
            OrderUpdate::State { tag, .. }
            | OrderUpdate::Fill { tag, .. }
            | OrderUpdate::Refused { tag, .. } => *tag,
        };
        if matches!(update, OrderUpdate::State { .. } | OrderUpdate::Refused { .. }) {
            assert!(tag < 1_000, "an order of the control stage is not told to a strategy");
        }
    }

    fn on_clock(&mut self, _view: &View<'_>, intents: &mut Intents) {
        self.count += 1;
        let (low, high) = (self.count % 7, self.count % 5);
        intents.order(&OrderIntent {
            instrument: u16::from(self.count % 2 == 0),
            side: if high < 3 { Side::Buy } else { Side::Sell },
            price: 1_000 + high - 2,
            quantity: 10 + 5 * low,
            terms: if low < 4 { OrderTerms::LIMIT_GTC } else { OrderTerms::LIMIT_IOC },
            post_only: false,
            reduce_only: low == 3,
            tag: 1,
        });
    }
}

fn pipeline() -> Pipeline {
    pipeline_of(limits(), 256)
}

fn pipeline_of(limits: Limits, order_count_max: usize) -> Pipeline {
    let config = PipelineConfig {
        engine: 1,
        mode: Mode::Live,
        ring_slot_count: 4_096,
        feed: FeedConfig { stale_ns_max: 1_000_000 * MS_NS, buffer_event_count_max: 64 },
        limits,
        control: control(),
        order_count_max,
        outbound_pending_max: 4_096,
        query_interval_ns: 20 * MS_NS,
        reconcile: ReconcileConfig::default(),
        monitor: MonitorConfig::default(),
        state_hash_interval: 16,
    };
    Pipeline::new(config, table(), vec![Box::new(Greedy::default()), Box::new(Greedy::default())])
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Clock { ms: u64 },
    Command { code: CommandCode, scope: Scope, trip: i64, quantity: i64 },
    Answer { pick: usize, code: ReportCode },
    Fill { pick: usize, part: bool },
    Quote { instrument: u16, price: i64 },
    Restart,
}

fn op() -> impl proptest::strategy::Strategy<Value = Op> {
    use proptest::strategy::Strategy as _;
    let codes = vec![
        CommandCode::Kill,
        CommandCode::Trip,
        CommandCode::Approve,
        CommandCode::Rearm,
        CommandCode::Pause,
        CommandCode::Continue,
        CommandCode::Flatten,
        CommandCode::OrderNew,
        CommandCode::OrderCancel,
        CommandCode::Halt,
        CommandCode::Resume,
        CommandCode::Reduce,
        CommandCode::CancelAll,
        CommandCode::StrategyDisable,
        CommandCode::StrategyEnable,
        CommandCode::Confirm,
        CommandCode::Acknowledge,
        CommandCode::Alive,
        CommandCode::LimitSet,
        CommandCode::AcceptBalances,
        CommandCode::ThreadDead,
    ];
    let scopes = vec![
        Scope::All,
        Scope::All,
        Scope::Venue(2),
        Scope::Strategy(0),
        Scope::Strategy(1),
        Scope::Instrument(1),
        Scope::Instrument(9),
    ];
    let answers = vec![
        ReportCode::Acked,
        ReportCode::Acked,
        ReportCode::Cancelled,
        ReportCode::Expired,
        ReportCode::Rejected,
        ReportCode::CancelRejected,
        ReportCode::OutcomeUnknown,
        ReportCode::NotFound,
        ReportCode::Working,
    ];
    prop_oneof![
        5 => (1..80_u64).prop_map(|ms| Op::Clock { ms }),
        3 => (prop::sample::select(codes), prop::sample::select(scopes), 0..6_i64, 0..3_i64)
            .prop_map(|(code, scope, trip, quantity)| Op::Command { code, scope, trip, quantity }),
        6 => (0..64_usize, prop::sample::select(answers))
            .prop_map(|(pick, code)| Op::Answer { pick, code }),
        4 => (0..64_usize, proptest::bool::ANY).prop_map(|(pick, part)| Op::Fill { pick, part }),
        1 => (0..2_u16, 900..1_100_i64)
            .prop_map(|(instrument, price)| Op::Quote { instrument, price }),
        1 => Just(Op::Restart),
    ]
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
    pipeline: Pipeline,
    recorder: MemoryRecorder,
    time_ns: u64,
    session: u64,
    number: u64,
    execution: u64,
    update: i64,
    /// Answers by command number: how many.
    answers: Vec<u32>,
    /// Told state by the scope's tag, and net positions, as of the last record that was judged.
    states: Vec<(u32, BreakerState, u64)>,
    net: [i64; 2],
}

impl Run {
    fn new() -> Run {
        Run::of(pipeline())
    }

    fn of(pipeline: Pipeline) -> Run {
        let mut run = Run {
            pipeline,
            recorder: MemoryRecorder::default(),
            time_ns: 1_000_000 * MS_NS,
            session: 0,
            number: 0,
            execution: 0,
            update: 1,
            answers: vec![0],
            states: Vec::new(),
            net: [0; 2],
        };
        run.start();
        run
    }

    fn start(&mut self) {
        self.session += 1;
        self.hear(session_start(self.session, Mode::Live));
        self.quote(0, 1_000);
        self.quote(1, 1_000);
    }

    fn quote(&mut self, instrument: u16, price: i64) {
        self.update += 1;
        let last = self.update;
        let ids = DepthIds { first: last, last, previous: DepthIds::NO_PREVIOUS };
        self.hear(depth(instrument, ids, 2, true));
        self.hear(level(instrument, Side::Buy, price - 1, 1_000, false));
        self.hear(level(instrument, Side::Sell, price + 1, 1_000, true));
    }

    fn hear(&mut self, event: Event) {
        self.time_ns += 1;
        let before: Vec<Scope> = self.latched();
        let mut outbox = Outbox::default();
        let mut edges =
            Edges { recorder: &mut self.recorder, outlet: &mut outbox, probe: &mut NoProbe };
        let first = self.pipeline.head() + 1;
        self.pipeline.apply(&event.at(self.time_ns), &mut edges).unwrap();
        let after = self.latched();
        for scope in before {
            let is_rearm = event.kind == Kind::COMMAND
                && event.code == CommandCode::Rearm as u16
                && event.tag == scope.tag();
            assert!(after.contains(&scope) || is_rearm, "{scope:?} was lifted by {event:?}");
        }
        for sequence in first..=self.pipeline.head() {
            let record = *self.pipeline.recent(sequence);
            self.judge(&record);
        }
    }

    fn latched(&self) -> Vec<Scope> {
        let scopes = self.pipeline.control().scopes();
        scopes.filter(|status| status.is_latched).map(|status| status.scope).collect()
    }

    fn judge(&mut self, record: &Event) {
        match record.kind {
            Kind::BREAKER => {
                let [now, _] = record.code.to_le_bytes();
                let now = BreakerState::from_code(u16::from(now)).unwrap();
                assert!(TripReason::from_code(record.source).is_some());
                self.states.push((record.tag, now, record.sequence));
            }
            Kind::FILL => {
                let signed = record.side().sign() * record.quantity;
                self.net[usize::from(record.instrument)] += signed;
            }
            Kind::APPROVED => self.judge_approval(record),
            Kind::ANSWER => {
                self.answers[usize::try_from(record.id).unwrap()] += 1;
            }
            _ => {}
        }
    }

    /// Nothing that adds to a position is approved in a scope that was tripped when it was wanted.
    fn judge_approval(&self, approved: &Event) {
        let table = table();
        let venue = table.get(approved.instrument).unwrap().venue as u8;
        let mut strictest = BreakerState::Normal;
        let mut seen: Vec<u32> = Vec::new();
        for (tag, state, sequence) in self.states.iter().rev() {
            if approved.cause < *sequence || seen.contains(tag) {
                continue;
            }
            seen.push(*tag);
            let scope = Scope::from_tag(*tag).unwrap();
            if scope.covers(venue, approved.source, approved.instrument) {
                strictest = strictest.max(*state);
            }
        }
        let net = self.net[usize::from(approved.instrument)];
        let signed = approved.side().sign() * approved.quantity;
        let reduces = net.signum() == -signed.signum() && signed.abs() <= net.abs();
        let is_by_hand = approved.has(flags::OPERATOR) && approved.has(flags::REDUCE_ONLY);
        assert!(strictest == BreakerState::Normal || reduces, "{strictest:?} {net} {approved:?}");
        assert!(strictest != BreakerState::Killed || is_by_hand, "{approved:?}");
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Clock { ms } => {
                self.time_ns += ms * MS_NS;
                self.hear(clock());
            }
            Op::Command { code, scope, trip, quantity } => {
                let mut event = command(code, scope.tag());
                self.number += 1;
                (event.source, event.id) = (1, self.number);
                (event.price, event.quantity) = (trip, quantity);
                if code == CommandCode::OrderNew {
                    event.tag = u32::from(OrderTerms::LIMIT_GTC.code()) | (65_535 << 16);
                    (event.instrument, event.price, event.quantity) = (1, 999, 1 + quantity);
                }
                self.answers.push(0);
                self.hear(event);
                let last = self.answers.last().copied().unwrap();
                assert_eq!(last, 1, "{event:?} was answered {last} times");
            }
            Op::Answer { pick, code } => {
                if let Some((id, instrument, _, _)) = self.pick(pick) {
                    self.hear(report(instrument, id, code, 0));
                }
            }
            Op::Fill { pick, part } => self.fill(pick, part),
            Op::Quote { instrument, price } => self.quote(instrument, price),
            Op::Restart => {
                let mut next = pipeline();
                replay::take_over(&self.pipeline, &mut next).unwrap();
                self.pipeline = next;
                self.start();
            }
        }
    }

    fn pick(&self, pick: usize) -> Option<(u64, u16, Side, i64)> {
        let open: Vec<_> = self.pipeline.oms().open_orders().collect();
        let order = open.get(pick.checked_rem(open.len())?)?;
        let left = order.quantity - order.filled;
        Some((order.id, order.instrument, order.side(), left))
    }

    fn fill(&mut self, pick: usize, part: bool) {
        let Some((order_id, instrument, side, left)) = self.pick(pick) else { return };
        let order = *self.pipeline.oms().order(order_id).unwrap();
        let quantity = if part { (left / 2).max(1) } else { left };
        self.execution += 1;
        let execution = Execution {
            order_id,
            side,
            price: order.price,
            quantity,
            cumulative_quantity: order.filled + quantity,
            fee_e8: 0,
            execution_id: self.execution,
            maker: false,
        };
        for event in fill_report(instrument, &execution) {
            self.hear(event);
        }
    }

    /// The venue becomes honest and prompt: a kill then ends with nothing open.
    fn kill_and_settle(&mut self) {
        let mut kill = command(CommandCode::Kill, 0);
        self.number += 1;
        (kill.source, kill.id, kill.quantity) = (1, self.number, 1);
        self.answers.push(0);
        self.hear(kill);
        for _ in 0..400 {
            let all = self.pipeline.control().scopes().next().unwrap();
            if all.phase == 4 {
                break;
            }
            self.quote(0, 1_000);
            self.quote(1, 1_000);
            let open: Vec<_> = self.pipeline.oms().open_orders().copied().collect();
            for order in open {
                if order.flags & flags::OPERATOR != 0 && order.flags & flags::REDUCE_ONLY != 0 {
                    let at = self.pipeline.oms().open_orders().position(|o| o.id == order.id);
                    self.fill(at.unwrap(), false);
                } else {
                    self.hear(report(order.instrument, order.id, ReportCode::Cancelled, 0));
                }
            }
            self.step(Op::Clock { ms: 300 });
        }
        assert_eq!(self.pipeline.oms().open_count(), 0);
        assert_eq!(self.net, [0, 0], "{:?}", self.pipeline.control().last_job());
        assert_eq!(self.pipeline.control().state(), BreakerState::Killed);
        let all = self.pipeline.control().scopes().next().unwrap();
        assert_eq!((all.scope, all.phase, all.orders_left), (Scope::All, 4, 0));
    }
}

/// As many as the order stage has room for.
const ORDER_COUNT: usize = engine::oms::LIVE_COUNT_MAX;

#[test]
fn a_kill_of_as_many_orders_as_there_can_be_fits_into_the_rings() {
    let mut limits = limits();
    for own in limits.instruments.iter_mut().flatten() {
        (own.position_quantity_max, own.position_notional_max) =
            (1_000_000, Money(50_000_000 * Money::ONE.0));
    }
    if let Some(account) = &mut limits.account {
        account.orders_open_max = u32::try_from(ORDER_COUNT).unwrap();
        account.gross_notional_max = Money(50_000_000 * Money::ONE.0);
    }
    let mut run = Run::of(pipeline_of(limits, 4_096));
    for _ in 0..ORDER_COUNT {
        let of = (CommandCode::OrderNew, Scope::All);
        run.step(Op::Command { code: of.0, scope: of.1, trip: 0, quantity: 0 });
    }
    assert_eq!(run.pipeline.oms().open_count(), ORDER_COUNT);
    let first = run.pipeline.head();
    run.step(Op::Command { code: CommandCode::Kill, scope: Scope::All, trip: 0, quantity: 1 });
    let cancels = |run: &Run, first: u64| {
        let sequences = first + 1..=run.pipeline.head();
        let kinds = sequences.map(|sequence| run.pipeline.recent(sequence).kind);
        kinds.filter(|kind| *kind == Kind::SEND_CANCEL).count()
    };
    assert_eq!(cancels(&run, first), ORDER_COUNT);
    let first = run.pipeline.head();
    run.step(Op::Clock { ms: 2_000 });
    assert_eq!(cancels(&run, first), ORDER_COUNT, "and again");
    assert_eq!(run.pipeline.fault(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_lifts_a_kill_nothing_opens_while_tripped_and_every_command_is_answered_once(
        ops in vec(op(), 1..120)
    ) {
        let mut run = Run::new();
        for op in ops {
            run.step(op);
        }
        run.kill_and_settle();
    }
}
