//! Random life: the limits hold even if every working order fills, reservations come back, a loaded
//! gate has the same future, and nothing panics.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::event::{
    BookState, BreakerState, CommandCode, Event, Kind, OrderState, Scope, Side, TripReason, flags,
    session,
};
use crate::market::{Market, Top};
use crate::ring::{Emitter, Ring};
use crate::risk::{
    Gate, InstrumentControls, InstrumentLimits, LimitKey, Limits, RiskState, StrategyControls,
};

use super::desk::{Desk, ORDERS_MAX, STRATEGY_COUNT, account, currency, intent, table, wide};

const POSITION_MAX: i64 = 100;
const GROSS_MAX: i64 = 150_000;

fn tight() -> Limits {
    let own = InstrumentLimits { position_quantity_max: POSITION_MAX, ..wide() };
    let account = crate::risk::AccountLimits {
        gross_notional_max: currency(GROSS_MAX),
        orders_open_max: 16,
        order_rate_count_max: 40,
        ..account()
    };
    Limits {
        instruments: vec![Some(own.clone()), None, Some(own)],
        account: Some(account),
        ..Limits::none()
    }
}

/// The same with every control, loose enough that life goes on.
fn controlled() -> Limits {
    let mut limits = tight();
    let controls = &mut limits.controls;
    (controls.alerts, controls.soft_percent) = (true, Some(80));
    (controls.self_match, controls.two_person) = (true, true);
    controls.capital = Some(currency(1_000_000));
    controls.message_rate_window_ns = 400;
    controls.duplicate_window_ns = 400;
    controls.execution_window_ns = 400;
    controls.reference_window_ns = 400;
    controls.instruments = vec![InstrumentControls::default(); 4];
    controls.strategies = vec![StrategyControls::default(); 2];
    let e8 = 100_000_000;
    for (key, value) in [
        (LimitKey::CollarTrade, 400),
        (LimitKey::CollarWindow, 300),
        (LimitKey::Spread, 100),
        (LimitKey::Jump, 200),
        (LimitKey::Short, 90),
        (LimitKey::ExposureShare, 900),
        (LimitKey::BatchNotional, 200_000 * e8),
        (LimitKey::MessageRate, 60),
        (LimitKey::Duplicate, 2),
        (LimitKey::OrdersDaily, 80),
        (LimitKey::NotionalDaily, 9_000_000 * e8),
        (LimitKey::StrategyPosition, 80_000 * e8),
        (LimitKey::StrategyGross, 120_000 * e8),
        (LimitKey::StrategyOrdersOpen, 10),
        (LimitKey::StrategyOrderRate, 30),
        (LimitKey::StrategyLossDaily, 3_000 * e8),
        (LimitKey::StrategyExecutions, 20),
    ] {
        for owner in 0..4 {
            limits.set_value(key, owner, value);
        }
    }
    limits
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Order { instrument: u16, sell: bool, quantity: i64, price: i64, reduce: bool, bind: bool },
    Change { pick: usize, quantity: i64, price: i64, take: bool },
    Outcome { pick: usize, done: bool },
    Fill { pick: usize, quantity: i64 },
    State { pick: usize, state: OrderState },
    LateFill { pick: usize, quantity: i64 },
    Top { instrument: u16, mid: i64 },
    Wait { ns: u64 },
    Clock,
    Command { code: u16 },
    Breaker { scope: Scope, state: BreakerState },
    LimitSet { key: LimitKey, owner: u16, value: i64, number: u64 },
    Confirm { number: u64 },
    Enable { strategy: u32 },
}

fn instrument() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0u16), Just(2u16)]
}

fn op() -> impl Strategy<Value = Op> {
    let state = prop_oneof![
        Just(OrderState::Acked),
        Just(OrderState::Unknown),
        Just(OrderState::PendingCancel),
        Just(OrderState::Cancelled),
        Just(OrderState::Rejected),
        Just(OrderState::Expired),
    ];
    prop_oneof![
        8 => (instrument(), any::<bool>(), 1i64..80, 950i64..1050, prop::bool::weighted(0.1), prop::bool::weighted(0.9))
            .prop_map(|(instrument, sell, quantity, price, reduce, bind)| Op::Order { instrument, sell, quantity, price, reduce, bind }),
        4 => (any::<usize>(), 1i64..120, 950i64..1050, prop::bool::weighted(0.9))
            .prop_map(|(pick, quantity, price, take)| Op::Change { pick, quantity, price, take }),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(pick, done)| Op::Outcome { pick, done }),
        6 => (any::<usize>(), 1i64..80).prop_map(|(pick, quantity)| Op::Fill { pick, quantity }),
        4 => (any::<usize>(), state).prop_map(|(pick, state)| Op::State { pick, state }),
        1 => (any::<usize>(), 1i64..5).prop_map(|(pick, quantity)| Op::LateFill { pick, quantity }),
        2 => (instrument(), 970i64..1030).prop_map(|(instrument, mid)| Op::Top { instrument, mid }),
        1 => (0u64..400).prop_map(|ns| Op::Wait { ns }),
        1 => Just(Op::Clock),
        1 => prop_oneof![3 => Just(3u16), 1 => 1u16..8].prop_map(|code| Op::Command { code }),
    ]
}

