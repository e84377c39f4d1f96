//! The OMS against a reference model of facts: random intents and reports, duplicates, reordering, late
//! and over fills, restarts from snapshots, and arbitrary bytes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use engine::event::order::{Execution, fill_report, report};
use engine::event::session::{clock, command, session_start};
use engine::event::{
    CommandCode, Event, Kind, Mode, NO_STRATEGY, OrderState, OrderTerms, ReportCode, Side, flags,
};
use engine::ids;
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;
use engine::oms::{Oms, OmsConfig, OmsTimes};
use engine::ring::{Emitter, Ring};
use engine::state::{Loader, Saver, State};
use proptest::prelude::*;

const ORDERS_MAX: u64 = 8;
const STRATEGY_COUNT: u16 = 2;

fn config() -> OmsConfig {
    let btcusdt = Instrument {
        venue: Venue::Synthetic,
        symbol: "BTCUSDT".to_string(),
        price_scale: 2,
        quantity_scale: 5,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    };
    let ethusdt = Instrument { symbol: "ETHUSDT".to_string(), ..btcusdt.clone() };
    OmsConfig {
        engine: 7,
        orders_max: usize::try_from(ORDERS_MAX).unwrap(),
        strategy_count: usize::from(STRATEGY_COUNT),
        instruments: InstrumentTable::new(vec![btcusdt, ethusdt]).unwrap(),
        times: OmsTimes::default(),
    }
}

/// What happens. Orders are picked by index among the last twelve.
#[derive(Clone, Debug)]
enum Step {
    New {
        strategy: u16,
        instrument: u16,
        is_buy: bool,
        quantity: i64,
    },
    Cancel(usize),
    Replace(usize, i64),
    Report(usize, ReportCode),
    Replaced(usize, i64),
    Fill {
        order: usize,
        quantity: i64,
        cumulative_error: i64,
    },
    /// An earlier execution, told again.
    Again(usize),
    Withheld(usize, Kind),
    Disable(u16),
    Halt,
    CancelAll,
    Clock,
    Session,
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    let codes: Vec<ReportCode> = ReportCode::ALL
        .into_iter()
        .filter(|code| !matches!(code, ReportCode::Filled | ReportCode::Replaced))
        .collect();
    let sent = vec![Kind::SEND_NEW, Kind::SEND_CANCEL, Kind::SEND_REPLACE, Kind::SEND_QUERY];
    let order = || 0usize..12;
    prop_oneof![
        6 => (0..STRATEGY_COUNT, 0u16..2, any::<bool>(), 1i64..20).prop_map(
            |(strategy, instrument, is_buy, quantity)| {
                Step::New { strategy, instrument, is_buy, quantity }
            }
        ),
        3 => order().prop_map(Step::Cancel),
        3 => (order(), 1i64..30).prop_map(|(order, quantity)| Step::Replace(order, quantity)),
        12 => (order(), prop::sample::select(codes))
            .prop_map(|(order, code)| Step::Report(order, code)),
        3 => (order(), 1i64..30).prop_map(|(order, quantity)| Step::Replaced(order, quantity)),
        12 => (order(), 1i64..12, prop_oneof![4 => Just(0i64), 1 => -3i64..4]).prop_map(
            |(order, quantity, cumulative_error)| Step::Fill { order, quantity, cumulative_error }
        ),
        3 => (0usize..100).prop_map(Step::Again),
        1 => (order(), prop::sample::select(sent))
            .prop_map(|(order, kind)| Step::Withheld(order, kind)),
        1 => (0..STRATEGY_COUNT).prop_map(Step::Disable),
        1 => Just(Step::Halt),
        1 => Just(Step::CancelAll),
        2 => Just(Step::Clock),
        1 => Just(Step::Session),
        2 => Just(Step::Restart),
    ]
}

/// What is known of one order, as facts; its state follows. Not a table.
#[derive(Clone, Debug, Default)]
struct Facts {
    strategy: u16,
    instrument: u16,
    side: Option<Side>,
    quantity: i64,
    filled: i64,
    asked_quantity: Option<i64>,
    over: Option<OrderState>,
    doubt: Doubt,
    /// The venue has shown that it had it.
    acked: bool,
    cancel: bool,
}

/// Whether an order's fate is being asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doubt {
    #[default]
    None,
    Asked,
    /// A cancel went out after the question.
    Cancelled,
}

impl Facts {
    fn state(&self) -> OrderState {
        match self.over {
            Some(state) => state,
            None if self.doubt == Doubt::Asked => OrderState::Unknown,
            None if self.cancel => OrderState::PendingCancel,
            None if self.asked_quantity.is_some() => OrderState::PendingReplace,
            None if 0 < self.filled => OrderState::PartiallyFilled,
            None if self.acked => OrderState::Acked,
            None => OrderState::Pending,
        }
    }

    fn leaves(&self) -> i64 {
        let most = self.asked_quantity.map_or(self.quantity, |asked| asked.max(self.quantity));
        if self.over.is_some() { 0 } else { most - self.filled }
    }

    fn settle(&mut self) {
        if self.over.is_none() && self.leaves() <= 0 {
            self.over = Some(OrderState::Filled);
        }
    }

    fn ask(&mut self) {
        if self.over.is_none() {
            self.doubt = Doubt::Asked;
        }
    }

    fn vanish(&mut self) {
        self.over = Some(if self.acked { OrderState::Cancelled } else { OrderState::Rejected });
    }

    fn works(&mut self) {
        self.cancel |= self.doubt != Doubt::None && self.asked_quantity.is_some();
        (self.acked, self.doubt) = (true, Doubt::None);
    }

    fn cancel(&mut self) {
        if self.over.is_none() && self.state() != OrderState::PendingCancel {
            self.cancel = true;
            if self.doubt == Doubt::Asked {
                self.doubt = Doubt::Cancelled;
            }
        }
    }

    fn keep(&mut self) {
        self.cancel = false;
        if self.doubt == Doubt::Cancelled {
            self.doubt = Doubt::Asked;
        }
    }

    fn refused(&mut self) {
        if self.state() == OrderState::Unknown {
            self.vanish();
        } else if self.acked {
            self.ask();
        } else {
            self.over = Some(OrderState::Rejected);
        }
    }

    fn report(&mut self, code: ReportCode) {
        if self.over.is_some() {
            return;
        }
        match code {
            ReportCode::Acked | ReportCode::Working => self.works(),
            ReportCode::Rejected => self.refused(),
            ReportCode::Cancelled => self.over = Some(OrderState::Cancelled),
            ReportCode::Expired => self.over = Some(OrderState::Expired),
            ReportCode::CancelRejected => self.keep(),
            ReportCode::ReplaceRejected => self.asked_quantity = None,
            ReportCode::NotFound if self.doubt != Doubt::None => self.vanish(),
            ReportCode::NotFound => {}
            ReportCode::OutcomeUnknown => self.ask(),
            ReportCode::Completed if self.filled == 0 => {}
            ReportCode::Completed => self.over = Some(OrderState::Filled),
            ReportCode::Filled | ReportCode::Replaced => unreachable!("steps of their own"),
        }
        self.settle();
    }

    fn replaced(&mut self, quantity: i64) {
        if self.over.is_none() {
            self.asked_quantity = None;
            self.works();
            self.quantity = quantity;
            self.settle();
        }
    }

    fn withheld(&mut self, kind: Kind) {
        let open = [OrderState::Pending, OrderState::PendingCancel, OrderState::Unknown];
        if kind == Kind::SEND_CANCEL {
            self.report(ReportCode::CancelRejected);
        } else if kind == Kind::SEND_REPLACE {
            self.report(ReportCode::ReplaceRejected);
        } else if kind == Kind::SEND_NEW && open.contains(&self.state()) {
            self.refused();
        }
    }
}

struct Run {
    oms: Oms,
    time_ns: u64,
    session: u64,
    counter: u64,
    /// Every id that was ever given, in order.
    ids: Vec<u64>,
    facts: BTreeMap<u64, Facts>,
    /// Last state and leaves that were told, by id.
    told: BTreeMap<u64, (OrderState, i64)>,
    /// Sum of the fills that were told, by id; fills of nobody apart.
    fill_sums: BTreeMap<u64, i64>,
    stranger_sum: i64,
    executed: Vec<[Event; 2]>,
}

impl Run {
    fn new() -> Run {
        let mut run = Run {
            oms: Oms::new(config()),
            time_ns: 0,
            session: 0,
            counter: 0,
            ids: Vec::new(),
            facts: BTreeMap::new(),
            told: BTreeMap::new(),
            fill_sums: BTreeMap::new(),
            stranger_sum: 0,
            executed: Vec::new(),
        };
        run.step(&Step::Session);
        run
    }