/// The same with breakers, limits by command and latches.
fn any_op() -> impl Strategy<Value = Op> {
    let scope = prop_oneof![
        Just(Scope::All),
        (0_u8..4).prop_map(Scope::Venue),
        (0_u16..4).prop_map(Scope::Strategy),
        (0_u16..5).prop_map(Scope::Instrument),
    ];
    let state = prop_oneof![3 => Just(BreakerState::Normal), 1 => Just(BreakerState::Safe), 1 => Just(BreakerState::Killed)];
    let key = prop::sample::select(LimitKey::ALL.to_vec());
    prop_oneof![
        30 => op(),
        2 => (scope, state).prop_map(|(scope, state)| Op::Breaker { scope, state }),
        2 => (key, 0_u16..5, -1_i64..120, 0_u64..9)
            .prop_map(|(key, owner, value, number)| Op::LimitSet { key, owner, value, number }),
        1 => (0_u64..9).prop_map(|number| Op::Confirm { number }),
        1 => (0_u32..4).prop_map(|strategy| Op::Enable { strategy }),
    ]
}

/// Index of an order for which `wanted` holds.
fn pick(
    desk: &Desk,
    pick: usize,
    wanted: impl Fn(&super::desk::ToyOrder) -> bool,
) -> Option<usize> {
    let fit: Vec<usize> = (0..desk.orders.len()).filter(|i| wanted(&desk.orders[*i])).collect();
    fit.get(pick % fit.len().max(1)).copied()
}

/// Worst quantity of either side and its worth at the mark, told by the toy OMS alone.
fn worst(desk: &Desk, instrument: u16) -> ([i64; 2], i128) {
    let position = desk.gate.exposure(instrument).unwrap().position;
    let working = |side: Side| -> i64 {
        desk.orders
            .iter()
            .filter(|o| o.is_open() && o.instrument == instrument && o.side == side)
            .map(super::desk::ToyOrder::reach)
            .sum()
    };
    let reach = [position + working(Side::Buy), -position + working(Side::Sell)];
    let top = desk.market.get(instrument).unwrap().top;
    let mark_twice = i128::from(top.bid_price + top.ask_price);
    (reach, i128::from(reach[0].max(reach[1]).max(0)) * mark_twice)
}

fn gross_twice(desk: &Desk) -> i128 {
    worst(desk, 0).1 + worst(desk, 2).1
}

fn limit_set(key: LimitKey, owner: u16, value: i64, number: u64) -> Event {
    let mut event = session::command(CommandCode::LimitSet, u32::from(key.code()));
    (event.instrument, event.price, event.quantity) = (owner, i64::from(owner), value);
    (event.id, event.source) = (number, 1);
    event
}

fn confirm(number: u64) -> Event {
    let mut event = session::command(CommandCode::Confirm, 0);
    (event.price, event.id, event.source) = (number.cast_signed(), 100, 2);
    event
}