    /// Mostly a young order; before the first one, one that does not exist.
    fn pick(&self, index: usize) -> u64 {
        let young = &self.ids[self.ids.len().saturating_sub(12)..];
        if young.is_empty() { 1 } else { young[index % young.len()] }
    }

    fn instrument(&self, id: u64) -> u16 {
        self.facts.get(&id).map_or(0, |facts| facts.instrument)
    }

    fn live_count(&self) -> usize {
        self.facts.values().filter(|facts| facts.over.is_none()).count()
    }

    /// Applies one event to the OMS and checks all that it says.
    fn apply(&mut self, event: Event) -> Vec<Event> {
        let said = apply(&mut self.oms, &event.at(self.time_ns));
        for event in &said {
            self.hear(event);
        }
        said
    }

    fn hear(&mut self, event: &Event) {
        if event.kind == Kind::ORDER {
            let state = |code: u16| OrderState::from_code(u8::try_from(code & 0xff).unwrap());
            let (now, before) = (state(event.code).unwrap(), state(event.code >> 8).unwrap());
            assert!(0 <= event.quantity, "leaves below zero: {event:?}");
            if let Some((last, _)) = self.told.get(&event.id) {
                assert_eq!(*last, before, "a step was not told");
                assert!(!before.is_terminal(), "{} was left or told twice", before.name());
            } else {
                assert_eq!(now, OrderState::New, "the first word about an order");
            }
            assert!(!now.is_terminal() || event.quantity == 0);
            self.told.insert(event.id, (now, event.quantity));
        } else if event.kind == Kind::FILL && event.source == NO_STRATEGY {
            self.stranger_sum += event.quantity;
        } else if event.kind == Kind::FILL {
            assert!(0 < event.quantity, "traded quantity only grows");
            let over = self.told[&event.id].0.is_terminal();
            assert_eq!(event.has(flags::LATE), over);
            *self.fill_sums.entry(event.id).or_default() += event.quantity;
        }
    }

    fn step(&mut self, step: &Step) {
        self.time_ns += 400_000_000;
        match step {
            Step::New { strategy, instrument, is_buy, quantity } => {
                self.new_order(*strategy, *instrument, *is_buy, *quantity);
            }
            Step::Cancel(index) => self.change(*index, None),
            Step::Replace(index, quantity) => self.change(*index, Some(*quantity)),
            Step::Report(index, code) => {
                let id = self.pick(*index);
                let filled = self.facts.get(&id).map_or(0, |facts| facts.filled);
                let quantity = if *code == ReportCode::Completed { filled } else { 0 };
                self.apply(Event { quantity, ..report(self.instrument(id), id, *code, 0) });
                self.with(id, |facts| facts.report(*code));
            }
            Step::Replaced(index, quantity) => {
                let id = self.pick(*index);
                let event = report(self.instrument(id), id, ReportCode::Replaced, 0);
                self.apply(Event { price: 50, quantity: *quantity, ..event });
                self.with(id, |facts| facts.replaced(*quantity));
            }
            Step::Fill { order, quantity, cumulative_error } => {
                self.fill(*order, *quantity, *cumulative_error);
            }
            Step::Again(index) => {
                if let Some(halves) = self.executed.get(*index).copied() {
                    let said = halves.map(|half| self.apply(half));
                    assert!(said.iter().flatten().all(|event| event.kind != Kind::FILL));
                }
            }
            Step::Withheld(index, kind) => {
                let id = self.pick(*index);
                let mut event = Event::new(Kind::WITHHELD);
                event.instrument = self.instrument(id);
                (event.id, event.code) = (id, u16::from(kind.0));
                self.apply(event);
                self.with(id, |facts| facts.withheld(*kind));
            }
            Step::Disable(strategy) => {
                let event = Event::new(Kind::STRATEGY_STATE);
                self.apply(Event { source: *strategy, code: 2, ..event });
                let mine = |facts: &&mut Facts| facts.strategy == *strategy;
                self.facts.values_mut().filter(mine).for_each(Facts::cancel);
            }
            Step::Halt => {
                self.apply(Event { code: 3, ..Event::new(Kind::RISK_STATE) });
                self.facts.values_mut().for_each(Facts::cancel);
            }
            Step::CancelAll => self.cancel_all(),
            Step::Clock => drop(self.apply(clock())),
            Step::Session => self.start_session(),
            Step::Restart => self.oms = reloaded(&self.oms),
        }
        self.compare();
    }

    fn with(&mut self, id: u64, change: impl Fn(&mut Facts)) {
        if let Some(facts) = self.facts.get_mut(&id) {
            change(facts);
        }
    }

    fn cancel_all(&mut self) {
        let said = self.apply(command(CommandCode::CancelAll, 0));
        self.facts.values_mut().for_each(Facts::cancel);
        let cancel_count = said.iter().filter(|event| event.kind == Kind::SEND_CANCEL).count();
        assert_eq!(cancel_count, self.live_count());
    }

    fn start_session(&mut self) {
        self.session += 1;
        self.counter = 0;
        let said = self.apply(session_start(self.session, Mode::Paper));
        let query_count = said.iter().filter(|event| event.kind == Kind::SEND_QUERY).count();
        assert_eq!(query_count, self.live_count(), "one query for every live order");
        self.facts.values_mut().for_each(Facts::ask);
    }

    fn new_order(&mut self, strategy: u16, instrument: u16, is_buy: bool, quantity: i64) {
        let side = if is_buy { Side::Buy } else { Side::Sell };
        let mut event = Event::new(Kind::APPROVED);
        (event.source, event.instrument) = (strategy, instrument);
        (event.price, event.quantity) = (50, quantity);
        event.code = OrderTerms::LIMIT_GTC.code();
        event.flags = flags::LAST | side.flag();
        let slot_of = |id: u64| ids::counter(id) % ORDERS_MAX;
        let live = self.facts.iter().filter(|(_, facts)| facts.over.is_none());
        let held: BTreeSet<u64> = live.map(|(id, _)| slot_of(*id)).collect();
        let is_full = u64::try_from(held.len()).unwrap() == ORDERS_MAX;
        self.counter += 1;
        while !is_full && held.contains(&(self.counter % ORDERS_MAX)) {
            self.counter += 1;
        }
        let id = ids::order_id(7, self.session, self.counter);
        assert!(!self.ids.contains(&id), "an id came twice");
        let said = self.apply(event);
        assert!(said.iter().all(|event| event.id == id), "another id: {said:?}");
        assert_eq!(said.iter().any(|event| event.kind == Kind::SEND_NEW), !is_full);
        self.ids.push(id);
        if !is_full {
            self.facts.retain(|other, _| slot_of(*other) != slot_of(id));
            let side = Some(side);
            let facts = Facts { strategy, instrument, side, quantity, ..Facts::default() };
            self.facts.insert(id, facts);
        }
    }

    fn change(&mut self, index: usize, quantity: Option<i64>) {
        let id = self.pick(index);
        let kind = if quantity.is_some() { Kind::APPROVED_REPLACE } else { Kind::APPROVED_CANCEL };
        let mut event = Event::new(kind);
        event.instrument = self.instrument(id);
        event.source = self.facts.get(&id).map_or(0, |facts| facts.strategy);
        event.id = id;
        event.price = 51;
        event.quantity = quantity.unwrap_or(0);
        self.apply(event);
        self.with(id, |facts| match quantity {
            None => facts.cancel(),
            Some(quantity) => {
                let open = [OrderState::Acked, OrderState::PartiallyFilled];
                if open.contains(&facts.state()) && facts.filled < quantity {
                    facts.asked_quantity = Some(quantity);
                }
            }
        });
    }

    fn fill(&mut self, index: usize, quantity: i64, cumulative_error: i64) {
        let id = self.pick(index);
        let known = self.facts.get(&id);
        let filled = known.map_or(0, |facts| facts.filled);
        let told = Execution {
            order_id: id,
            side: known.and_then(|facts| facts.side).unwrap_or(Side::Buy),
            price: 50,
            quantity,
            cumulative_quantity: filled + quantity + cumulative_error,
            fee_e8: 1,
            execution_id: u64::try_from(self.executed.len()).unwrap(),
            maker: false,
        };
        let is_stranger = known.is_none();
        let halves = fill_report(self.instrument(id), &told);
        self.executed.push(halves);
        assert!(self.apply(halves[0]).is_empty());
        let said = self.apply(halves[1]);
        assert_eq!([said[0].kind, said[1].kind], [Kind::FILL, Kind::FEE]);
        assert_eq!(said[0].source == NO_STRATEGY, is_stranger);
        self.with(id, |facts| {
            facts.filled += quantity;
            facts.acked = true;
            facts.settle();
        });
    }