/// Does one thing; true when it was an approval.
pub(super) fn act(desk: &mut Desk, op: Op) -> bool {
    match op {
        Op::Order { instrument, sell, quantity, price, reduce, bind } => {
            let side = if sell { Side::Sell } else { Side::Buy };
            let mut wanted = intent(instrument, side, quantity, price);
            wanted.flags |= if reduce { flags::REDUCE_ONLY } else { 0 };
            let got = desk.judge(wanted);
            if got.kind == Kind::APPROVED && bind {
                desk.bind(&got);
            }
            return got.kind == Kind::APPROVED && bind;
        }
        Op::Change { pick: which, quantity, price, take } => {
            let Some(index) = pick(desk, which, super::desk::ToyOrder::is_open) else {
                return false;
            };
            let got = desk.judge(desk.change(index, quantity, price));
            if got.kind == Kind::APPROVED_REPLACE && take {
                desk.bind_change(index, &got);
            }
            return got.kind == Kind::APPROVED_REPLACE && take;
        }
        Op::Outcome { pick: which, done } => {
            let waiting = |o: &super::desk::ToyOrder| o.state == OrderState::PendingReplace;
            if let Some(index) = pick(desk, which, waiting) {
                desk.change_outcome(index, done);
            }
        }
        Op::Fill { pick: which, quantity } => {
            if let Some(index) = pick(desk, which, super::desk::ToyOrder::is_open) {
                let order = desk.orders[index];
                desk.fill(index, quantity.min(order.leaves), order.price);
            }
        }
        Op::State { pick: which, state } => {
            // A change under way ends with its own outcome, with a terminal state, or stays.
            let fits = |o: &super::desk::ToyOrder| {
                o.is_open() && (o.change.is_none() || state.is_terminal())
            };
            if let Some(index) = pick(desk, which, fits) {
                desk.report(index, state);
            }
        }
        Op::LateFill { pick: which, quantity } => {
            if let Some(index) = pick(desk, which, |o| !o.is_open()) {
                let price = desk.orders[index].price;
                desk.fill(index, quantity, price);
            }
        }
        Op::Top { instrument, mid } => desk.top(instrument, mid - 1, mid + 1),
        Op::Wait { ns } => desk.time_ns += ns,
        Op::Clock => drop(desk.clock()),
        Op::Command { code } => drop(desk.command(CommandCode::from_code(code).unwrap())),
        Op::Breaker { scope, state } => {
            desk.breaker(scope, state, TripReason::Recovered, 0);
        }
        Op::LimitSet { key, owner, value, number } => {
            desk.send(limit_set(key, owner, value, number), 0);
        }
        Op::Confirm { number } => {
            desk.send(confirm(number), 0);
        }
        Op::Enable { strategy } => {
            let event = session::command(CommandCode::StrategyEnable, strategy);
            desk.send(Event { source: 1, ..event }, 0);
        }
    }
    false
}

pub(super) fn finish(desk: &mut Desk) {
    for index in 0..desk.orders.len() {
        if desk.orders[index].is_open() {
            desk.report(index, OrderState::Cancelled);
        }
    }
    desk.clock();
    for index in 0..4 {
        let exposure = desk.gate.exposure(index).unwrap();
        assert_eq!((exposure.working_buy, exposure.working_sell), (0, 0));
        assert_eq!(exposure.working_buy_notional, currency(0));
        assert_eq!(exposure.working_sell_notional, currency(0));
    }
    assert_eq!(desk.gate.orders_open_count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn limits_hold_even_if_every_working_order_fills(ops in vec(op(), 1..120)) {
        let mut desk = Desk::new(tight());
        for op in ops {
            // Late fills were never approved; moving marks have a test of their own.
            if matches!(op, Op::LateFill { .. } | Op::Top { .. }) {
                continue;
            }
            act(&mut desk, op);
            for index in [0, 2] {
                let (reach, _) = worst(&desk, index);
                prop_assert!(reach[0] <= POSITION_MAX && reach[1] <= POSITION_MAX, "{reach:?} after {op:?}");
            }
            let gross = gross_twice(&desk);
            prop_assert!(gross <= 2 * i128::from(GROSS_MAX), "{gross} after {op:?}");
        }
        finish(&mut desk);
    }

    #[test]
    fn an_approval_that_adds_exposure_stays_within_the_gross_at_present_marks(ops in vec(op(), 1..120)) {
        let mut desk = Desk::new(tight());
        for op in ops {
            let before = gross_twice(&desk);
            let position = [0, 2].map(|index| worst(&desk, index).0);
            let approved = act(&mut desk, op);
            let gross = gross_twice(&desk);
            if approved && before < gross {
                prop_assert!(gross <= 2 * i128::from(GROSS_MAX), "{gross} after {op:?}");
            }
            for (index, before) in [0, 2].into_iter().zip(position) {
                let (reach, _) = worst(&desk, index);
                for side in 0..2 {
                    let grown = approved && before[side] < reach[side];
                    prop_assert!(!grown || reach[side] <= POSITION_MAX, "{reach:?} after {op:?}");
                }
            }
            if desk.gate.state() == RiskState::Halted {
                prop_assert!(!approved);
            }
        }
        finish(&mut desk);
    }

    #[test]
    fn a_loaded_gate_has_the_same_future(ops in vec(op(), 2..100), cut in any::<prop::sample::Index>()) {
        let mut desk = Desk::new(tight());
        let cut = cut.index(ops.len());
        for (index, op) in ops.into_iter().enumerate() {
            if index == cut {
                desk.split(tight());
            }
            act(&mut desk, op);
        }
        finish(&mut desk);
    }

    #[test]
    fn a_loaded_gate_with_every_control_has_the_same_future(
        ops in vec(any_op(), 2..100),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut desk = Desk::new(controlled());
        let cut = cut.index(ops.len());
        for (index, op) in ops.into_iter().enumerate() {
            if index == cut {
                desk.split(controlled());
            }
            desk.trade_source = u16::try_from(index % 3).unwrap();
            act(&mut desk, op);
        }
        finish(&mut desk);
    }

    #[test]
    fn limits_hold_with_every_control_and_what_is_killed_sends_nothing(ops in vec(any_op(), 1..120)) {
        let mut desk = Desk::new(controlled());
        for op in ops {
            if matches!(op, Op::LateFill { .. } | Op::Top { .. }) {
                continue;
            }
            let approved = act(&mut desk, op);
            for index in [0, 2] {
                let (reach, _) = worst(&desk, index);
                prop_assert!(reach[0] <= POSITION_MAX && reach[1] <= POSITION_MAX, "{reach:?} after {op:?}");
            }
            prop_assert!(gross_twice(&desk) <= 2 * i128::from(GROSS_MAX), "after {op:?}");
            if let Op::Order { instrument, .. } = op {
                let state = desk.gate.breaker_state(0, instrument);
                prop_assert!(!approved || state != BreakerState::Killed, "{op:?}");
            }
        }
        finish(&mut desk);
    }
}

fn extreme() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(i64::MIN),
        Just(i64::MIN + 1),
        Just(-1i64),
        Just(0i64),
        Just(1i64),
        Just(i64::MAX),
        Just(i64::MAX - 1),
        -5i64..2000,
        any::<i64>(),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let kinds = [
        Kind::INTENT,
        Kind::INTENT_CANCEL,
        Kind::INTENT_REPLACE,
        Kind::ORDER,
        Kind::FILL,
        Kind::FEE,
        Kind::COMMAND,
        Kind::CLOCK,
        Kind::SESSION_START,
        Kind::BREAKER,
        Kind::LOCK,
        Kind::PARENT,
    ];
    let small = prop_oneof![4 => 0u16..4, 1 => any::<u16>()];
    let code = prop_oneof![
        Just(257u16),
        (1u16..24),
        (0u16..12, 0u16..12).prop_map(|(low, high)| low | (high << 8)),
        any::<u16>(),
    ];
    let number = prop_oneof![3 => 0u64..6, 1 => any::<u64>()];
    let words = (number.clone(), number.clone(), extreme(), extreme(), number);
    (prop::sample::select(kinds.to_vec()), any::<u8>(), small.clone(), small, code, words).prop_map(
        |(kind, flags, instrument, source, code, words)| {
            let (time_ns, cause, price, quantity, id) = words;
            let tag = u32::try_from(cause % 70).unwrap();
            let mut event = Event::new(kind).at(time_ns).caused_by(cause);
            (event.flags, event.instrument, event.source) = (flags, instrument, source);
            (event.code, event.price, event.quantity, event.id) = (code, price, quantity, id);
            event.tag = tag;
            event
        },
    )
}

fn any_market() -> impl Strategy<Value = Market> {
    vec((extreme(), extreme(), 0i64..2, 0i64..2, extreme(), 0u64..6), 4).prop_map(|tops| {
        let mut market = Market::new(4);
        for (index, (bid_price, ask_price, bid_quantity, ask_quantity, trade_price, heard_ns)) in
            (0..).zip(tops)
        {
            let own = market.get_mut(index).unwrap();
            own.top = Top { bid_price, bid_quantity, ask_price, ask_quantity, update_id: 0 };
            own.state = BookState::Live;
            own.trade_price = trade_price;
            own.heard_ns = heard_ns;
        }
        market
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_event_panics_the_gate_and_every_intent_gets_one_verdict(
        events in vec(any_event(), 1..80),
        markets in vec(any_market(), 1..4),
        is_controlled in any::<bool>(),
    ) {
        let limits = if is_controlled { controlled() } else { tight() };
        let mut gate = Gate::new(limits, table(), STRATEGY_COUNT, ORDERS_MAX);
        for (index, event) in events.iter().enumerate() {
            let market = &markets[index % markets.len()];
            let mut ring = Ring::new(64, 0);
            let sequence = ring.begin(*event);
            let event = ring.get(sequence).caused_by(event.cause);
            gate.apply(&event, market, &mut Emitter::new(&mut ring, &event));
            let got: Vec<Kind> = (sequence + 1..=ring.head()).map(|s| ring.get(s).kind).collect();
            let verdicts = [Kind::APPROVED, Kind::APPROVED_CANCEL, Kind::APPROVED_REPLACE, Kind::REFUSED];
            let count = got.iter().filter(|kind| verdicts.contains(kind)).count();
            match event.kind {
                Kind::INTENT_CANCEL => prop_assert_eq!(got, vec![Kind::APPROVED_CANCEL]),
                Kind::INTENT | Kind::INTENT_REPLACE => prop_assert_eq!(count, 1),
                _ => {}
            }
            gate.digest();
            gate.gross_notional();
        }
    }
}