    fn compare(&self) {
        for (id, facts) in &self.facts {
            let order = self.oms.order(*id).expect("the model still has it");
            assert_eq!(order.state, facts.state(), "{facts:?}\n{order:?}");
            assert_eq!(order.filled, facts.filled);
            assert_eq!(order.leaves(), facts.leaves(), "{facts:?}\n{order:?}");
            assert_eq!(order.filled, self.fill_sums.get(id).copied().unwrap_or(0));
            assert_eq!(self.told[id], (order.state, order.leaves()));
        }
        assert_eq!(self.oms.orders().count(), self.facts.len());
        let live_count = self.live_count();
        assert_eq!(self.oms.open_count(), live_count);
        assert_eq!(self.oms.open_orders().count(), live_count);
        let booked = self.fill_sums.values().sum::<i64>() + self.stranger_sum;
        let told: i64 = self.executed.iter().map(|halves| halves[0].quantity).sum();
        assert_eq!(booked, told, "every execution is booked once");
    }
}

fn apply(oms: &mut Oms, event: &Event) -> Vec<Event> {
    let mut ring = Ring::new(256, 0);
    ring.begin(*event);
    let cause = *ring.get(1);
    oms.apply(&cause, &mut Emitter::new(&mut ring, &cause));
    assert!(!ring.overflowed());
    (2..=ring.head()).map(|sequence| *ring.get(sequence)).collect()
}

fn reloaded(oms: &Oms) -> Oms {
    let mut saver = Saver::new();
    oms.save(&mut saver);
    let bytes = saver.into_bytes();
    let mut loaded = Oms::new(config());
    let mut loader = Loader::new(&bytes);
    loaded.load(&mut loader).unwrap();
    loader.finish().unwrap();
    assert_eq!(loaded.digest(), oms.digest());
    assert_eq!(loaded.counters(), oms.counters());
    loaded
}

/// An event with any words, mostly of a kind that the OMS looks at.
fn any_event() -> impl Strategy<Value = Event> {
    let ours: Vec<u8> = (0..128).filter(|kind| Oms::INTEREST.contains(Kind(*kind))).collect();
    let kind = prop_oneof![4 => prop::sample::select(ours), 1 => any::<u8>()];
    let word = || prop_oneof![Just(0i64), Just(i64::MIN), Just(i64::MAX), -3i64..40, any::<i64>()];
    let small = || prop_oneof![4 => 0u16..3, 1 => Just(u16::MAX), 1 => any::<u16>()];
    let code = prop_oneof![0u16..14, 70u16..84, Just(257u16), any::<u16>()];
    let id = prop_oneof![
        4 => (0u64..4, 0u64..12).prop_map(|(session, counter)| ids::order_id(7, session, counter)),
        2 => 0u64..8,
        1 => any::<u64>(),
    ];
    let words = (word(), word(), any::<u64>(), any::<u32>(), any::<u8>());
    (kind, small(), small(), code, id, words).prop_map(
        |(kind, instrument, source, code, id, (price, quantity, time_ns, tag, flags))| {
            let mut event = Event::new(Kind(kind));
            (event.instrument, event.source, event.code, event.id) = (instrument, source, code, id);
            (event.price, event.quantity, event.time_ns) = (price, quantity, time_ns);
            (event.tag, event.flags) = (tag, flags);
            event
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_step_is_the_reference_models_step(
        steps in proptest::collection::vec(any_step(), 1..150),
    ) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
    }

    #[test]
    fn any_events_are_survived_and_a_snapshot_at_any_point_has_the_same_future(
        events in proptest::collection::vec(any_event(), 1..200),
        cut in 0usize..200,
    ) {
        let mut oms = Oms::new(config());
        let mut twin = None;
        for (index, event) in events.iter().enumerate() {
            if index == cut {
                twin = Some(reloaded(&oms));
            }
            let said = apply(&mut oms, event);
            for event in said.iter().filter(|event| event.kind == Kind::ORDER) {
                prop_assert!(0 <= event.quantity);
            }
            if let Some(twin) = &mut twin {
                prop_assert_eq!(apply(twin, event), said);
                prop_assert_eq!(twin.digest(), oms.digest());
            }
        }
        for order in oms.orders() {
            prop_assert!(0 <= order.leaves());
            prop_assert!(!order.state.is_terminal() || order.leaves() == 0);
        }
    }
}
